"""Durable writes of files and folders, and opening files without following symbolic links."""

import os
import secrets
from functools import partial
from pathlib import Path

DISK_RESERVE = 256 * 1024 * 1024
"""Bytes that stay free on a file system by default, for images that are being made."""


def write_durably(path: Path, content: bytes | bytearray, mode: int = 0o600) -> None:
    """Create or replace a file; after a crash it has its old or its new content.

    Args:
        path: Its path; its folder is created if it is missing.
        content: Its bytes.
        mode: The permissions of a new file; the umask applies.

    Raises:
        OSError: It can't be written. A new file is absent; an old one has either content.
    """
    make_folder(path.parent)
    temporary = path.parent / f"{path.name}.{secrets.token_hex(4)}.part"
    try:
        with open(temporary, "xb", opener=partial(open_private, mode=mode)) as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        is_new = not path.exists()
        temporary.rename(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    try:
        sync_folder(path.parent)
    except BaseException:
        if is_new:
            path.unlink(missing_ok=True)
        raise


def rename_durably(source: Path, target: Path) -> None:
    """Rename a file within its file system so that the new name survives a crash."""
    source.rename(target)
    sync_folder(target.parent)


def make_folder(folder: Path, mode: int = 0o700) -> None:
    """Create a folder, by default for this process's user only, unless it exists."""
    if not folder.is_dir():
        folder.mkdir(mode=mode, exist_ok=True)
        sync_folder(folder.parent)


def sync_folder(folder: Path) -> None:
    """Sync a folder, so that new names in it survive a crash (fsync(2))."""
    descriptor = open_folder(folder)
    try:
        sync_descriptor(descriptor, folder)
    finally:
        os.close(descriptor)


def open_folder(folder: Path) -> int:
    """Return a descriptor of a folder; the caller closes it."""
    return os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)


def sync_descriptor(descriptor: int, folder: Path) -> None:
    """Sync an open folder.

    Args:
        descriptor: The folder's.
        folder: Its path, for the error.

    Raises:
        OSError: It can't be written. EINVAL: its file system can't make names durable.
    """
    try:
        os.fsync(descriptor)
    except OSError as error:
        reason = f"the folder can't be synced: {error.strerror}"
        raise OSError(error.errno, reason, str(folder)) from error


def open_private(path: str | Path, flags: int, mode: int = 0o600) -> int:
    """Open a file as os.open does; if it is created, only this process's user may read it."""
    return os.open(path, flags | os.O_CLOEXEC, mode)


def open_to_read(path: str | Path, dir_fd: int | None = None) -> int:
    """Return a descriptor for reading, without following a link or waiting for a FIFO's writer.

    Raises:
        OSError: It can't be opened. ELOOP: it is a symbolic link.
    """
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
    return os.open(path, flags, dir_fd=dir_fd)
