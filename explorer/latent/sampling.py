"""Sentences drawn from a grammar, exactly; and which of them are kept for tests."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from hashlib import blake2b

from explorer.core.errors import InvalidParams
from explorer.latent.automaton import Automaton


def draw_below(limit: int, *key: int | str) -> int:
    """A uniform whole number from 0 to `limit` - 1, a function of the key alone.

    Exact for numbers of any size: bits are drawn until they fall below the limit.

    >>> draw_below(10**30, 7, "x") == draw_below(10**30, 7, "x") < 10**30
    True
    """
    if limit < 1:
        raise InvalidParams(f"No whole number lies from 0 to below {limit}.", "Ask for 1 or more.")
    bits = (limit - 1).bit_length()
    size = -(-bits // 8)
    said = "\x1f".join(map(repr, key))
    for attempt in range(1000):
        blocks = (
            blake2b(f"{said}\x1f{attempt}\x1f{block}".encode(), digest_size=64).digest()
            for block in range(size // 64 + 1)
        )
        number = int.from_bytes(b"".join(blocks)[: size or 1], "big") >> (8 * (size or 1) - bits)
        if number < limit:
            return number
    raise AssertionError("a thousand draws above the limit have probability 2^-1000")


def sample(automaton: Automaton, seed: int, number: int) -> tuple[str, ...]:
    """Sentence `number` of a seed, with the probability the automaton's weighting gives it.

    One draw a word, among whole numbers: no rounding anywhere.
    """
    words: list[str] = []
    state = automaton.start
    vocabulary = automaton.grammar.vocabulary
    while True:
        law = automaton.law(state)
        token_id = int(law.ids[law.find(draw_below(law.total, seed, number, len(words)))])
        if not token_id:
            return tuple(words)
        words.append(vocabulary[token_id - 1])
        following = automaton.after(state, words[-1])
        assert following is not None, "a word with a frequency leads on"
        state = following


def samples(automaton: Automaton, seed: int, count: int) -> Iterator[tuple[str, ...]]:
    """The first `count` sentences of a seed; the same whatever else is drawn."""
    return (sample(automaton, seed, number) for number in range(count))


def is_held_out(sentence: Sequence[str], share: float = 0.1, salt: str = "") -> bool:
    """Whether a sentence belongs to the test split: decided by its words alone.

    So no sentence is in both splits, on any machine, however the texts were drawn.

    Args:
        sentence: its words.
        share: of all sentences that are held out, in [0, 1].
        salt: another word, another split.

    Raises:
        InvalidParams: for a share outside [0, 1].
    """
    if not 0 <= share <= 1:
        raise InvalidParams(f"A share of {share} is none.", "Give a number from 0 to 1.")
    digest = blake2b(f"{salt}\x1f{' '.join(sentence)}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") < int(share * 2**64)
