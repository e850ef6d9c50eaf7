"""Files, names and folders that survive a crash once the functions here have returned.

Nothing is known here of what is written.
"""

import os
import secrets
from pathlib import Path


def write_durably(path: Path, content: bytes | bytearray) -> None:
    """Write a file under a temporary name and give it its own: it is whole, or not there.

    Args:
        path: Its final name.
        content: All of it.

    Raises:
        OSError: It can't be written; nothing is left.
    """
    make_folder(path.parent)
    temporary = path.parent / f"{path.name}.{secrets.token_hex(4)}.part"
    try:
        _write(temporary, content)
        temporary.rename(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    try:
        sync_folder(path.parent)
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def rename_durably(source: Path, target: Path) -> None:
    """Give a file another name.

    Args:
        source: Its name until now.
        target: Its name from now on, on the same file system.

    Raises:
        OSError: It can't be renamed, or its new name may not survive a crash.
    """
    source.rename(target)
    sync_folder(target.parent)


def make_folder(folder: Path, mode: int = 0o700) -> None:
    """Make a folder if it does not exist.

    Args:
        folder: In a folder that exists.
        mode: Its permissions; by default for this process's user only.

    Raises:
        OSError: It can't be made.
    """
    if not folder.is_dir():
        folder.mkdir(mode=mode, exist_ok=True)
        sync_folder(folder.parent)


def sync_folder(folder: Path) -> None:
    """Write a folder's entries to the disk: a name survives a crash only then, fsync(2).

    Args:
        folder: Which one.

    Raises:
        OSError: It can't be written.
    """
    descriptor = open_folder(folder)
    try:
        sync_descriptor(descriptor, folder)
    finally:
        os.close(descriptor)


def open_folder(folder: Path) -> int:
    """Return a descriptor of a folder, for the caller to close.

    Args:
        folder: Which one.

    Raises:
        OSError: It can't be opened.
    """
    return os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)


def sync_descriptor(descriptor: int, folder: Path) -> None:
    """Do what `sync_folder` does, with an open folder.

    Args:
        descriptor: The folder's.
        folder: Its name, for the error.

    Raises:
        OSError: It can't be written. EINVAL: its file system can't make names durable.
    """
    try:
        os.fsync(descriptor)
    except OSError as error:
        reason = f"the folder can't be synced: {error.strerror}"
        raise OSError(error.errno, reason, str(folder)) from error


def open_private(path: str | Path, flags: int, dir_fd: int | None = None) -> int:
    """Open a file that only this process's user may read, if it is made.

    Args:
        path: Its name.
        flags: As for os.open.
        dir_fd: The folder that the name is in.

    Raises:
        OSError: It can't be opened.
    """
    return os.open(path, flags | os.O_CLOEXEC, 0o600, dir_fd=dir_fd)


def _write(path: Path, content: bytes | bytearray) -> None:
    with open(path, "xb", opener=open_private) as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
