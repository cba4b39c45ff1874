"""What every stage of the catalogue must keep, whatever it does."""

from __future__ import annotations

import importlib
import math
import re
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from fakes import LetterTokenizer, ScriptedLayers, ScriptedModel, hashed_script

from explorer.core.decoder import StepView
from explorer.core.distribution import log_normalise
from explorer.core.errors import InvalidParams
from explorer.core.params import describe
from explorer.decoders import ALL as CHOOSERS
from explorer.decoders import CATALOG
from explorer.decoders.spec import parse
from explorer.processors import ALL as PROCESSORS
from explorer.services.generation import generate

ROOT = Path(__file__).parents[2]
STAGES = CATALOG.items()
IDS = [info.name for info in STAGES]
VOCAB = LetterTokenizer().vocab_size


def laws() -> dict[str, torch.Tensor]:
    noise = torch.Generator().manual_seed(5)
    masked = torch.randn(3, 40, generator=noise)
    masked[:, ::3] = -math.inf
    single = torch.full((2, 40), -math.inf)
    single[0, 7], single[1, 20] = 1.0, -3.0
    return {
        "ordinary": torch.randn(3, 40, generator=noise) * 3,
        "masked": masked,
        "equal": torch.zeros(3, 40),
        "one possible token": single,
        "one-token vocabulary": torch.zeros(2, 1),
        "extreme": torch.tensor([[1e4, -1e4, 0.0, 3.0], [-1e4, 1e4, 1e4, 0.0]]),
    }


def view_of(logits: torch.Tensor) -> StepView:
    rows, vocab = logits.shape
    history = tuple([i % vocab for i in (3, 5, 3, 5, 7, 3)] for _ in range(rows))

    def script(_: Sequence[int]) -> list[float]:
        return [float(i % 3) for i in range(vocab)]

    return StepView(
        logits,
        log_normalise(logits),
        history,
        2,
        (0.37,) * rows,
        tokenizer=LetterTokenizer(),
        second_logits=torch.linspace(-2, 2, vocab).expand(rows, -1),
        layers=ScriptedLayers(ScriptedModel(script), history, history[0][:2]),
    )


@pytest.mark.parametrize("info", PROCESSORS, ids=[i.name for i in PROCESSORS])
@pytest.mark.parametrize("law", laws())
def test_a_processor_keeps_its_input_and_leaves_a_law(info, law: str) -> None:
    logits = laws()[law]
    before = logits.clone()
    out = info.build(info.params())(logits, view_of(logits))
    assert torch.equal(logits, before)
    assert out.shape == logits.shape
    assert out.dtype == torch.float32
    assert not out.isnan().any()
    assert out.isfinite().any(dim=-1).all(), "a row lost its last token"
    assert not (out.isfinite() & ~logits.isfinite()).any(), "a masked token came back"
    assert torch.allclose(log_normalise(out).exp().sum(-1), torch.ones(len(out)))
    if info.keeps_argmax:
        best = logits.argmax(-1, keepdim=True)
        assert (out.gather(-1, best) >= out.amax(-1, keepdim=True)).all()


@pytest.mark.parametrize("info", PROCESSORS, ids=[i.name for i in PROCESSORS])
def test_rows_do_not_look_at_each_other(info) -> None:
    logits = laws()["ordinary"]
    process = info.build(info.params())
    together = process(logits, view_of(logits))
    for row in range(len(logits)):
        alone = process(logits[row : row + 1], view_of(logits[row : row + 1]))
        assert torch.equal(together[row : row + 1], alone)


@pytest.mark.parametrize("info", PROCESSORS, ids=[i.name for i in PROCESSORS])
def test_neutral_values_change_nothing(info) -> None:
    if not info.neutral:
        assert info.second or info.layers, "every processor of one law can be switched off"
        return
    logits = laws()["masked"]
    out = info.build(info.params(**info.neutral))(logits, view_of(logits))
    assert torch.equal(out, logits)
    assert out is not logits


@pytest.mark.parametrize("info", STAGES, ids=IDS)
def test_a_chooser_stays_in_its_support_and_repeats_itself(info) -> None:
    spec = info.name
    for law, logits in laws().items():
        view = view_of(logits[:1])
        move = parse(spec).build().advance(view)
        assert len(move.parents) == len(move.token_ids) == len(move.logprobs), law
        for token_id, q in zip(move.token_ids, move.logprobs, strict=True):
            assert q[token_id] > -math.inf, law
            assert float(q.exp().sum()) == pytest.approx(1, abs=1e-5), law
        again = parse(spec).build().advance(view)
        assert again.token_ids == move.token_ids


@pytest.mark.parametrize("info", STAGES, ids=IDS)
def test_same_seed_same_text_and_alone_as_in_a_crowd(info) -> None:
    model = ScriptedModel(hashed_script(VOCAB))
    crowd = (
        ["ancestral", info.name, "greedy"] if info.kind == "processor" else ["top_k:k=3", info.name]
    )
    texts = [generate(model, "abc", crowd, max_new_tokens=15, seed=9)[1].text for _ in range(2)]
    (alone,) = generate(model, "abc", [info.name], max_new_tokens=15, seed=9)
    assert texts == [alone.text, alone.text]


@pytest.mark.parametrize("info", STAGES, ids=IDS)
def test_an_unknown_parameter_is_refused(info) -> None:
    with pytest.raises(InvalidParams, match="no parameter"):
        parse(f"{info.name}:wibble=1")


@pytest.mark.parametrize("info", STAGES, ids=IDS)
def test_a_stage_says_what_people_need_to_know(info) -> None:
    assert info.name == info.name.lower()
    assert info.summary.endswith(".")
    assert info.look_for.endswith(".")
    assert len(info.source) > 10
    for field in describe(info.params):
        assert field.description, field.name
        if field.type in ("float", "int"):
            assert field.slider, f"{field.name} has no slider range"
            low, high, step = field.slider
            assert low < high
            assert step > 0
            assert low <= field.default <= high
            for value in (low, high):
                info.params.model_validate({field.name: value})


@pytest.mark.parametrize("info", STAGES, ids=IDS)
def test_docstrings_name_source_and_oracle(info) -> None:
    package = "processors" if info.kind == "processor" else "decoders"
    module = importlib.import_module(f"explorer.{package}.{info.name}")
    camel = "".join(part.title() for part in info.name.split("_"))
    thing = getattr(module, info.name, None) or getattr(module, camel)
    assert "Source:" in thing.__doc__
    assert "Oracle:" in thing.__doc__
    for named in re.findall(r"tests/[\w/]+(?:\.py)?", thing.__doc__):
        assert (ROOT / named).exists(), f"{named} is named as a proof and is not there"


def test_the_catalogue_holds_every_stage_once() -> None:
    assert {i.name for i in (*PROCESSORS, *CHOOSERS)} == set(CATALOG)
