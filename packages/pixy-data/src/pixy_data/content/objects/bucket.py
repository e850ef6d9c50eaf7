"""A bucket: the few requests that the store makes, through obstore (tested with 0.12).

How obstore must be used, from its source: without multipart, since unfinished parts are invisible
and cost money; with fewer retries than its ten in three minutes; opened in each process.
"""

import logging
import mmap
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import obstore
from obstore.exceptions import BaseError, NotFoundError, PreconditionError
from obstore.store import ObjectStore as Client
from obstore.store import from_url

from pixy_core import ConfigurationError, ContentDamagedError, StorageUnavailableError
from pixy_data.content.spooled_files import SpooledFile

_logger = logging.getLogger(__name__)

_LISTED = 1000
_CLOCK = ".clock"
_HASH = "sha256"
"""The name of the metadata that has the hash of an image."""
_LOG_PAUSE = 60.0

_RETRIES: Any = {
    "max_retries": 2,
    "retry_timeout": timedelta(seconds=5),
    "backoff": {"init_backoff": timedelta(milliseconds=100), "max_backoff": timedelta(seconds=1)},
}
_QUICK_RETRIES: Any = _RETRIES | {"max_retries": 1, "retry_timeout": timedelta(seconds=1)}
"""A refusal or a lost connection is tried again, a store that hangs is not."""
_SMALL = 1024 * 1024
"""Bytes up to which a body has no more time than a read: a deletion must not wait for a minute."""
_LARGE = 8 * 1024 * 1024
"""Bytes from which files are sent one after the other: obstore has all of a body in memory."""
_TURN = 60.0
"""Seconds for which a large file waits for its turn."""
_MOST = 64 * 1024 * 1024
"""The most bytes that are read at once. A failed allocation in obstore ends the process."""

_STORE_CODE = re.compile(r"<Code>(\w{1,40})</Code>", re.ASCII)
"""Why S3 refuses, such as NoSuchBucket or SignatureDoesNotMatch: the status does not tell."""
_OUT_OF_RANGE = "416 Range Not Satisfiable"
"""In the text of an error; obstore has no class for it."""


class Timeouts(NamedTuple):
    """Seconds for one try of a request. A store that hangs must free its threads soon.

    Attributes:
        connecting: For the connection.
        usual: For a request and its answer, which is up to 64 MiB.
        large: For a request with a large body, and for a copy.
        quick: For a request for which a transaction or a client's details wait.
    """

    connecting: float = 5.0
    usual: float = 20.0
    large: float = 60.0
    quick: float = 3.0


_TIMEOUTS = Timeouts()


class FoundObject(NamedTuple):
    """An object: its key, its bytes, when it was written by the store's clock, and its ETag."""

    key: str
    size: int
    modified: datetime
    etag: str | None


class Bucket:
    """A prefix of a bucket.

    Its methods raise StorageUnavailableError when the store does not answer or refuses.

    Args:
        reading: The client for everything that is small or only reads.
        writing: The client for large bodies and copies, which has more time.
        quick: The client for what must not take long, and may fail.
    """

    def __init__(self, reading: Client, writing: Client, quick: Client) -> None:
        self._reading = reading
        self._writing = writing
        self._quick = quick
        self._turn = threading.Lock()

    def put(
        self,
        key: str,
        content: bytes | SpooledFile,
        media_type: str | None = None,
        *,
        sha256: str | None = None,
    ) -> None:
        """Create or replace an object; when this returns, it is durable.

        Bytes are not copied. Of large files, one is in memory at a time.

        Args:
            key: Its key.
            content: Its bytes.
            media_type: Its media type.
            sha256: The hash of the bytes, to be kept with them as metadata.
        """
        named = {"Content-Type": media_type, _HASH: sha256}
        attributes: Any = {name: value for name, value in named.items() if value is not None}
        with _translating("written", key), _requiring_bucket(), self._load(content) as body:
            client = self._writing if len(body) > _SMALL else self._reading
            obstore.put(client, key, body, attributes=attributes, use_multipart=False)

    def get(self, key: str, *, quick: bool = False) -> bytes | None:
        """Return the bytes of an object that is not an image; None if there is none.

        Args:
            key: Its key.
            quick: Whether the caller can't wait, and can go on without them.
        """
        found = self.get_typed(key, quick=quick)
        return None if found is None else found[0]

    def get_typed(self, key: str, *, quick: bool = False) -> tuple[bytes, str | None] | None:
        """Like `get`, and return its media type, too."""
        try:
            with _translating("read", key):
                result = obstore.get(self._quick if quick else self._reading, key)
                if result.meta["size"] > _MOST:
                    raise OSError(f"it has {result.meta['size']} bytes")
                return bytes(result.bytes()), _attribute(result.attributes, "Content-Type")
        except FileNotFoundError:
            return None

    def read(self, key: str, part: range, etag: str | None) -> memoryview:
        """Return some bytes of an object, without a copy: copying 1.5 MB takes up to 2 ms.

        Args:
            key: Its key.
            part: Which bytes; they exist.
            etag: Its ETag; None if the store gives none.

        Raises:
            ContentDamagedError: It was replaced or removed.
        """
        options: Any = {"range": (part.start, part.stop), "if_match": etag}
        try:
            with _translating("read", key):
                content = memoryview(obstore.get(self._reading, key, options=options).bytes())
        except FileNotFoundError as error:
            raise ContentDamagedError from error
        if len(content) != len(part):
            raise ContentDamagedError
        return content

    def open(self, key: str, part: range, size: int) -> tuple[FoundObject, memoryview] | None:
        """Return an object and some of its bytes; None if there is none, or it has another size."""
        # a store answers sooner without a range
        options: Any = {} if len(part) == size else {"range": (part.start, part.stop)}
        try:
            with _translating("read", key):
                result = obstore.get(self._reading, key, options=options)
                found = _describe(result.meta)
                return (found, memoryview(result.bytes())) if found.size == size else None
        except (FileNotFoundError, ContentDamagedError):
            return None

    def find(self, key: str, *, quick: bool = False) -> FoundObject | None:
        """Return an object without its bytes; None if there is none.

        Args:
            key: Its key.
            quick: As for `get`.
        """
        try:
            with _translating("read", key):
                return _describe(obstore.head(self._quick if quick else self._reading, key))
        except FileNotFoundError:
            return None

    def peek(self, key: str) -> bool:
        """Return whether there is an object; False if the store does not tell soon."""
        try:
            obstore.head(self._quick, key)
        except (BaseError, OSError):
            return False
        return True

    def find_hashed(self, key: str) -> tuple[FoundObject, str | None] | None:
        """Return an object, and the hash that was kept with it; None if there is none."""
        options: Any = {"head": True}
        try:
            with _translating("read", key):
                result = obstore.get(self._reading, key, options=options)
                return _describe(result.meta), _attribute(result.attributes, _HASH)
        except FileNotFoundError:
            return None

    def delete(self, key: str) -> None:
        """Remove an object, if there is one."""
        try:
            with _translating("removed", key):
                obstore.delete(self._reading, key)
        except FileNotFoundError:
            return

    def copy(self, key: str, new: str) -> None:
        """Copy an object within the bucket.

        Raises:
            FileNotFoundError: There is none.
        """
        with _translating("copied", key):
            obstore.copy(self._writing, key, new)

    def list(self, folder: str) -> Iterator[list[FoundObject]]:
        """Yield the objects of a folder, in parts, in the order of their keys."""
        with _translating("listed", folder), _requiring_bucket():
            pages = iter(obstore.list(self._reading, folder, chunk_size=_LISTED))
        while True:
            with _translating("listed", folder), _requiring_bucket():
                page = next(pages, None)
            if page is None:
                return
            yield [_describe(each) for each in page]

    def now(self) -> datetime:
        """Return the time by the store's clock, which is that of its objects."""
        self.put(_CLOCK, b"")
        found = self.find(_CLOCK)
        return datetime.now(UTC) if found is None else found.modified

    @contextmanager
    def _load(self, content: bytes | SpooledFile) -> Iterator[bytes | mmap.mmap]:
        """Return all bytes of a file, when no other large one is in memory."""
        if not isinstance(content, SpooledFile):
            yield content
        elif content.size <= _LARGE:
            yield content.read()
        elif self._turn.acquire(timeout=_TURN):
            try:
                yield _load_large(content)
            finally:
                self._turn.release()
        else:
            raise TimeoutError("other large files are being sent")


def open_bucket(url: str, timeouts: Timeouts = _TIMEOUTS) -> Bucket:
    """Return the bucket of a URL; nothing connects.

    Args:
        url: As `is_bucket_url` accepts it. Credentials and endpoints are in the environment
            variables that S3, Google Cloud Storage and Azure usually have.
        timeouts: How long to wait for it.

    Raises:
        ConfigurationError: The URL can't be used.
    """
    try:
        return Bucket(
            _open(url, timeouts.connecting, timeouts.usual, _RETRIES),
            _open(url, timeouts.connecting, timeouts.large, _RETRIES),
            _open(url, timeouts.connecting, timeouts.quick, _QUICK_RETRIES),
        )
    except (BaseError, ValueError) as error:
        raise ConfigurationError(f"The bucket can't be used: {_name(error)}") from error


def _open(url: str, connecting: float, timeout: float, retries: Any) -> Client:
    options: Any = {
        "connect_timeout": timedelta(seconds=connecting),
        "timeout": timedelta(seconds=timeout),
        # only an endpoint that the operator names is asked without TLS
        "allow_http": True,
    }
    # the store refuses a body that differs from its hash
    config: Any = {"checksum_algorithm": "sha256"} if url.startswith("s3:") else None
    client: Client = from_url(url, config=config, client_options=options, retry_config=retries)
    return client


def _load_large(file: SpooledFile) -> mmap.mmap:
    """Read a file into memory that goes back to the system at once, which `bytes` may not do."""
    buffer = mmap.mmap(-1, file.size)
    for block in file.read_blocks():
        buffer.write(block)
    return buffer


@contextmanager
def _requiring_bucket() -> Iterator[None]:
    """Turn "not found" into an error of the store: what is written or listed is the bucket's."""
    try:
        yield
    except (NotFoundError, FileNotFoundError) as error:
        raise OSError(_name(error)) from error


@contextmanager
def _translating(verb: str, key: str) -> Iterator[None]:
    """Turn obstore's errors into ours; FileNotFoundError stays."""
    try:
        yield
    except NotFoundError as error:
        raise FileNotFoundError(key) from error
    except PreconditionError as error:
        raise ContentDamagedError from error
    except (BaseError, OSError) as error:
        if isinstance(error, FileNotFoundError):
            raise
        if _OUT_OF_RANGE in str(error):
            raise ContentDamagedError from error
        _failures.log(f"the object {key} can't be {verb}: {_name(error)}")
        raise StorageUnavailableError from error


class _FailureLog:
    """Logs the first failure, and then one a minute: each request fails while a store is away."""

    def __init__(self) -> None:
        self._next = 0.0

    def log(self, message: str) -> None:
        """Log an error, unless another was logged moments ago."""
        now = time.monotonic()
        if now >= self._next:
            self._next = now + _LOG_PAUSE
            _logger.error("%s; further errors are logged once a minute", message)


_failures = _FailureLog()


def _name(error: Exception) -> str:
    """Return the code in the store's answer, and the first line of an error without the answer."""
    text = str(error)
    code = _STORE_CODE.search(text)
    names = [type(error).__name__, *([code[1]] if code else []), text.partition("\n")[0][:200]]
    return ": ".join(names)


def _describe(meta: Any) -> FoundObject:
    return FoundObject(meta["path"], meta["size"], meta["last_modified"], meta["e_tag"])


def _attribute(attributes: Any, name: str) -> str | None:
    value = attributes.get(name)
    return None if value is None else str(value)
