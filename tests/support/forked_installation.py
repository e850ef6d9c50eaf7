"""An installation whose processes are forked from one that has done the imports of `pixy`."""

import subprocess
import threading
from functools import cache

from forked_pixy import ForkedPixy, ForkedProcess
from installed_pixy import PROGRAM, InstalledPixy

_making = threading.Lock()


class ForkedInstallation(InstalledPixy):
    """Like InstalledPixy; a server starts in a quarter of the time.

    For tests that start a server again and again, and ask nothing of its start. Workers of a server
    do their own imports, as do other programs and servers with a limit of descriptors.
    """

    def run(self, *arguments: str, stdin: str = "") -> str:
        """Run `pixy` to its end and return what it printed.

        Raises:
            CalledProcessError: Its exit code is not 0.
        """
        if self.program != PROGRAM:
            return super().run(*arguments, stdin=stdin)
        done = _forks().run(
            *arguments, folder=self.folder, environment=self._environment(), stdin=stdin
        )
        if done.returncode:
            raise subprocess.CalledProcessError(
                done.returncode, done.args, done.stdout, done.stderr
            )
        return done.stdout

    def _serve(
        self, *arguments: str, stderr: int, descriptors: int | None
    ) -> subprocess.Popen[bytes] | ForkedProcess:
        if self.program != PROGRAM or descriptors:
            return super()._serve(*arguments, stderr=stderr, descriptors=descriptors)
        environment = self._environment()
        return _forks().start(
            "serve", *arguments, folder=self.folder, environment=environment, stderr=stderr
        )


def _forks() -> ForkedPixy:
    # servers are started in several threads at once, and a cache alone would make several
    with _making:
        return _make_forks()


@cache
def _make_forks() -> ForkedPixy:
    return ForkedPixy()
