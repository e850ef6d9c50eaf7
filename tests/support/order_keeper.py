"""A generator that reads the files that it gets, and remembers them."""

from collections.abc import Callable

from pixy_core import GenerationError, ImageRequest
from pixy_service import GeneratedImage, ImageOrder, SourceFile
from pixy_service.generators.interface import OnPartial, ignore_partial
from provider_answers import make_png


class OrderKeeper:
    """Makes a picture that nobody else gets, whatever it is asked for.

    Attributes:
        orders: What it was asked for.
        read: The bytes of each order's sources, and of its mask.
        before: Called before it reads a file.
        failure: Raised in place of a picture.
    """

    name = "sketch"
    models = ("sketch-1",)

    def __init__(self) -> None:
        self.orders: list[ImageOrder] = []
        self.read: list[tuple[list[bytes], bytes | None]] = []
        self.before: Callable[[], object] = lambda: None
        self.failure: GenerationError | None = None

    def check(self, request: ImageRequest) -> None:
        """Do nothing: every request is supported."""

    def generate(self, order: ImageOrder, on_partial: OnPartial = ignore_partial) -> GeneratedImage:
        """Read the sources, and draw a picture as wide as the number of the order."""
        del on_partial
        self.orders.append(order)
        self.before()
        mask = None if order.mask is None else _read(order.mask)
        self.read.append(([_read(source) for source in order.sources], mask))
        if self.failure is not None:
            raise self.failure
        width = 100 + len(self.orders)
        content = make_png(width, 48)
        return GeneratedImage(content, "image/png", width, 48, "sketch", "sketch-1")

    def close(self) -> None:
        """Do nothing."""


def _read(source: SourceFile) -> bytes:
    # twice, as a client does that tries again
    assert source.path.read_bytes() == source.path.read_bytes()
    return source.path.read_bytes()
