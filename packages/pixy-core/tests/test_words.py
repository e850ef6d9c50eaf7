"""The words of a text: what is one, and what doesn't count."""

import pytest

from pixy_core import index_words, iterate_words, limit_marks
from pixy_core.words import MAX_INDEXED_WORDS, MAX_MARKS, MAX_WORD_LENGTH, split_runs


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
def test_words_are_letters_and_digits_in_one_form(text: str, words: set[str]) -> None:
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


def test_the_words_keep_their_order() -> None:
    assert split_runs("Zebra, 東京 an AB12") == ["zebra", "東京", "an", "ab12"]


def test_words_come_once_and_in_the_order_of_the_text() -> None:
    assert list(iterate_words("Zebra, 東京都 an zebra 京")) == [
        *("zebra", "東", "東京", "京", "京都", "都", "an"),
    ]


def test_of_a_long_text_the_first_words_count() -> None:
    words = [f"w{number}" for number in range(MAX_INDEXED_WORDS + 1)]
    assert index_words(" ".join(words + words)) == set(words[:-1])


def test_of_a_long_word_its_beginning_counts() -> None:
    assert index_words("x" * 5000) == {"x" * MAX_WORD_LENGTH}
    assert max(map(len, index_words("ß" * 64 + " " + "木" * 1000))) == MAX_WORD_LENGTH


# of two classes, in the order that takes longest to sort; the last pair decomposes into marks
@pytest.mark.parametrize("marks", ["\u0301\u0316", "\u093c", "\uff9e\u0f73"])
def test_a_letter_bears_no_more_marks_than_any_language_needs(marks: str) -> None:
    assert limit_marks("x" + marks * 20_000 + "y") == "x" + (marks * MAX_MARKS)[:MAX_MARKS] + "y"


def test_words_are_read_from_limited_marks() -> None:
    assert index_words("क" + "\u093c" * 5000) == {"क" + "\u093c" * MAX_MARKS}


@pytest.mark.parametrize("text", ["plain", "Việt Nam", "हिन्दी", "שָׁלוֹם", "e\u0301" * 100])
def test_the_marks_of_a_language_are_kept(text: str) -> None:
    assert limit_marks(text) == text
