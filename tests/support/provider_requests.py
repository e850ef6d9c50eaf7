"""What the stand-in for OpenAI's Images API records of a request."""

from dataclasses import dataclass
from email.message import Message
from typing import Any

from provider_bodies import Part

GENERATIONS_PATH = "/v1/images/generations"
EDITS_PATH = "/v1/images/edits"
PAID_PATHS = (GENERATIONS_PATH, EDITS_PATH)
MODELS_PATH = "/v1/models"


@dataclass(frozen=True)
class RecordedRequest:
    """A request that the provider would have charged for.

    Attributes:
        headers: As they were sent.
        body: The members of a JSON body, or the texts of a multipart one.
        path: One of PAID_PATHS.
        parts: The parts of a multipart body, files and texts, in their order.
    """

    headers: Message
    body: dict[str, Any]
    path: str = GENERATIONS_PATH
    parts: tuple[Part, ...] = ()

    @property
    def files(self) -> tuple[Part, ...]:
        """The images and the mask of an edit, in their order."""
        return tuple(part for part in self.parts if part.is_file)
