"""Filters of a list, words of a prompt and words of a query."""

from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from pixy_core import (
    ImageFilter,
    SearchWords,
    Visibility,
    index_words,
    iterate_words,
    limit_marks,
)
from pixy_core.search import (
    MAX_INDEXED_WORDS,
    MAX_MARKS,
    MAX_QUERY_LENGTH,
    MAX_QUERY_WORDS,
    MAX_WORD_LENGTH,
    read_query,
    split_runs,
)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("A Lighthouse, at dusk!", {"a", "lighthouse", "at", "dusk"}),
        ("gulls gulls GULLS", {"gulls"}),
        ("don't 3D 50% x_y a-b", {"don", "t", "3d", "50", "x", "y", "a", "b"}),
        ("Café cafe\u0301 CAFÉ", {"cafe"}),
        ("Straße STRASSE", {"strasse"}),
        ("ﬁne ＷＩＤＥ ²", {"fine", "wide", "2"}),
        ("İstanbul", {"istanbul"}),
        ("Ёлка ёлка елка", {"елка"}),
        ("Ὀδυσσεύς ΟΔΥΣΣΕΥΣ", {"οδυσσευσ"}),
        ("soft\u00adhyphen zero\u200bwidth می\u200cخواهم", {"softhyphen", "zerowidth", "میخواهم"}),
        ("שָׁלוֹם مُحَمَّد", {"שלום", "محمد"}),
        ("हिन्दी", {"हिन्दी"}),
        ("ø o đ d ł l", {"ø", "o", "đ", "d", "ł", "l"}),
        ("", set()),
        (" \t\r\n\x1b[31m", {"31m"}),
        ("🦊 % _ * ' \" \\ -- ; \x00 \ufffd \ue000 \U0010ffff", set()),
    ],
)
def test_words_are_letters_and_digits_without_case_and_accents(text: str, words: set[str]) -> None:
    assert index_words(text) == words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("東京都", {"東", "京", "都", "東京", "京都"}),
        ("猫", {"猫"}),
        ("AI絵画2枚", {"ai", "絵", "画", "絵画", "2", "枚"}),
        ("夜景。東京", {"夜", "景", "夜景", "東", "京", "東京"}),
        ("がか", {"が", "か", "がか"}),
        ("ｶﾞﾗｽ ガラス", {"ガ", "ラ", "ス", "ガラ", "ラス"}),
        ("고양이", {"고", "양", "이", "고양", "양이"}),
        ("\u1100\u1161 가", {"가"}),
        ("\U00020000\U00020001", {"\U00020000", "\U00020001", "\U00020000\U00020001"}),
        ("ภาพ", {"ภ", "า", "พ", "ภา", "าพ"}),
    ],
)
def test_scripts_without_spaces_become_characters_and_pairs(text: str, words: set[str]) -> None:
    assert index_words(text) == words


def test_words_keep_their_order() -> None:
    assert split_runs("Zebra, 東京 an AB12") == ["zebra", "東京", "an", "ab12"]


def test_each_word_comes_once_in_the_order_of_the_text() -> None:
    assert list(iterate_words("Zebra, 東京都 an zebra 京")) == [
        *("zebra", "東", "東京", "京", "京都", "都", "an"),
    ]


def test_only_the_first_words_of_a_long_text_are_indexed() -> None:
    words = [f"w{number}" for number in range(MAX_INDEXED_WORDS + 1)]
    assert index_words(" ".join(words + words)) == set(words[:-1])


def test_a_long_word_is_cut_off() -> None:
    assert index_words("x" * 5000) == {"x" * MAX_WORD_LENGTH}
    assert max(map(len, index_words("ß" * 64 + " " + "木" * 1000))) == MAX_WORD_LENGTH


# marks of two classes in the order that sorts slowest; the last pair decomposes into marks
@pytest.mark.parametrize("marks", ["\u0301\u0316", "\u093c", "\uff9e\u0f73"])
def test_marks_beyond_the_limit_are_removed(marks: str) -> None:
    assert limit_marks("x" + marks * 20_000 + "y") == "x" + (marks * MAX_MARKS)[:MAX_MARKS] + "y"


def test_words_have_a_limited_number_of_marks() -> None:
    assert index_words("क" + "\u093c" * 5000) == {"क" + "\u093c" * MAX_MARKS}


@pytest.mark.parametrize("text", ["plain", "Việt Nam", "हिन्दी", "שָׁלוֹם", "e\u0301" * 100])
def test_the_marks_of_a_language_are_kept(text: str) -> None:
    assert limit_marks(text) == text


@pytest.mark.parametrize(
    ("query", "words", "prefix"),
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
def test_a_query_is_words_and_an_optional_prefix(
    query: str, words: tuple[str, ...], prefix: str
) -> None:
    assert read_query(query) == SearchWords(words, prefix)
    assert ImageFilter(q=query).words == SearchWords(words, prefix)


def test_without_a_query_there_are_no_words() -> None:
    assert ImageFilter().words is None


def test_a_query_has_limits() -> None:
    most = " ".join(f"w{number}" for number in range(MAX_QUERY_WORDS))
    assert len(read_query(ImageFilter(q=most).q or "").words) == MAX_QUERY_WORDS
    ImageFilter(q="a " * (MAX_QUERY_LENGTH // 2))
    for refused in ("", "x" * (MAX_QUERY_LENGTH + 1), most + " another", most + " be*"):
        with pytest.raises(ValidationError):
            ImageFilter(q=refused)


def test_times_with_an_offset_are_converted_to_utc() -> None:
    match = ImageFilter.model_validate(
        {"created_after": "2026-11-01T01:30:00.25+01:00", "created_before": "2026-11-02t00:00:00z"}
    )
    assert match.created_after == datetime(2026, 11, 1, 0, 30, 0, 250_000, UTC)
    assert match.created_before == datetime(2026, 11, 2, tzinfo=UTC)
    assert match.created_after.tzinfo is UTC


def test_times_before_1970_become_1970() -> None:
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
        {"created_before": datetime(2026, 11, 1)},  # noqa: DTZ001 - without a zone on purpose
        {"created_before": "0001-01-01T00:00:00+01:00"},
        {"unknown": "1"},
        {"q": 1},
    ],
)
def test_other_spellings_of_values_are_refused(values: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ImageFilter.model_validate(values)


def test_values_are_accepted_as_a_query_string_spells_them() -> None:
    match = ImageFilter.model_validate({"mine": "true", "visibility": "class"})
    assert (match.mine, match.visibility) == (True, Visibility.CLASS)
    assert ImageFilter.model_validate({"mine": "false"}) == ImageFilter()


def test_the_length_of_a_query_is_checked_before_its_words() -> None:
    with pytest.raises(ValidationError, match="at most 200 characters"):
        ImageFilter.model_validate({"q": "a b " * 1000})


@pytest.mark.parametrize(
    ("query", "is_found"),
    [
        ("lighthouse", True),
        ("DUSK lighthouse", True),
        ("dusk light*", True),
        ("li*", True),
        ("light", False),
        ("dusk dawn", False),
        ("lighthouse d*x", False),
        ("!", False),
    ],
)
def test_a_prompt_is_compared_with_the_words_of_a_query(query: str, is_found: bool) -> None:
    assert read_query(query).match("A Lighthouse at dusk") is is_found


def test_words_that_are_not_indexed_do_not_match() -> None:
    prompt = " ".join(f"w{number}" for number in range(MAX_INDEXED_WORDS + 1))
    assert read_query(f"w{MAX_INDEXED_WORDS - 1}").match(prompt)
    assert not read_query(f"w{MAX_INDEXED_WORDS}").match(prompt)
