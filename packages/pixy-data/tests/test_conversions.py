"""Times, which the databases know without a zone, and rows as models."""

import pickle
from datetime import UTC, datetime, timedelta, timezone

from pixy_core import DetailedImage, Image, Purchase
from pixy_data.conversions import (
    IMAGE_COLUMNS,
    details_from_row,
    image_from_row,
    time_from_value,
    time_to_parameter,
)


def test_a_time_of_another_zone_is_stored_as_utc() -> None:
    moment = datetime(2026, 1, 1, 1, 30, tzinfo=timezone(timedelta(hours=9)))
    assert time_to_parameter(moment) == "2025-12-31 16:30:00.000000"


def test_a_stored_time_is_read_as_utc() -> None:
    stored = "2026-01-01 00:00:00.000001"
    assert time_from_value(stored) == datetime(2026, 1, 1, microsecond=1, tzinfo=UTC)


def test_stored_times_sort_as_times_do() -> None:
    moments = [
        datetime(1999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
        datetime(2000, 1, 1, tzinfo=UTC),
        datetime(2000, 1, 1, microsecond=1, tzinfo=UTC),
        datetime(9999, 12, 31, tzinfo=UTC),
    ]
    assert sorted(map(time_to_parameter, moments)) == list(map(time_to_parameter, moments))


def test_an_image_from_a_row_is_one_that_a_validator_made() -> None:
    guid = "0f8f1a52-4c0b-4c7e-9a53-0a4a3f1d2b11"
    values: dict[str, object] = dict.fromkeys(IMAGE_COLUMNS.split(", "))
    values |= {"id": 7, "guid": guid, "filename": f"{guid}.png", "prompt": "a lighthouse"}
    values |= {"visibility": "class", "owner": "anna", "width": 1024}
    moment = "2026-01-31 12:00:00.000001"
    row = tuple((values | {"created_at": moment, "updated_at": moment}).values())
    image = image_from_row(row)
    time = datetime(2026, 1, 31, 12, microsecond=1, tzinfo=UTC)
    validated = Image.model_validate(values | {"created_at": time, "updated_at": time})
    assert image == validated
    assert repr(image) == repr(validated)
    assert image.model_dump_json() == validated.model_dump_json()
    assert image.model_fields_set == validated.model_fields_set
    assert image.model_copy(update={"owner": None}).owner is None
    assert pickle.loads(pickle.dumps(image)) == validated
    detailed = details_from_row((*row, 2, '{"usage": {"total_tokens": 208}}'), "anna")
    bought = {"purchase": Purchase(usage={"total_tokens": 208}), "sources": None, "source_count": 2}
    expected = DetailedImage.model_validate(
        values | {"created_at": time, "updated_at": time} | bought
    )
    assert detailed == expected
    assert detailed.model_dump_json() == expected.model_dump_json()
    assert details_from_row((*row, 0, "{}"), "ben").purchase is None
    assert details_from_row((*row, 0, None), "anna").purchase is None
