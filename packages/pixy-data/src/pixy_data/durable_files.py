"""Writing files so that they survive a crash: fsync of the file, rename, fsync of its folder.

Nothing is known here of what is written.
"""

import os
import secrets
from pathlib import Path


def write_durably(path: Path, content: bytes) -> None:
    """Write a file; once this returns it survives a crash.

    Args:
        path: Its final name.
        content: All of it.

    Raises:
        OSError: It can't be written; nothing is left.
    """
    folder = path.parent
    if not folder.is_dir():
        folder.mkdir(mode=0o700, exist_ok=True)
        _sync_folder(folder.parent)
    temporary = folder / f"{path.name}.{secrets.token_hex(4)}.part"
    try:
        with open(temporary, "xb", opener=_open_private) as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.rename(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    try:
        _sync_folder(folder)
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def _open_private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_CLOEXEC, 0o600)


def _sync_folder(folder: Path) -> None:
    # a rename survives a crash only once its folder is written too: fsync(2)
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
