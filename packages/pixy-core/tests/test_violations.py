from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    StrictInt,
    StrictStr,
    TypeAdapter,
    ValidationError,
)

from pixy_core.violations import explain_violation


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


class Empty(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Full(BaseModel):
    name: str


def _refuse(_: object) -> object:
    raise ValueError("must be another one")


TIME = "must be a time with its offset, as RFC 3339 writes it"


@pytest.mark.parametrize(
    ("kind", "value", "reason"),
    [
        (Full, {}, "must be given"),
        (Empty, {"s3cret": 1}, "is not known"),
        (Empty, "s3cret", "must be an object"),
        (dict[str, int], "s3cret", "must be an object"),
        (StrictStr, 5, "must be a string"),
        (Annotated[str, Field(max_length=9)], "\ud800", "must be valid Unicode"),
        (Annotated[str, Field(min_length=1)], "", "must not be empty"),
        (Annotated[str, Field(min_length=9)], "s3cret", "must have at least 9 characters"),
        (Annotated[str, Field(max_length=3)], "s3cret", "must have at most 3 characters"),
        (Annotated[str, Field(pattern="^[a-z]{2}$")], "s3cret", "must match ^[a-z]{2}$"),
        (int, "s3cret", "must be a whole number"),
        (int, "2.5", "must be a whole number"),
        (int, 1.5, "must be a whole number"),
        (int, "9" * 5000, "must be a whole number"),
        (StrictInt, "1", "must be a whole number"),
        (float, "s3cret", "must be a number"),
        (float, [], "must be a number"),
        (Annotated[float, Field(allow_inf_nan=False)], "nan", "must be a finite number"),
        (bool, "s3cret", "must be true or false"),
        (bool, [], "must be true or false"),
        (Annotated[int, Field(gt=3)], 3, "must be greater than 3"),
        (Annotated[int, Field(ge=3)], 2, "must be greater than or equal to 3"),
        (Annotated[int, Field(lt=3)], 3, "must be less than 3"),
        (Annotated[int, Field(le=3)], 4, "must be less than or equal to 3"),
        (Colour, "s3cret", "must be 'red' or 'blue'"),
        (Literal["a", "b"], "s3cret", "must be 'a' or 'b'"),
        (datetime, "2026-13-01T00:00:00Z", TIME),
        (datetime, "s3cret", TIME),
        (datetime, [], TIME),
        (AwareDatetime, "2026-01-01T00:00:00", TIME),
        (Path, 5, "must be a path"),
        (Annotated[str, AfterValidator(_refuse)], "s3cret", "must be another one"),
    ],
)
def test_a_violation_has_our_message(kind: Any, value: object, reason: str) -> None:
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(kind).validate_python(value)
    assert [explain_violation(error) for error in caught.value.errors()] == [reason]


def test_an_unknown_violation_has_the_message_of_pydantic() -> None:
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(set[int]).validate_python("s3cret")
    (error,) = caught.value.errors()
    assert explain_violation(error) == error["msg"]
