"""What becomes of a request for an image, until the image is there or will never be.

An image that is there is in images.py; how it gets there is not a matter of models.
"""

from datetime import datetime
from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StrictStr, WithJsonSchema

from pixy_core.generation_errors import Billed
from pixy_core.image_requests import AUTO, ImageRequest
from pixy_core.images import Guid


class CreationStatus(StrEnum):
    """How far a creation has come."""

    PENDING = "pending"
    READY = "ready"
    FAILED = "failed"
    UNKNOWN = "unknown"


class CreationProblem(BaseModel):
    """Why there is no image, as the error said that told it first."""

    model_config = ConfigDict(frozen=True)

    code: str = Field(description="What happened, for programs.", examples=["prompt_rejected"])
    detail: str = Field(description="What happened, for people.")
    retryable: bool = Field(description="Whether the same request may succeed later.")
    billed: Billed = Field(description="Whether the provider charged for it.")
    upstream_request_id: str | None = Field(
        None, description="The provider's own id of its request."
    )


class Creation(ImageRequest):
    """A request for an image that has been accepted, and what became of it."""

    # not validated again: the limits of sizes change, and what is stored stays readable
    size: StrictStr = Field(AUTO, description="As it was asked for.")
    guid: Guid
    # a ready one is an image, and is sent as such
    status: Annotated[
        CreationStatus,
        WithJsonSchema({"type": "string", "enum": ["pending", "failed", "unknown"]}),
    ] = Field(
        description="`pending`: it is being made. `failed`: there is no image, `problem` says why. "
        "`unknown`: nobody can tell whether the provider made it, and it is not asked again."
    )
    owner: str = Field(description="The user name of whoever asked for it.")
    created_at: datetime = Field(description="When it was asked for: UTC, to the microsecond.")
    updated_at: datetime = Field(description="When its status last changed: UTC.")
    problem: CreationProblem | None = Field(
        None, description="Why there is no image, when it `failed` or is `unknown`."
    )
