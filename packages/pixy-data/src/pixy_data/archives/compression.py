"""Zstandard (RFC 8878): from Python 3.14 on in the standard library, before that its backport."""

import sys
from typing import BinaryIO

if sys.version_info >= (3, 14):
    from compression.zstd import CompressionParameter, DecompressionParameter, ZstdError, ZstdFile
else:
    from backports.zstd import CompressionParameter, DecompressionParameter, ZstdError, ZstdFile

__all__ = ["ZstdError", "ZstdFile", "open_compressed", "open_decompressed"]

_WRITING: dict[int, int] = {
    # image files can't be compressed; lines and tar's padding can, at any level
    CompressionParameter.compression_level: 1,
    CompressionParameter.checksum_flag: 1,
}
_READING: dict[int, int] = {
    # the memory of the reader, as a power of two: an archive that `zstd` made by default needs 23
    DecompressionParameter.window_log_max: 27,
}


def open_compressed(file: BinaryIO) -> ZstdFile:
    """Return a stream that compresses what is written to it, to an open file that stays open."""
    return ZstdFile(file, "w", options=_WRITING)


def open_decompressed(file: BinaryIO) -> ZstdFile:
    """Return a stream that decompresses an open file, which stays open."""
    return ZstdFile(file, "r", options=_READING)
