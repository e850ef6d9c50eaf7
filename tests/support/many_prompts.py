"""Random prompts in any number, with words as unevenly frequent as those of a language."""

import itertools
import random

SYLLABLES = [a + b for a in "bdfgklmnprstvw" for b in ("a", "e", "i", "o", "u", "an", "or")]
WORDS = [
    "".join(parts) for parts in itertools.islice(itertools.product(SYLLABLES, repeat=2), 5_000)
]
_TOTALS = list(itertools.accumulate(1 / rank for rank in range(2, len(WORDS) + 2)))
_HAN = "東京都大学山川海空夜景花鳥風月雪雨猫犬木林森火水土金日本中国人心手"


def make_prompt(chance: random.Random) -> str:
    """Return a prompt of 8 to 24 words, by Zipf's law; one in ten has Chinese characters too.

    Every prompt begins with "a"; the frequency of `WORDS[n]` is about 1 / (n + 2).
    """
    words = ["a", *chance.choices(WORDS, cum_weights=_TOTALS, k=chance.randint(8, 24))]
    if chance.random() < 0.1:
        words.append("".join(chance.choices(_HAN, k=6)))
    return " ".join(words)
