"""The words of a text, as a search knows them: of a prompt, and of what is looked for in prompts.

The same here for every database, so that each finds the same. Neither case, nor width, nor
accents count. Scripts that put no spaces between words are taken apart into characters and
pairs of neighbouring characters.
"""

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from itertools import islice, pairwise

MAX_WORD_LENGTH = 64
"""Characters; of a longer word only its beginning counts."""

MAX_INDEXED_WORDS = 1000
"""Different words of one text, the first ones; no more find it.

A page of English has about 250 different words, and 1,000 are 500 characters of Chinese in a row:
each is a character and a pair. Each word is one row for each audience, and a change of visibility
writes all of them: the longest prompt would have 48,000.
"""

MAX_MARKS = 30
"""Marks on one letter; no language needs more (Unicode Standard Annex #15, section 13)."""

# Unicode blocks: accents; Hebrew points and Arabic vowel signs, which most people don't write;
# variation selectors. Marks of other scripts are parts of their letters
_ACCENTS = (
    "\u0300-\u036f\u0483-\u0487\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7"
    "\u0610-\u061a\u064b-\u065f\u0670\u06d6-\u06dc\u06df-\u06e4\u06e7\u06e8\u06ea-\u06ed"
    "\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe00-\ufe0f\ufe20-\ufe2f\U000e0100-\U000e01ef"
)
# Thai and Lao, Myanmar, Khmer, and the scripts of Chinese, Japanese and Korean
_UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u1100-\u11ff\ua960-\ua97f\uac00-\ud7ff"
    "\u2e80-\u2fdf\u3005-\u3007\u3021-\u3029\u3031-\u3035\u3038-\u303c\u3041-\u31bf\u31f0-\u31ff"
    "\u3400-\u4dbf\u4e00-\ua4cf\uf900-\ufaff\U0001aff0-\U0001b16f\U00020000-\U0003ffff"
)
_accents = re.compile(f"[{_ACCENTS}]")
_runs = re.compile(f"[{_UNSPACED}]+|[^ {_UNSPACED}]+")
_unspaced = re.compile(f"[{_UNSPACED}]")


def index_words(text: str) -> set[str]:
    """Return the words that find a text: its first MAX_INDEXED_WORDS.

    Args:
        text: A prompt.
    """
    return set(islice(iterate_words(text), MAX_INDEXED_WORDS))


def iterate_words(text: str) -> Iterator[str]:
    """Yield the different words of a text, in their order.

    Args:
        text: A prompt.
    """
    found: set[str] = set()
    for run in split_runs(text):
        for word in _split_run(run):
            if word not in found:
                found.add(word)
                yield word


def _split_run(run: str) -> Iterator[str]:
    if not is_unspaced(run):
        yield run[:MAX_WORD_LENGTH]
        return
    for first, second in pairwise(run):
        yield first
        yield first + second
    yield run[-1]


def is_unspaced(run: str) -> bool:
    """Return whether a run of `split_runs` is of a script without spaces between words."""
    return _unspaced.match(run) is not None


def pair_up(run: str) -> list[str]:
    """Return the pairs of neighbouring characters of a run, in their order."""
    return [first + second for first, second in pairwise(run)]


def split_runs(text: str) -> list[str]:
    """Return the words of a text in their order, folded; what has no spaces stays together.

    Args:
        text: Any; all but letters, digits and their marks separates words.
    """
    return _runs.findall("".join(map(_keep_or_part, fold(text))))


def fold(text: str) -> str:
    """Return a text without the differences that don't count.

    Args:
        text: Any.

    Returns:
        Its compatibility decomposition (Unicode's NFKD) in folded case, accents taken off,
        composed again.
    """
    composed = unicodedata.normalize("NFKC", limit_marks(text))
    decomposed = unicodedata.normalize("NFKD", composed.casefold())
    return unicodedata.normalize("NFC", _accents.sub("", decomposed))


def limit_marks(text: str) -> str:
    """Return a text without the marks that are more than MAX_MARKS on one letter.

    Python puts the marks of a letter in order by insertion, and nothing else runs meanwhile:
    32,000 of them take five seconds.

    Args:
        text: Any that is to be normalised.
    """
    if text.isascii():
        return text
    kept, marks = [], 0
    for character in text:
        marks = marks + 1 if _begins_with_mark(character) else 0
        if marks <= MAX_MARKS:
            kept.append(character)
    return "".join(kept)


@lru_cache(maxsize=4096)
def _begins_with_mark(character: str) -> bool:
    # some, as the sound marks of half width, are marks only once they are decomposed
    return unicodedata.combining(unicodedata.normalize("NFKD", character)[0]) > 0


@lru_cache(maxsize=4096)
def _keep_or_part(character: str) -> str:
    """Return a character of a word, nothing for an invisible one, a space for any other."""
    category = unicodedata.category(character)
    if category == "Cf":  # soft hyphens and joiners are inside of words
        return ""
    return character if category[0] in "LMN" else " "
