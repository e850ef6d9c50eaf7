"""Times, which the databases know without a zone."""

from datetime import UTC, datetime, timedelta, timezone

from pixy_data.conversions import time_from_value, time_to_parameter


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
