"""Models to named parameters and rows to models; the lists of columns that rows are read by."""

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

from pixy_core import Creation, Image, ImageDetail, ImageRequest, User, Visibility
from pixy_core.images import GUID_PATTERN
from pixy_data.database.database import Row

IMAGE_COLUMNS = (
    "id, guid, filename, prompt, created_at, updated_at, owner, visibility, "
    "media_type, width, height, size, sha256, generator, model"
)
_IMAGE_FIELDS = tuple(IMAGE_COLUMNS.split(", "))
_FIELDS_SET = set(_IMAGE_FIELDS)
_VISIBILITIES = {visibility.value: visibility for visibility in Visibility}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

USER_COLUMNS = "username, password, class_key, disabled, created_at"
USER_WIDTH = len(USER_COLUMNS.split(", "))

# MySQL ignores trailing spaces of a guid, and refuses to compare one that is not ASCII
match_guid = re.compile(GUID_PATTERN).fullmatch


def widen(columns: str, table: str = "images") -> str:
    """Prefix each column with the name of its table, for a join."""
    wide = ", ".join(f"{table}.{column}" for column in columns.split(", "))
    return wide.replace(f"{table}.NULL", "NULL")


def time_to_parameter(moment: datetime) -> str:
    """Write an aware time as both databases sort it: `2026-01-31 12:00:00.000000`, in UTC."""
    # MySQL drops the offset of an aware time silently
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "microseconds")


def time_from_value(value: str) -> datetime:
    """Read a time that `time_to_parameter` wrote."""
    return datetime.fromisoformat(value + "Z")


def time_to_microseconds(moment: datetime) -> int:
    """Return the microseconds since 1970, by which the index of words sorts."""
    return (moment - _EPOCH) // timedelta(microseconds=1)


def image_to_parameters(image: ImageDetail, owner: User, created_at: datetime) -> dict[str, Any]:
    """Return the parameters of a new image's row, all columns except `id`.

    Args:
        image: Its details; `image.owner` is ignored.
        owner: Its owner.
        created_at: Aware.
    """
    created = time_to_parameter(created_at)
    return {
        **image.model_dump(mode="json", include=set(ImageDetail.model_fields)),
        "owner": owner.username,
        "class_key": owner.class_key,
        "created_at": created,
        "updated_at": created,
    }


def image_from_row(row: Row) -> Image:
    """Turn a row of IMAGE_COLUMNS into an image, without validating it again."""
    # fmt: off
    (image_id, guid, filename, prompt, created_at, updated_at, owner, visibility,
     media_type, width, height, size, sha256, generator, model) = row
    created = time_from_value(created_at)
    values = {
        "prompt": prompt, "visibility": _VISIBILITIES[visibility],
        "guid": guid, "filename": filename, "owner": owner,
        "media_type": media_type, "width": width, "height": height, "size": size, "sha256": sha256,
        "generator": generator, "model": model,
        "id": image_id, "status": "ready", "created_at": created,
        "updated_at": created if updated_at == created_at else time_from_value(updated_at),
    }
    # fmt: on
    return _construct_image(values)


def _construct_image(values: dict[str, Any]) -> Image:
    """Construct an image from all of its fields, in the order of its JSON.

    `Image.model_construct` looks for defaults and takes five times as long; a page has 50 images.
    These are pydantic's private attributes, as of 2.12.
    """
    image = Image.__new__(Image)
    set_attribute = object.__setattr__
    set_attribute(image, "__dict__", values)
    set_attribute(image, "__pydantic_fields_set__", _FIELDS_SET)
    set_attribute(image, "__pydantic_extra__", None)
    set_attribute(image, "__pydantic_private__", None)
    return image


def image_guid(row: Row) -> object:
    """Return the guid in a row of IMAGE_COLUMNS; None if the row has another length."""
    return row[1] if len(row) == len(_IMAGE_FIELDS) else None


def image_from_parameters(parameters: dict[str, Any], image_id: int | None) -> Image:
    """Turn the parameters of an inserted row into the image that a read would return.

    Args:
        parameters: From `image_to_parameters`.
        image_id: The id that the database gave the row.
    """
    values = {**parameters, "id": image_id}
    return image_from_row(tuple(values[field] for field in _IMAGE_FIELDS))


def user_to_parameters(user: User, created_at: datetime) -> dict[str, Any]:
    """Return the parameters of a new user's row; `user.created_at` is ignored."""
    return {
        "username": user.username,
        "password": user.password,
        "class_key": user.class_key,
        "disabled": int(user.disabled),
        "created_at": time_to_parameter(created_at),
    }


def user_from_row(row: Row) -> User:
    """Turn a row of USER_COLUMNS into a user, without validating it again."""
    username, password, class_key, disabled, created_at = row
    return User.model_construct(
        username=username,
        password=password,
        class_key=class_key,
        disabled=bool(disabled),
        created_at=time_from_value(created_at),
    )


def creation_from_row(row: Row) -> Creation:
    """Turn a row of creations into a creation; unknown members of its request are ignored."""
    guid, owner, request, status, problem, created_at, updated_at = row
    members = json.loads(request)
    return Creation.model_validate(
        {
            **{name: members[name] for name in ImageRequest.model_fields if name in members},
            "guid": guid,
            "owner": owner,
            "status": status,
            "problem": None if problem is None else json.loads(problem),
            "created_at": time_from_value(created_at),
            "updated_at": time_from_value(updated_at),
        }
    )
