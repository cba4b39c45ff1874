"""A text as a walk on the graph of its tokens: nodes, edges, returns, circles.

Momentum decoding looks at a text in this way: the distinct tokens are nodes, each pair of
neighbours is an edge, and a token that was said before leads back to its node. Where the walk
goes round in circles, the model loops.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from explorer.core.circular_depth import MAX_DEPTH


@dataclass(frozen=True, slots=True)
class Edge:
    """A pair of tokens that follow each other.

    Attributes:
        start: node of the first.
        end: node of the second.
        count: how often the pair stands there.
        first: step at which it was walked first, prompt included.
    """

    start: int
    end: int
    count: int
    first: int


@dataclass(frozen=True, slots=True)
class Circle:
    """A stretch of steps that goes along walked edges, until it leaves them or the text ends.

    Attributes:
        first: its first step: the token that closes the circle, prompt included.
        steps: how many; each is an edge that was walked before.
        length: tokens between the closing token and its latest visit before.
    """

    first: int
    steps: int
    length: int


@dataclass(frozen=True, slots=True)
class TokenGraph:
    """A walk.

    Attributes:
        prompt: how many of the first steps are the prompt.
        nodes: distinct token ids, by first visit.
        visits: for each node, how often the walk is there.
        path: for each step, its node.
        edges: by first step.
        depths: for each step, its circular depth, 0 to `MAX_DEPTH`; 0 opens a node.
        circles: stretches along walked edges, in order.
    """

    prompt: int
    nodes: tuple[int, ...]
    visits: tuple[int, ...]
    path: tuple[int, ...]
    edges: tuple[Edge, ...]
    depths: tuple[int, ...]
    circles: tuple[Circle, ...]

    @property
    def closed(self) -> Circle | None:
        """The first circle after the prompt; None where no edge is walked twice there."""
        return next((c for c in self.circles if c.first >= self.prompt), None)

    def as_data(self) -> dict[str, Any]:
        """What a page says of it in figures; steps are those of the continuation."""
        closed, made = self.closed, self.depths[self.prompt :]
        return {
            "nodes": len(self.nodes),
            "edges": len(self.edges),
            "returns": sum(depth > 0 for depth in made),
            "depths": list(made),
            "closed": None
            if closed is None
            else {"step": closed.first - self.prompt, "length": closed.length},
        }


def token_graph(prompt_ids: Sequence[int], token_ids: Sequence[int]) -> TokenGraph:
    """The graph that a text walks; O(n) steps.

    Source: Lan et al., "Momentum Decoding: Open-ended Text Generation As Graph Exploration",
        arXiv:2212.02175.
    Oracle: `core.circular_depth`, step by step (tests/unit/analyzers/test_token_graph.py).

    Args:
        prompt_ids: what stands before; its tokens are visited too.
        token_ids: the continuation.

    >>> graph = token_graph([1], [2, 3, 1, 2, 3])
    >>> graph.depths, graph.closed
    ((0, 0, 0, 1, 2, 3), Circle(first=4, steps=2, length=3))
    """
    ids = (*prompt_ids, *token_ids)
    node_of: dict[int, int] = {}
    visits: list[int] = []
    path: list[int] = []
    counts: dict[tuple[int, int], int] = {}
    first_step: dict[tuple[int, int], int] = {}
    for step, token_id in enumerate(ids):
        node = node_of.setdefault(token_id, len(node_of))
        if node == len(visits):
            visits.append(0)
        visits[node] += 1
        if path:
            pair = (path[-1], node)
            counts[pair] = counts.get(pair, 0) + 1
            first_step.setdefault(pair, step)
        path.append(node)
    depths = _depths(ids)
    return TokenGraph(
        len(prompt_ids),
        tuple(node_of),
        tuple(visits),
        tuple(path),
        tuple(Edge(*pair, counts[pair], step) for pair, step in first_step.items()),
        depths,
        _circles(path, depths),
    )


def _depths(ids: Sequence[int]) -> tuple[int, ...]:
    """Longest ending of what is read that stood before: n-grams of every length are kept."""
    seen: list[set[tuple[int, ...]]] = [set() for _ in range(MAX_DEPTH)]
    depths = []
    for end in range(1, len(ids) + 1):
        depth = 0
        grams = [tuple(ids[end - n : end]) for n in range(1, min(MAX_DEPTH, end) + 1)]
        for known, gram in zip(seen, grams, strict=False):
            if gram in known:
                depth = len(gram)
            known.add(gram)
        depths.append(depth)
    return tuple(depths)


def _circles(path: Sequence[int], depths: Sequence[int]) -> tuple[Circle, ...]:
    """Stretches of depth 2 and more: a return alone walks no edge again."""
    latest: dict[int, int] = {}
    found: list[Circle] = []
    for step, node in enumerate(path):
        if depths[step] >= 2:
            if found and found[-1].first + found[-1].steps == step:
                last = found[-1]
                found[-1] = Circle(last.first, last.steps + 1, last.length)
            else:
                found.append(Circle(step, 1, step - latest[node]))
        latest[node] = step
    return tuple(found)
