"""A file system of a known size, which a test fills. Only root can mount one."""

import contextlib
import shutil
import subprocess
from pathlib import Path

INODES = 600


class SmallDisk:
    """A real file system of a known size, in memory."""

    def __init__(self, folder: Path, size: int) -> None:
        self.folder = folder
        folder.mkdir()
        options = f"size={size},nr_inodes={INODES}"
        run_as_root("mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder))

    def fill(self, *, leave: int) -> None:
        """Use all space except this number of bytes."""
        free = shutil.disk_usage(self.folder).free
        run_as_root("fallocate", "-l", str(free - leave), str(self.folder / "filler"))

    def empty(self) -> None:
        """Free the space that `fill` used."""
        (self.folder / "filler").unlink(missing_ok=True)

    def take_inodes(self) -> None:
        """Make files until no inode is left."""
        (self.folder / "files").mkdir()
        with contextlib.suppress(OSError):
            for number in range(INODES):
                (self.folder / "files" / str(number)).touch()

    def give_inodes(self) -> None:
        """Remove the files of `take_inodes`."""
        shutil.rmtree(self.folder / "files", ignore_errors=True)

    def remount(self, mode: str) -> None:
        """Make it read-only (`ro`) or writable (`rw`)."""
        run_as_root("mount", "-o", f"remount,{mode}", str(self.folder))

    def remove(self) -> None:
        """Unmount it, even if it is in use."""
        run_as_root("umount", "-l", str(self.folder))


def run_as_root(*command: str) -> None:
    """Run a command that only root may run."""
    subprocess.run(command, check=True, capture_output=True)
