"""The languages whose sentences the spaces hold: words, how they are written, what is new."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from hashlib import blake2b
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from explorer.core.catalog import did_you_mean
from explorer.core.errors import ModelUnavailable, UnknownName
from explorer.latent.judge import Judge, split_words
from explorer.latent.toy import MAX_WORDS, describe, toy_grammar

SHIPPED = Path(__file__).resolve().parents[2] / "assets" / "models" / "latent"
"""A folder a language: `words.txt` where no grammar has them, `seen.npy`, a folder a model."""

SEEN = "seen.npy"
WORDS = "words.txt"
MOST_TURN_WORDS = 12
"""Of a turn of dialogue, marks included."""

_PIECE = re.compile(r"\w+(?:'\w+)*|[^\w\s]")
_CLOSING = re.compile(r" ([.,?!;:])")
_BEGINNING = re.compile(r"(^|[.?!] )([a-z])")
_I = re.compile(r"\bi\b")


@dataclass(frozen=True)
class Language:
    """What is spoken in a space.

    Attributes:
        name: "toy" or "dialogue".
        title: for people.
        vocabulary: all words; those of the toy language sorted, others by frequency.
        split: from a typed text to words.
        judge: says valid or not, and why; None where nothing decides that.
        seen: digests of the training sentences of the shipped models, uint64, sorted.
        most_words: of a sentence; longer ones have no point in the trained spaces.
    """

    name: str
    title: str
    vocabulary: tuple[str, ...]
    split: Callable[[str], tuple[str, ...]]
    judge: Judge | None = None
    seen: NDArray[np.uint64] = field(default_factory=lambda: np.empty(0, np.uint64))
    most_words: int = MAX_WORDS

    def join(self, words: Sequence[str]) -> str:
        """A sentence for people.

        >>> language("toy").join(["is", "it", "a", "ball"])
        'Is it a ball'
        """
        text = _CLOSING.sub(r"\1", " ".join(words))
        text = _BEGINNING.sub(lambda found: found[1] + found[2].upper(), text)
        return _I.sub("I", text)

    def is_novel(self, words: Sequence[str]) -> bool:
        """Whether no shipped model read this sentence in training (but for one in 10^14)."""
        digest = np.uint64(digest_of(words))
        place = int(np.searchsorted(self.seen, digest))
        return place == len(self.seen) or bool(self.seen[place] != digest)


def digest_of(words: Sequence[str]) -> int:
    """64 bits that stand for a sentence."""
    return int.from_bytes(blake2b(" ".join(words).encode(), digest_size=8).digest(), "big")


def dialogue_words(text: str) -> tuple[str, ...]:
    """The words of a typed turn, in small letters; each mark is a word.

    >>> dialogue_words("Is it red, or isn’t it?")
    ('is', 'it', 'red', ',', 'or', "isn't", 'it', '?')
    """
    return tuple(_PIECE.findall(text.casefold().replace("’", "'")))


def _toy() -> Language:
    grammar = toy_grammar()
    return Language(
        "toy",
        "Toy language",
        grammar.vocabulary,
        split_words,
        Judge(grammar, describe),
        _seen("toy"),
    )


def _dialogue() -> Language:
    try:
        words = (SHIPPED / "dialogue" / WORDS).read_text("utf-8").split()
    except OSError as error:
        raise ModelUnavailable(
            "The dialogue language has no list of words here.",
            "Train it with `python -m explorer.training`, or choose the toy language.",
        ) from error
    seen = _seen("dialogue")
    return Language(
        "dialogue", "Dialogue", tuple(words), dialogue_words, None, seen, MOST_TURN_WORDS
    )


def _seen(name: str) -> NDArray[np.uint64]:
    path = SHIPPED / name / SEEN
    found: NDArray[np.uint64] = (
        np.load(path, allow_pickle=False) if path.exists() else np.empty(0, np.uint64)
    )
    return found


_LANGUAGES = {"toy": _toy, "dialogue": _dialogue}
LANGUAGES = tuple(_LANGUAGES)
"""Names, in the order of the page."""


@cache
def language(name: str) -> Language:
    """A language by name, made once.

    Raises:
        UnknownName: with the nearest right name.
        ModelUnavailable: if its files are not here.
    """
    if name not in _LANGUAGES:
        near = did_you_mean(name, _LANGUAGES)
        guess = f" Did you mean '{near}'?" if near else ""
        raise UnknownName(
            f"Unknown language '{name}'.{guess}", f"Available: {', '.join(_LANGUAGES)}."
        )
    return _LANGUAGES[name]()
