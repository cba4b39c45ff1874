"""The kind of a text: histograms by hand, windows, and the statistic on text of known origin."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from fakes import LetterTokenizer, NumberTokenizer, ScriptedModel, hashed_script, tiny_llama

from explorer.analyzers.profile import (
    entropy_histogram,
    rank_histogram,
    share_histogram,
    sliding_perplexity,
    surprise,
)
from explorer.core.errors import InvalidParams, NotCapable
from explorer.core.forcing import Windows
from explorer.core.models import HFModel
from explorer.core.types import Candidate, TokenStep
from explorer.services.generation import generate
from explorer.services.scoring import score
from explorer.services.verify.files import verify_traces

VOCAB = LetterTokenizer().vocab_size


def step(surprisal=1.0, entropy=1.0, varentropy=1.0, rank=0, best=0.0) -> TokenStep:
    top = (Candidate(1, best, best),)
    return TokenStep(0, 0, 0, 0, 5, surprisal, entropy, varentropy, rank, 0, 0, 9, top)


def test_ranks_fall_into_the_bins_of_gltr() -> None:
    steps = [step(rank=r) for r in (0, 0, 9, 10, 99, 100, 999, 1000, 40_000)]
    found = rank_histogram(steps)
    assert found.counts == (3, 2, 2, 2)
    assert found.edges == (0, 10, 100, 1000, math.inf)
    assert rank_histogram(steps, (1, 5)).counts == (2, 0, 7)
    with pytest.raises(ValueError, match="must grow"):
        rank_histogram(steps, (10, 10))


def test_shares_and_entropies_fall_into_even_bins() -> None:
    shares = [1.0, 0.95, 0.52, 0.49, 0.0001]
    steps = [step(surprisal=1 - math.log(x), best=-1.0) for x in shares]
    assert share_histogram(steps).counts == (1, 0, 0, 0, 1, 1, 0, 0, 0, 2)
    assert share_histogram([replace(steps[0], top=())]).counts == (0,) * 10
    bits = [step(entropy=x * math.log(2)) for x in (0.0, 0.5, 1.5, 3.2)]
    assert entropy_histogram(bits).counts == (2, 1, 0, 1)
    assert entropy_histogram([]).counts == (0,)


def test_windows_slide_by_one_token() -> None:
    steps = [step(surprisal=x) for x in (1.0, 2.0, 4.0, 0.0)]
    assert sliding_perplexity(steps, 2) == pytest.approx([math.exp(x) for x in (1.5, 3.0, 2.0)])
    assert sliding_perplexity(steps, 5) == []
    with pytest.raises(ValueError, match="at least 1 token"):
        sliding_perplexity(steps, 0)


def test_text_that_was_drawn_has_a_statistic_near_nothing() -> None:
    model = ScriptedModel(hashed_script(VOCAB))
    drawn, greedy, cut = generate(
        model, "abc", ["ancestral", "greedy", "top_k:k=4"], max_new_tokens=400, seed=1
    )
    found = surprise(drawn.steps)
    assert abs(found.statistic) < 0.1
    assert abs(found.z) < 3
    assert found.statistic == pytest.approx(found.mean_entropy - found.log_perplexity)
    assert surprise(greedy.steps).statistic > surprise(cut.steps).statistic > 0.3
    assert surprise(cut.steps).z < -5
    assert surprise(cut.steps).bound < found.bound <= 1
    assert surprise([]) is None
    assert surprise([step(varentropy=0.0, surprisal=1.0)]).z is None


def test_a_long_text_is_read_by_windows() -> None:
    net = HFModel.from_parts(tiny_llama(), NumberTokenizer())
    ids = [i * 7 % 90 + 1 for i in range(700)]
    with pytest.raises(NotCapable, match="reads 512 tokens"):
        score(net, ids, prompt=[3])
    windows = Windows(64, 16)
    trace = score(net, ids, prompt=[3], windows=windows)
    assert trace.decoder == "score:window=64,stride=16"
    assert trace.token_ids == tuple(ids)
    whole = [3, *ids]
    for place in (0, 62, 63, 64, 78, 79, 300, 699):  # by hand: what each token's window holds
        moved = max(0, -(-(place + 2 - 64) // 16))
        begin = min(moved * 16, len(whole) - 64) if moved else 0
        window = whole[begin : place + 2]
        [(_, law)] = list(net.score(window, len(window) - 1))
        assert trace.steps[place].surprisal == pytest.approx(
            -float(law.log_softmax(-1)[0, ids[place]]), abs=2e-4
        )
    (found,) = verify_traces([trace], net)
    assert found.agrees, found.mismatch.sentence
    assert score(net, ids[:60], prompt=[3], windows=windows).decoder == "score"
    with pytest.raises(InvalidParams, match="cannot move by 64"):
        Windows(64, 64)
    with pytest.raises(InvalidParams, match="Widen the window"):
        score(net, ids, prompt=ids[:80], windows=windows)
    with pytest.raises(NotCapable):
        score(net, ids, prompt=[3], windows=Windows(600, 100))
