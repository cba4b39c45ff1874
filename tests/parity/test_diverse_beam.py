"""Diverse beam search against a slow search over lists of sequences."""

from __future__ import annotations

import pytest
import torch
from fakes import NumberTokenizer, tiny_llama

from explorer.core.models import HFModel
from explorer.services.generation import Run, RunOptions

PROMPT = [5, 17, 33, 4, 90, 17]


def reference(model, groups: int, width: int, diversity: float, tokens: int):
    """(sequence, score) of all groups, best first; scores are sums over length."""

    def law(ids: list[int]) -> torch.Tensor:
        with torch.no_grad():
            return model(torch.tensor([PROMPT + ids])).logits[0, -1].log_softmax(-1)

    living = [[([], 0.0)] for _ in range(groups)]
    finished: list[list[tuple[list[int], float]]] = [[] for _ in range(groups)]
    for step in range(1, tokens + 1):
        said: dict[int, int] = {}
        for g in range(groups):
            if not living[g]:
                continue
            children = []
            for ids, total in living[g]:
                scores = law(ids)
                for token_id, count in said.items():
                    scores[token_id] -= diversity * count
                children += [([*ids, i], total + float(s)) for i, s in enumerate(scores)]
            children.sort(key=lambda child: -child[1])
            finished[g] += [(i, t / step) for i, t in children[:width] if i[-1] == 0]
            finished[g] = sorted(finished[g], key=lambda c: -c[1])[:width]
            last = step == tokens
            pool = children[:width] if last else children
            living[g] = [c for c in pool if c[0][-1] != 0][:width]
            for ids, _ in living[g]:
                said[ids[-1]] = said.get(ids[-1], 0) + 1
            full = len(finished[g]) == width
            if last or (full and living[g][0][1] / step <= finished[g][-1][1]):
                finished[g] += [(i, t / step) for i, t in living[g]]
                living[g] = []
    return sorted((c for part in finished for c in part), key=lambda c: -c[1])


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("groups", "width"), [(3, 1), (2, 2), (3, 2)])
@pytest.mark.parametrize("diversity", [0.0, 0.7, 5.0])
def test_diverse_beam_equals_the_reference(seed, groups, width, diversity) -> None:
    handle = HFModel.from_parts(tiny_llama(seed), NumberTokenizer(), id="tiny")
    spec = f"diverse_beam:groups={groups},group_width={width},diversity={diversity}"
    run = Run(handle, PROMPT, ["ancestral", spec], RunOptions(8))
    list(run.columns())
    trace = run.traces()[1]
    expected = reference(tiny_llama(seed).eval(), groups, width, diversity, 8)
    assert list(trace.token_ids) == expected[0][0]
    ours = {(tuple(s.token_id for s in h.steps), round(h.score, 3)) for h in trace.hypotheses}
    best = {(tuple(ids), round(score, 3)) for ids, score in expected[: groups * width]}
    assert best <= ours
