"""The graph of tokens: its walk is the text, its depths are momentum decoding's."""

from __future__ import annotations

import itertools
import time

from hypothesis import given
from hypothesis import strategies as st

from explorer.analyzers.token_graph import Circle, token_graph
from explorer.core.circular_depth import MAX_DEPTH, circular_depth

IDS = st.lists(st.integers(0, 5), max_size=60)


@given(prompt=IDS, ids=IDS)
def test_depths_are_those_of_momentum_decoding_and_the_walk_is_the_text(prompt, ids) -> None:
    graph = token_graph(prompt, ids)
    text = [*prompt, *ids]
    assert list(graph.depths) == [circular_depth(text[:i], t) for i, t in enumerate(text)]
    assert [graph.nodes[node] for node in graph.path] == text
    assert sum(graph.visits) == len(text)
    assert sum(edge.count for edge in graph.edges) == max(0, len(text) - 1)
    assert len({(edge.start, edge.end) for edge in graph.edges}) == len(graph.edges)
    for edge in graph.edges:
        assert (graph.path[edge.first - 1], graph.path[edge.first]) == (edge.start, edge.end)
    # a step of depth 1 or more goes back to a node, one of depth 2 or more along an edge
    assert [d > 0 for d in graph.depths] == [t in text[:i] for i, t in enumerate(text)]
    pairs = list(itertools.pairwise(text))
    again = {i + 1 for i, pair in enumerate(pairs) if pair in pairs[:i]}
    walked = {step for c in graph.circles for step in range(c.first, c.first + c.steps)}
    assert walked == again


@given(onset=st.integers(0, 20), period=st.integers(2, 30), copies=st.integers(2, 5))
def test_a_planted_loop_is_a_circle_of_its_period(onset, period, copies) -> None:
    before = list(range(1000, 1000 + onset))
    unit = list(range(period))
    graph = token_graph(before, unit * copies)
    assert graph.circles == (Circle(onset + period + 1, period * (copies - 1) - 1, period),)
    assert graph.closed == graph.circles[0]
    assert set(graph.depths[onset + period + MAX_DEPTH - 1 :]) <= {MAX_DEPTH}
    assert max(edge.count for edge in graph.edges) == copies if period > 1 else True
    assert len(graph.nodes) == onset + period


def test_a_de_bruijn_sequence_has_no_depth_of_its_order() -> None:
    """Every n-gram stands there once, so that no n of the latest tokens stood there before."""
    for letters, order in ((2, 2), (2, 3), (3, 3), (4, 2), (2, 5)):
        sequence = de_bruijn(letters, order)
        assert len(sequence) == letters**order + order - 1
        assert max(token_graph([], sequence).depths) == order - 1


def de_bruijn(letters: int, order: int) -> list[int]:
    """Every word of `order` letters once: the letter that was not tried longest ago is last."""
    sequence = [0] * order
    seen = {tuple(sequence)}
    while True:
        for letter in reversed(range(letters)):
            word = (*sequence[len(sequence) - order + 1 :], letter)
            if word not in seen:
                seen.add(word)
                sequence.append(letter)
                break
        else:
            return sequence


def test_one_token_the_same_token_and_nothing() -> None:
    assert token_graph([], []).as_data() == {
        "nodes": 0,
        "edges": 0,
        "returns": 0,
        "depths": [],
        "closed": None,
    }
    one = token_graph([], [7])
    assert (one.nodes, one.edges, one.depths, one.closed) == ((7,), (), (0,), None)
    same = token_graph([], [7] * 8)
    assert same.depths == (0, 1, 2, 3, 4, 5, 5, 5)
    assert same.closed == Circle(2, 6, 1)
    assert same.edges[0].count == 7


def test_what_stands_in_the_prompt_is_old() -> None:
    data = token_graph([1, 2, 3], [9, 1, 2]).as_data()
    assert data["depths"] == [0, 1, 2]
    assert data["closed"] == {"step": 2, "length": 4}
    assert data["nodes"] == 4


def test_100_000_tokens_are_read_in_seconds() -> None:
    ids = [(i * i) % 977 for i in range(100_000)]
    began = time.process_time()
    graph = token_graph([], ids)
    assert time.process_time() - began < 5
    assert len(graph.path) == 100_000
