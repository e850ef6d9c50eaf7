"""Converts models to named parameters and rows to models; lists the columns."""

import json
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from pixy_core import (
    Creation,
    DetailedImage,
    Image,
    ImageDetail,
    ImageRequest,
    Purchase,
    User,
    Visibility,
)
from pixy_core.images import GUID_PATTERN
from pixy_data.database.database import Row

ImageKind = TypeVar("ImageKind", bound=Image)

IMAGE_COLUMNS = (
    "id, guid, filename, prompt, created_at, updated_at, owner, visibility, "
    "media_type, width, height, size, sha256, generator, model"
)
"""The columns of an image in a list."""

DETAIL_COLUMNS = f"{IMAGE_COLUMNS}, source_count, purchase"
"""The columns of an image whose details are read."""

_IMAGE_FIELDS = tuple(IMAGE_COLUMNS.split(", "))
_DETAIL_FIELDS = tuple(DETAIL_COLUMNS.split(", "))
_FIELDS_SET = set(_IMAGE_FIELDS)
_DETAIL_FIELDS_SET = set(_DETAIL_FIELDS)
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


def time_to_parameter(time: datetime) -> str:
    """Write an aware time as both databases sort it: `2026-01-31 12:00:00.000000`, in UTC."""
    # MySQL drops the offset of an aware time silently
    return time.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "microseconds")


def time_from_value(value: str) -> datetime:
    """Read a time that `time_to_parameter` wrote."""
    return datetime.fromisoformat(value + "Z")


def time_to_microseconds(time: datetime) -> int:
    """Return the microseconds since 1970, by which the index of words sorts."""
    return (time - _EPOCH) // timedelta(microseconds=1)


def image_to_parameters(
    image: ImageDetail,
    owner: User,
    created_at: datetime,
    purchase: Purchase | None = None,
    source_count: int = 0,
    *,
    updated_at: datetime | None = None,
) -> dict[str, Any]:
    """Return the parameters of a new image's row, all columns except `id`.

    Args:
        image: Its details; `image.owner` is ignored.
        owner: Its owner.
        created_at: Aware.
        purchase: What was bought.
        source_count: Number of images that it was made from, with the mask.
        updated_at: Aware; None: it was not changed since it was made.
    """
    return {
        **image.model_dump(mode="json", include=set(ImageDetail.model_fields)),
        "owner": owner.username,
        "class_key": owner.class_key,
        "created_at": time_to_parameter(created_at),
        "updated_at": time_to_parameter(updated_at or created_at),
        "purchase": None if purchase is None else purchase.model_dump_json(),
        "source_count": source_count,
    }


def image_from_row(row: Row) -> Image:
    """Turn a row of IMAGE_COLUMNS into an image, without validating it again."""
    return _construct_image(Image, _read_row(row), _FIELDS_SET)


def details_from_row(row: Row, reader: str | None = None) -> DetailedImage:
    """Turn a row of DETAIL_COLUMNS into an image, without validating the columns of lists again.

    Args:
        row: The row.
        reader: The user name of the reader: only the owner gets the purchase. None: treat the
            reader as the owner.
    """
    *listed, source_count, purchase = row
    values = _read_row(listed)
    is_told = purchase is not None and reader in (None, values["owner"])
    values["purchase"] = Purchase.model_validate_json(purchase) if is_told else None
    values["sources"], values["source_count"] = None, source_count
    return _construct_image(DetailedImage, values, _DETAIL_FIELDS_SET)


def _read_row(row: Sequence[Any]) -> dict[str, Any]:
    """Return the fields of an image by a row of IMAGE_COLUMNS, in the order of its JSON."""
    # fmt: off
    (image_id, guid, filename, prompt, created_at, updated_at, owner, visibility,
     media_type, width, height, size, sha256, generator, model) = row
    created = time_from_value(created_at)
    return {
        "prompt": prompt, "visibility": _VISIBILITIES[visibility],
        "guid": guid, "filename": filename, "owner": owner,
        "media_type": media_type, "width": width, "height": height, "size": size, "sha256": sha256,
        "generator": generator, "model": model,
        "id": image_id, "status": "ready", "created_at": created,
        "updated_at": created if updated_at == created_at else time_from_value(updated_at),
    }
    # fmt: on


def _construct_image(
    kind: type[ImageKind], values: dict[str, Any], fields_set: set[str]
) -> ImageKind:
    """Construct an image from all of its fields, in the order of its JSON.

    `Image.model_construct` looks for defaults and takes five times as long; a page has 50 images.
    These are pydantic's private attributes, as of 2.12.
    """
    image = kind.__new__(kind)
    set_attribute = object.__setattr__
    set_attribute(image, "__dict__", values)
    set_attribute(image, "__pydantic_fields_set__", fields_set)
    set_attribute(image, "__pydantic_extra__", None)
    set_attribute(image, "__pydantic_private__", None)
    return image


def image_guid(row: Row) -> object:
    """Return the guid in a row of DETAIL_COLUMNS; None if the row has another length."""
    return row[1] if len(row) == len(_DETAIL_FIELDS) else None


def details_from_parameters(parameters: dict[str, Any], image_id: int | None) -> DetailedImage:
    """Turn the parameters of an inserted row into the image that a read would return.

    Args:
        parameters: From `image_to_parameters`.
        image_id: The id that the database gave the row.
    """
    values = {**parameters, "id": image_id}
    return details_from_row(tuple(values[field] for field in _DETAIL_FIELDS))


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
