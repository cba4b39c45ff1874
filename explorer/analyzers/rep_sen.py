"""Repetition of whole sentences within a text: Rep-Sen."""

from __future__ import annotations

from collections.abc import Hashable, Sequence


def rep_sen(tokens: Sequence[Hashable], full_stop: Hashable = ".") -> float:
    """Share of sentences that stood in the text before; 0 for a text without a full stop.

    As the authors' code counts: a sentence is what follows a full stop, up to the next; what
    stands before the first is left out; the last piece, complete or not, counts without its last
    token. So a text that ends in a full stop has an empty sentence at its end.

    Args:
        tokens: words, pieces or ids.
        full_stop: the token that ends a sentence.

    Source: Xu et al., "Learning to Break the Loop", arXiv:2206.02369 (DITTO).
    Oracle: the authors' code (golden numbers, tests/golden/test_published_loops.py).

    >>> rep_sen("a b . a b . a b . c d .".split())
    0.25
    """
    stops = [i for i, token in enumerate(tokens) if token == full_stop]
    if not stops:
        return 0.0
    ends = [*stops[1:], len(tokens) - 1]
    sentences = [tuple(tokens[a + 1 : b]) for a, b in zip(stops, ends, strict=True)]
    return 1.0 - len(set(sentences)) / len(sentences)
