"""Reads the instructions of a Dockerfile, and runs its build steps in folders, without containers.

Steps run by `chroot` in a copy of a Debian system. Instructions that only describe the image are
kept for those who start a process of it.
"""

import fnmatch
import json
import os
import re
import shlex
import shutil
import ssl
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

_AUTHORITIES = "/authorities.pem"
"""The certificates that this machine trusts, inside a system; the one of a company among them."""


@dataclass
class Stage:
    """One stage: the image it starts from, its name, its steps, and what it says of processes."""

    image: str
    name: str
    steps: list[tuple[str, str]] = field(default_factory=list)
    environment: dict[str, str] = field(default_factory=dict)
    described: dict[str, str] = field(default_factory=dict)

    def command(self, instruction: str) -> list[str]:
        """Return the command of CMD or HEALTHCHECK, which must be in the form of a list."""
        text = self.described[instruction]
        words: list[str] = json.loads(text[text.index("[") :])
        return words


def read_dockerfile(path: Path) -> list[Stage]:
    """Return the stages of a Dockerfile.

    Raises:
        ValueError: It has an instruction that nothing here runs.
    """
    lines = re.sub(r"(?m)^\s*#.*\n", "", path.read_text()).replace("\\\n", " ").splitlines()
    stages: list[Stage] = []
    for line in filter(None, map(str.strip, lines)):
        instruction, _, rest = line.partition(" ")
        if instruction == "FROM":
            image, _, name = rest.partition(" AS ")
            stages.append(Stage(image, name))
        elif instruction in ("RUN", "COPY", "WORKDIR"):
            stages[-1].steps.append((instruction, rest.strip()))
        elif instruction == "ENV":
            for word in shlex.split(rest):
                name, _, value = word.partition("=")
                stages[-1].environment[name] = value
        elif instruction in _DESCRIBING:
            stages[-1].described[instruction] = rest.strip()
        else:
            raise ValueError(f"{path.name}: {instruction} is not known here")
    return stages


_DESCRIBING = frozenset(
    {"ARG", "CMD", "EXPOSE", "HEALTHCHECK", "LABEL", "STOPSIGNAL", "USER", "VOLUME"}
)


class Builder:
    """Builds the stages of a Dockerfile as folders.

    Args:
        context: The folder that COPY reads, with its `.dockerignore`.
        system: A folder with a minimal Debian system, which is copied for each stage.
        folder: An empty folder for the results.
    """

    def __init__(self, context: Path, system: Path, folder: Path) -> None:
        self._context, self._system, self._folder = context, system, folder
        self._roots: dict[str, Path] = {}
        self._ignored = read_ignored(context)

    def build(self, stage: Stage) -> Path:
        """Return the folder with what a stage has made.

        Raises:
            CalledProcessError: A step failed; the output is on standard error.
        """
        root = self._folder / (stage.name or "image")
        subprocess.run(["cp", "-a", self._system, root], check=True)
        shutil.copy(ssl.get_default_verify_paths().cafile or "/dev/null", f"{root}{_AUTHORITIES}")
        shutil.copy("/etc/resolv.conf", root / "etc/resolv.conf")
        working = "/"
        for instruction, text in stage.steps:
            if instruction == "WORKDIR":
                working = text
                (root / text[1:]).mkdir(parents=True, exist_ok=True)
            elif instruction == "COPY":
                self._copy(root, working, text)
            else:
                self._run(root, working, text, stage.environment)
        self._roots[stage.name] = root
        return root

    def _run(self, root: Path, working: str, command: str, environment: dict[str, str]) -> None:
        path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        # apt and pip as this machine may use them
        here = {name: value for name, value in os.environ.items() if name == "PIP_INDEX_URL"}
        values = {"PATH": path, "DEBIAN_FRONTEND": "noninteractive", **here, **environment}
        values |= {"PIP_CERT": _AUTHORITIES, "PIP_CONFIG_FILE": os.devnull}
        entered = f"cd {working} && {command}"
        subprocess.run(["chroot", root, "sh", "-ec", entered], env=values, check=True)

    def _copy(self, root: Path, working: str, text: str) -> None:
        *options, source, target = text.split()
        place = root / str(Path(working, target))[1:]
        if options:
            (name,) = (option.removeprefix("--from=") for option in options)
            subprocess.run(["cp", "-a", self._roots[name] / source[1:], place], check=True)
        elif (self._context / source).is_dir():
            shutil.copytree(self._context / source, place, ignore=self._ignore)
        else:
            assert source not in self._ignored.match(self._context, [source])
            shutil.copy(self._context / source, place)

    def _ignore(self, folder: str, names: list[str]) -> set[str]:
        return self._ignored.match(Path(folder), names)


@dataclass
class Ignored:
    """The patterns of `.dockerignore`; the last that matches decides, as in Docker."""

    context: Path
    patterns: list[str]

    def match(self, folder: Path, names: list[str]) -> set[str]:
        """Return the names in a folder that are not part of the context."""
        ignored: set[str] = set()
        for name in names:
            path = str((folder / name).relative_to(self.context))
            for pattern in self.patterns:
                if _matches(path, pattern.lstrip("!")):
                    (ignored.discard if pattern.startswith("!") else ignored.add)(name)
        return ignored


def _matches(path: str, pattern: str) -> bool:
    """Return whether a pattern names a path or a folder above it; `*` matches no slash."""
    parts, wanted = path.split("/"), pattern.split("/")
    if wanted[0] == "**":
        return any(fnmatch.fnmatch(part, wanted[1]) for part in parts)
    return len(parts) >= len(wanted) and all(map(fnmatch.fnmatch, parts, wanted))


def read_ignored(context: Path) -> Ignored:
    """Return the patterns of the context's `.dockerignore`."""
    lines = (context / ".dockerignore").read_text().splitlines()
    return Ignored(context, [line for line in lines if line and not line.startswith("#")])
