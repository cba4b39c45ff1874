"""The authors' layouts, the guarantee on two architectures, and the whole lab."""

from __future__ import annotations

from itertools import permutations

import pytest
import torch
from fakes import (
    LetterTokenizer,
    NumberTokenizer,
    ScriptedModel,
    hashed_script,
    tiny_gpt2,
    tiny_llama,
)

from explorer.core.distribution import log_normalise
from explorer.core.errors import InvalidParams, NotCapable
from explorer.core.models import HFModel
from explorer.core.results import Table
from explorer.labs.set_prompting.experiment import INFO
from explorer.labs.set_prompting.layout import layout
from explorer.services.labs.running import LabRun, open_lab, run_lab
from explorer.services.loading import load_model

# reidmcy/set-based-prompting at ea5b13c
AUTHORS = [
    (
        [[1, 2], [[3, 4], [5, 6]], [7]],
        (0, 1, 2, 3, 2, 3, 4),
        ["1000000", "1100000", "1110000", "1111000", "1100100", "1100110", "1111111"],
    ),
    ([[1, 2], [[3, 4]], [7]], (0, 1, 2, 3, 4), ["10000", "11000", "11100", "11110", "11111"]),
    (
        [[1, 2], [[3, 4], [5]], [6], [[7], [8, 9]], [10]],
        (0, 1, 2, 3, 2, 4, 5, 5, 6, 7),
        ["1000000000", "1100000000", "1110000000", "1111000000", "1100100000", "1111110000",
         "1111111000", "1111110100", "1111110110", "1111111111"],
    ),
]  # fmt: skip


@pytest.mark.parametrize(("pieces", "positions", "mask"), AUTHORS)
def test_layouts_are_the_authors(pieces, positions, mask) -> None:
    found = layout(pieces)
    assert found.positions == positions
    assert found.allowed.int().tolist() == [[int(x) for x in row] for row in mask]


def test_without_both_changes_it_is_the_usual_prompt() -> None:
    found = layout([[1, 2], [[3, 4], [5, 6]], [7]], shared_positions=False, blind=False)
    assert found.positions == tuple(range(7))
    assert torch.equal(found.allowed, torch.ones(7, 7).tril().bool())


@pytest.mark.parametrize("make", [tiny_llama, tiny_gpt2])
def test_a_plain_layout_gives_the_usual_logits_and_a_set_has_no_order(make) -> None:
    model = HFModel.from_parts(make(), NumberTokenizer())
    ids = [5, 9, 20, 21, 30, 7]
    plain = layout([ids], shared_positions=False, blind=False)
    logits = model.read_masked(plain.ids, plain.positions, plain.allowed)
    (row,) = [x for _, x in model.score([*ids, 3], len(ids))]
    assert torch.allclose(logits[-1], row[-1], atol=1e-4)
    options = [[20, 21], [30], [40, 41, 42]]
    laws = {
        kind: torch.stack([_next(model, order, kind) for order in permutations(options)])
        for kind in (True, False)
    }
    spread = {kind: float((x.amax(0) - x.amin(0)).max()) for kind, x in laws.items()}
    assert spread[True] < 1e-3
    assert spread[False] > 0.05


def _next(model, order, is_set: bool) -> torch.Tensor:
    found = layout([[5, 9], list(order), [7]], shared_positions=is_set, blind=is_set)
    return log_normalise(model.read_masked(found.ids, found.positions, found.allowed)[-1:])[0]


def test_a_mask_that_does_not_fit_is_refused() -> None:
    model = HFModel.from_parts(tiny_llama(), NumberTokenizer())
    with pytest.raises(InvalidParams, match="one position a token"):
        model.read_masked([1, 2], [0], torch.ones(2, 2).bool())
    with pytest.raises(InvalidParams, match="does not see itself"):
        model.read_masked([1, 2], [0, 1], torch.tensor([[True, False], [True, False]]))


@pytest.fixture(scope="module")
def run() -> LabRun:
    asked = {"questions": 2, "before": "Pick:", "options": " a cat| a dog", "after": ". I take a"}
    return run_lab(open_lab(INFO, load_model("tiny"), asked))


def test_the_lab_shows_that_a_set_has_no_order(run: LabRun) -> None:
    assert [claim.holds for claim in run.claims.values()] == [True, True, True]
    table = run.results["The next token, over all orders"]
    assert isinstance(table, Table)
    assert [row[1] for row in table.rows] == [2, 6, 24]
    assert all("," not in str(row[3]) for row in table.rows)  # one answer, whatever the order


@pytest.mark.parametrize(
    "asked", [{"options": " a"}, {"options": "a|b"}, {"before": "x", "options": "|", "after": "y"}]
)
def test_a_prompt_of_ones_own_needs_its_parts(asked) -> None:
    with pytest.raises(InvalidParams, match="2 to 5 options"):
        run_lab(open_lab(INFO, load_model("tiny"), asked))


def test_a_model_without_masks_is_refused() -> None:
    model = ScriptedModel(hashed_script(LetterTokenizer().vocab_size))
    with pytest.raises(NotCapable, match="masks"):
        open_lab(INFO, model)
