"""An interface to follow how images are made. The base class does nothing."""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from pixy_core import Creation, GenerationError, Purchase
from pixy_service.generators.interface import GeneratedImage

logger = logging.getLogger(__name__)


class MadeImage(NamedTuple):
    """An image that was made and is safe.

    Attributes:
        model: The generator's model.
        quality: The quality that was asked for.
        purchase: What was asked, and what the provider reported; None without a provider.
        provider_seconds: How long the provider took; the generator, if there is no provider.
        overhead: Seconds from the start of the create to its end, without the provider's.
    """

    model: str
    quality: str
    purchase: Purchase | None
    provider_seconds: float
    overhead: float


class GenerationObserver:
    """Follows how images are made; the threads that make them call it.

    Each method returns at once. What one raises is logged, and changes nothing else.
    """

    def note_running(self, count: int) -> None:
        """Called when the number of images that this process makes has changed."""

    def note_image(self, image: MadeImage) -> None:
        """Called when an image is safe."""

    def note_failure(self, model: str, error: GenerationError) -> None:
        """Called when the generator was asked for an image, and there is none.

        Args:
            model: The model that was asked.
            error: Why; it also says whether the provider charged for it.
        """

    def note_lost(self) -> None:
        """Called when an image of a dead process is given up, with unknown outcome."""


NO_OBSERVER = GenerationObserver()


@contextmanager
def telling() -> Iterator[None]:
    """Log what an observer raises in this block: it must not cost an image or a slot."""
    try:
        yield
    except Exception:
        logger.exception("an observer failed")


def describe_made(creation: Creation, generated: GeneratedImage, started_at: float) -> MadeImage:
    """Return what an observer gets about an image whose create ends now.

    Args:
        creation: What was asked for.
        generated: What the generator made.
        started_at: When the create began, by `time.monotonic`.
    """
    waited = generated.provider_seconds or 0.0
    overhead = time.monotonic() - started_at - waited
    return MadeImage(generated.model, creation.quality, generated.purchase, waited, overhead)
