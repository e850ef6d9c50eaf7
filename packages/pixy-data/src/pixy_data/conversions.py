"""Models to named parameters, and rows to models: one function each way.

No SQL but the column lists that rows are read by.
"""

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from pydantic import BaseModel

from pixy_core import Creation, Image, ImageDetail, ImageRequest, User, Visibility
from pixy_core.images import GUID_PATTERN
from pixy_data.database.database import Row

M = TypeVar("M", bound=BaseModel)

IMAGE_COLUMNS = (
    "id, guid, filename, prompt, created_at, updated_at, owner, visibility, "
    "media_type, width, height, size, sha256, generator, model"
)
_IMAGE_FIELDS = tuple(IMAGE_COLUMNS.split(", "))
_FIELDS_SET = set(_IMAGE_FIELDS)
_VISIBILITIES = {visibility.value: visibility for visibility in Visibility}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

USER_COLUMNS = "username, password, class_key, disabled, created_at"
_USER_FIELDS = set(USER_COLUMNS.split(", "))
USER_WIDTH = len(_USER_FIELDS)

# MySQL ignores trailing spaces of a guid, and refuses to compare one that isn't ASCII
match_guid = re.compile(GUID_PATTERN).fullmatch


def time_to_parameter(moment: datetime) -> str:
    """Write a time as both databases take and sort it.

    Args:
        moment: Aware, in any zone.

    Returns:
        UTC without a zone, such as `2026-01-31 12:00:00.000000`.

    Raises:
        Nothing.
    """
    # MySQL drops the offset of an aware time without a word
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "microseconds")


def time_from_value(value: str) -> datetime:
    """Read a time as a database returns it.

    Args:
        value: UTC without a zone, such as `2026-01-31 12:00:00.000000`.

    Returns:
        Aware, in UTC.

    Raises:
        Nothing.
    """
    return datetime.fromisoformat(value + "Z")


def time_to_moment(moment: datetime) -> int:
    """Write a time as the index of words sorts it.

    Args:
        moment: Aware, in any zone.

    Returns:
        Microseconds since 1970.

    Raises:
        Nothing.
    """
    return (moment - _EPOCH) // timedelta(microseconds=1)


def image_to_parameters(image: ImageDetail, owner: User, created_at: datetime) -> dict[str, Any]:
    """Turn a new image into the parameters of its row.

    Args:
        image: All of its details; its own `owner` is not read.
        owner: Whose it is.
        created_at: Aware; also the time of its last change.

    Returns:
        A value for each column but `id`.

    Raises:
        Nothing.
    """
    moment = time_to_parameter(created_at)
    return {
        **image.model_dump(mode="json", include=set(ImageDetail.model_fields)),
        "owner": owner.username,
        "class_key": owner.class_key,
        "created_at": moment,
        "updated_at": moment,
    }


def image_from_row(row: Row) -> Image:
    """Turn a row of IMAGE_COLUMNS into an image; written out, since a page has so many of them.

    Args:
        row: What the database holds; it was validated when it was stored, and is not again.

    Returns:
        The image, its owner told.

    Raises:
        Nothing.
    """
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
    return _construct(Image, values, _FIELDS_SET)


def image_guid(row: Row) -> object:
    """Return the guid in a row of IMAGE_COLUMNS; None in a row of anything else.

    Args:
        row: What the database sent.

    Raises:
        Nothing.
    """
    return row[1] if len(row) == len(_IMAGE_FIELDS) else None


def image_from_parameters(parameters: dict[str, Any], image_id: int | None) -> Image:
    """Turn the parameters of a row that was just inserted into an image.

    Args:
        parameters: From `image_to_parameters`.
        image_id: The number that the database gave the row.

    Returns:
        The image as it would be read.

    Raises:
        Nothing.
    """
    values = {**parameters, "id": image_id}
    return image_from_row(tuple(values[field] for field in _IMAGE_FIELDS))


def user_to_parameters(user: User, created_at: datetime) -> dict[str, Any]:
    """Turn a new user into the parameters of its row.

    Args:
        user: Its own `created_at` is not read.
        created_at: Aware.

    Returns:
        A value for each column.

    Raises:
        Nothing.
    """
    return {
        "username": user.username,
        "password": user.password,
        "class_key": user.class_key,
        "disabled": int(user.disabled),
        "created_at": time_to_parameter(created_at),
    }


def user_from_row(row: Row) -> User:
    """Turn a row of USER_COLUMNS into a user.

    Args:
        row: What the database holds; it was validated when it was stored, and is not again.

    Returns:
        The user.

    Raises:
        Nothing.
    """
    username, password, class_key, disabled, created_at = row
    values = {
        "username": username,
        "password": password,
        "class_key": class_key,
        "disabled": bool(disabled),
        "created_at": time_from_value(created_at),
    }
    return _construct(User, values, _USER_FIELDS)


def creation_from_row(row: Row) -> Creation:
    """Turn a row of the columns of creations into a creation.

    Args:
        row: What the database holds.

    Returns:
        The creation; of a request that a later version stored, what this version knows.

    Raises:
        Nothing.
    """
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


def _construct(model: type[M], values: dict[str, Any], fields: set[str]) -> M:
    """Do what `model_construct` does, less its search for defaults: that takes five times as long.

    Args:
        model: The model.
        values: All of its fields, in the order of JSON.
        fields: Those that a row has; one set for all, since what is frozen gets no more.
    """
    made = model.__new__(model)
    set_attribute = object.__setattr__
    set_attribute(made, "__dict__", values)
    set_attribute(made, "__pydantic_fields_set__", fields)
    set_attribute(made, "__pydantic_extra__", None)
    set_attribute(made, "__pydantic_private__", None)
    return made
