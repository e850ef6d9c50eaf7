"""Journal entries, and notes on provider responses that did not become a stored image."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict

from pixy_core import ImageDetail, ImageSource, Purchase


class JournalEntry(BaseModel):
    """Everything that an image's row is made of.

    Attributes:
        version: The version of this format.
        image: All of its details.
        owner: Its owner.
        class_key: The owner's class at the time of the request.
        created_at: When it was made.
        idempotency_key: The key of the request, if it had one.
        fingerprint: The fingerprint of the request, if a retry may look for it.
        key_id: The API key whose retries find it until it is delivered.
        purchase: What was bought. Ignored by code that is older than this field.
        sources: What the image was made from, in order.
    """

    model_config = ConfigDict(frozen=True)

    version: Literal[1] = 1
    image: ImageDetail
    owner: str
    class_key: str
    created_at: datetime
    idempotency_key: str | None = None
    fingerprint: str | None = None
    key_id: str | None = None
    purchase: Purchase | None = None
    sources: tuple[ImageSource, ...] = ()


class AnswerNote(BaseModel):
    """A note on a provider response that did not become a stored image, for an operator.

    Attributes:
        version: Of this format.
        guid: The creation's.
        owner: The owner of the creation.
        prompt: The requested prompt; likewise `size` and `quality`.
        created_at: Time of the request.
        code: The error code that the owner got.
        billed: `yes` or `unknown`, as in the owner's error.
        upstream_request_id: The provider's own id of the request, if it named one.
        answer_size: Bytes of the whole response.
    """

    model_config = ConfigDict(frozen=True)

    version: Literal[1] = 1
    guid: str
    owner: str
    prompt: str
    size: str
    quality: str
    created_at: datetime
    code: str
    billed: str
    upstream_request_id: str | None
    answer_size: int
