"""Filters of a list: their values, and how a search is read."""

from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from pixy_core import ImageFilter, SearchWords, Visibility
from pixy_core.filters import MAX_QUERY_LENGTH, MAX_QUERY_WORDS, read_query


@pytest.mark.parametrize(
    ("query", "words", "beginning"),
    [
        ("an ox an OX", ("an", "ox"), ""),
        ("ox at the lighthouse", ("lighthouse", "the", "at", "ox"), ""),
        ("light*", (), "light"),
        ("dusk Light*  ", ("dusk",), "light"),
        ("light＊", (), "light"),
        ("light* light", ("light",), ""),
        ("light light*", ("light",), "light"),
        ("light *", ("light",), ""),
        ("light**", ("light",), ""),
        ("(light*)", ("light",), ""),
        ("*light", ("light",), ""),
        ("l*", ("l",), ""),
        ("é*", ("e",), ""),
        ("*", (), ""),
        ("%_ -- '", (), ""),
        ("東", ("東",), ""),
        ("東京都", ("京都", "東京"), ""),
        ("東京都*", ("京都", "東京"), ""),
        ("x" * 100 + "*", (), "x" * 64),
    ],
)
def test_a_search_is_words_and_perhaps_a_beginning(
    query: str, words: tuple[str, ...], beginning: str
) -> None:
    assert read_query(query) == SearchWords(words, beginning)
    assert ImageFilter(q=query).words == SearchWords(words, beginning)


def test_without_a_search_there_are_no_words() -> None:
    assert ImageFilter().words is None


def test_a_search_has_limits() -> None:
    most = " ".join(f"w{number}" for number in range(MAX_QUERY_WORDS))
    assert len(read_query(ImageFilter(q=most).q or "").words) == MAX_QUERY_WORDS
    ImageFilter(q="a " * (MAX_QUERY_LENGTH // 2))
    for refused in ("", "x" * (MAX_QUERY_LENGTH + 1), most + " another", most + " be*"):
        with pytest.raises(ValidationError):
            ImageFilter(q=refused)


def test_times_are_read_with_their_offset_and_kept_in_utc() -> None:
    match = ImageFilter.model_validate(
        {"created_after": "2026-11-01T01:30:00.25+01:00", "created_before": "2026-11-02t00:00:00z"}
    )
    assert match.created_after == datetime(2026, 11, 1, 0, 30, 0, 250_000, UTC)
    assert match.created_before == datetime(2026, 11, 2, tzinfo=UTC)
    assert match.created_after.tzinfo is UTC


def test_no_time_is_before_the_first_that_every_database_knows() -> None:
    early = ImageFilter.model_validate({"created_after": "0001-01-01T00:00:00Z"})
    assert early.created_after == datetime(1970, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    "values",
    [
        *({"mine": value} for value in ("yes", "1", "", "TRUE", 2)),
        *({"visibility": value} for value in ("", "secret", "Public")),
        *(
            {"created_after": value}
            for value in ("", "2026-11-01", "2026-11-01T00:00:00", "1790000000", "now")
        ),
        {"created_before": datetime(2026, 11, 1)},  # noqa: DTZ001 - that it has no zone is the point
        {"created_before": "0001-01-01T00:00:00+01:00"},
        {"unknown": "1"},
        {"q": 1},
    ],
)
def test_loose_values_are_refused(values: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ImageFilter.model_validate(values)


def test_values_are_taken_as_a_query_writes_them() -> None:
    match = ImageFilter.model_validate({"mine": "true", "visibility": "class"})
    assert (match.mine, match.visibility) == (True, Visibility.CLASS)
    assert ImageFilter.model_validate({"mine": "false"}) == ImageFilter()


def test_the_length_of_a_query_is_checked_before_its_words() -> None:
    with pytest.raises(ValidationError, match="at most 200 characters"):
        ImageFilter.model_validate({"q": "a b " * 1000})
