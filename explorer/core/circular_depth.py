"""Circular depth: how far back along walked paths a token leads, on the graph of tokens.

The tokens said so far are a walk on a graph whose nodes are the distinct tokens. A token that is
new opens a node; one that is old goes back to its node, and the circular depth says how many of
the latest tokens, it included, went there in the same order before.

Source: Lan et al., "Momentum Decoding: Open-ended Text Generation As Graph Exploration",
    arXiv:2212.02175.
Oracle: golden numbers (tests/golden/test_published.py).
"""

from __future__ import annotations

from collections.abc import Sequence

MAX_DEPTH = 5
"""Depths are capped here, as by the authors."""


def circular_depth(context: Sequence[int], candidate: int, max_depth: int = MAX_DEPTH) -> int:
    """Length of the longest suffix of context + candidate that already stands in the context.

    0 for a token that never occurred; capped at `max_depth`.

    >>> circular_depth([1, 2, 3, 7, 8, 2, 3], 7)
    3
    """
    return circular_depths(context, [candidate], max_depth)[0]


def circular_depths(
    context: Sequence[int], candidates: Sequence[int], max_depth: int = MAX_DEPTH
) -> list[int]:
    """The circular depth of every candidate, in one pass over the context.

    >>> circular_depths([1, 2, 3, 7, 8, 2, 3], [7, 8, 9])
    [3, 1, 0]
    """
    deepest = dict.fromkeys(candidates, 0)
    for end, token_id in enumerate(context):
        known = deepest.get(token_id)
        if known is None or known == max_depth:
            continue
        depth = 1
        while depth < max_depth and depth <= end and context[end - depth] == context[-depth]:
            depth += 1
        deepest[token_id] = max(known, depth)
    return [deepest[candidate] for candidate in candidates]
