"""A creation: a request for an image, and its outcome."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StrictStr, WithJsonSchema

from pixy_core.exceptions import Billed
from pixy_core.images import AUTO, Guid, ImageRequest


class CreationStatus(StrEnum):
    """The state of a creation."""

    PENDING = "pending"
    READY = "ready"
    FAILED = "failed"
    UNKNOWN = "unknown"


class CreationProblem(BaseModel):
    """Why there is no image: the values of the first GenerationError."""

    model_config = ConfigDict(frozen=True)

    code: str = Field(description="What happened, for programs.", examples=["prompt_rejected"])
    detail: str = Field(description="What happened, for people.")
    retryable: bool = Field(description="Whether the same request may succeed later.")
    billed: Billed = Field(description="Whether the provider charged for it.")
    upstream_request_id: str | None = Field(
        None, description="The provider's own id of its request."
    )


class Creation(ImageRequest):
    """A request for an image that has been accepted, and its outcome."""

    # not validated again: limits on sizes may change, and stored rows must stay readable
    size: StrictStr = Field(AUTO, description="The requested size.")
    guid: Guid
    # a ready creation is sent as an image, so the schema leaves `ready` out
    status: Annotated[
        CreationStatus,
        WithJsonSchema({"type": "string", "enum": ["pending", "failed", "unknown"]}),
    ] = Field(
        description="`pending`: the image is being made. `failed`: there is no image, `problem` "
        "says why. `unknown`: it is not known whether the provider made the image, and it is not "
        "asked again."
    )
    owner: str = Field(description="The user name of the user who requested it.")
    created_at: datetime = Field(description="Time of the request: UTC, to the microsecond.")
    updated_at: datetime = Field(description="Time of the last change of status: UTC.")
    problem: CreationProblem | None = Field(
        None, description="Why there is no image. Only for `failed` and `unknown`."
    )
