"""Whole runs against `model.generate` and against teacher forcing, on random tiny models."""

from __future__ import annotations

import pytest
import torch
from fakes import NumberTokenizer, tiny_gpt2, tiny_llama

from explorer.core.models import HFModel
from explorer.services.generation import Run, RunOptions, generate
from explorer.services.scoring import score

PROMPT = [5, 17, 33, 4, 90, 17]
MODELS = {"llama": tiny_llama, "gpt2": tiny_gpt2}


def handle_of(kind: str, seed: int = 0) -> HFModel:
    return HFModel.from_parts(MODELS[kind](seed), NumberTokenizer(), id=f"tiny-{kind}")


def reference(model, **arguments) -> list[list[int]]:
    out = model.generate(
        torch.tensor([PROMPT]), pad_token_id=0, do_sample=False, use_cache=True, **arguments
    )
    return [row[len(PROMPT) :].tolist() for row in out]


def upto_eos(ids) -> list[int]:
    ids = list(ids)
    return ids[: ids.index(0) + 1] if 0 in ids else ids


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize("seed", range(6))
def test_greedy_equals_generate(kind: str, seed: int) -> None:
    handle = handle_of(kind, seed)
    expected = upto_eos(reference(MODELS[kind](seed), max_new_tokens=40)[0])
    (trace,) = generate(handle, PROMPT, ["greedy"], max_new_tokens=40)
    assert list(trace.token_ids) == expected


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("width", [2, 4, 7])
@pytest.mark.parametrize("length_penalty", [0.0, 1.0, 1.7])
def test_every_beam_equals_generate(kind, seed, width, length_penalty) -> None:
    handle = handle_of(kind, seed)
    arguments = {
        "max_new_tokens": 24,
        "num_beams": width,
        "num_return_sequences": width,
        "length_penalty": length_penalty,
    }
    expected = [upto_eos(row) for row in reference(MODELS[kind](seed), **arguments)]
    spec = f"beam:width={width},length_penalty={length_penalty}"
    (trace,) = generate(handle, PROMPT, [spec], max_new_tokens=24)
    assert list(trace.token_ids) == expected[0]
    ours = [[s.token_id for s in h.steps] for h in trace.hypotheses[:width]]
    assert ours == expected


def test_beam_search_ends_early_where_generate_does() -> None:
    """Some of the runs above must really end by eos, or they would prove less than they say."""
    ended = 0
    for seed in range(4):
        (trace,) = generate(handle_of("llama", seed), PROMPT, ["beam:width=4"], max_new_tokens=24)
        ended += any(h.finished for h in trace.hypotheses)
    assert ended


def test_processors_before_a_beam_equal_generate() -> None:
    handle = handle_of("llama", 1)
    expected = reference(
        tiny_llama(1),
        max_new_tokens=20,
        num_beams=3,
        no_repeat_ngram_size=2,
        length_penalty=0.0,
        renormalize_logits=True,  # our scores are sums of log q, and q is a law
    )
    spec = "no_repeat_ngram:n=2+beam:width=3,length_penalty=0"
    (trace,) = generate(handle, PROMPT, [spec], max_new_tokens=20)
    assert list(trace.token_ids) == upto_eos(expected[0])


SPECS = (
    "greedy",
    "ancestral",
    "temperature:temperature=1.4+nucleus:p=0.9",
    "top_k:k=5",
    "min_p:p=0.1",
    "momentum",
    "repetition_penalty:penalty=1.4+greedy",
    "beam:width=3",
)


@pytest.mark.parametrize("kind", MODELS)
def test_measures_equal_a_teacher_forced_forward(kind: str) -> None:
    handle, model = handle_of(kind, 3), MODELS[kind](3)
    for trace in generate(handle, PROMPT, SPECS, max_new_tokens=40, seed=11):
        ids = [*PROMPT, *trace.token_ids]
        with torch.inference_mode():
            laws = model(torch.tensor([ids])).logits[0, len(PROMPT) - 1 : -1].log_softmax(-1)
        for step, law in zip(trace.steps, laws, strict=True):
            own = law[step.token_id]
            assert step.surprisal == pytest.approx(-float(own), abs=1e-4)
            assert step.entropy == pytest.approx(float(-(law.exp() * law).sum()), abs=1e-4)
            second = float((law.exp() * law**2).sum()) - step.entropy**2
            assert step.varentropy == pytest.approx(second, abs=1e-3)
            close = (law - own).abs() < 1e-4
            assert abs(step.rank - int((law > own).sum())) <= int(close.sum()) - 1
            best = law.topk(10)
            assert [c.logprob for c in step.top] == pytest.approx(best.values.tolist(), abs=1e-4)
            assert sum(c.token_id in best.indices for c in step.top) >= 9


@pytest.mark.parametrize("kind", MODELS)
def test_a_lane_is_the_same_alone_and_beside_seven_others(kind: str) -> None:
    handle = handle_of(kind, 5)
    together = generate(handle, PROMPT, SPECS, max_new_tokens=48, seed=3)
    for spec, beside in zip(SPECS, together, strict=True):
        (alone,) = generate(handle, PROMPT, [spec], max_new_tokens=48, seed=3)
        assert alone.token_ids == beside.token_ids, spec
        assert alone.batch_rows < beside.batch_rows


def test_scoring_a_continuation_gives_the_measures_of_its_generation() -> None:
    handle = handle_of("llama", 2)
    (made,) = generate(handle, PROMPT, ["ancestral"], max_new_tokens=60, seed=1)
    scored = score(handle, list(made.token_ids), prompt=PROMPT)
    assert scored.token_ids == made.token_ids
    for a, b in zip(scored.steps, made.steps, strict=True):
        assert a.surprisal == pytest.approx(b.surprisal, abs=1e-4)
        assert a.entropy == pytest.approx(b.entropy, abs=1e-4)


def test_a_run_that_is_left_early_keeps_what_it_made() -> None:
    run = Run(handle_of("llama"), PROMPT, ["greedy", "ancestral"], RunOptions(max_new_tokens=50))
    for column in run.columns():
        if column.index == 6:
            break
    assert [len(trace.steps) for trace in run.traces()] == [7, 7]
    assert {str(trace.stop_reason) for trace in run.traces()} == {"cancelled"}


def sum_of_log_q(model, ids: list[int], temperature: float) -> float:
    """Teacher-forced: log q of the continuation under a tempered law."""
    with torch.no_grad():
        logits = model(torch.tensor([PROMPT + ids])).logits[0, len(PROMPT) - 1 : -1]
    laws = (logits.log_softmax(-1) / temperature).log_softmax(-1)
    return float(laws.gather(1, torch.tensor(ids).unsqueeze(1)).sum())


@pytest.mark.parametrize("length_penalty", [0.0, 1.0])
@pytest.mark.parametrize("seed", range(3))
def test_beam_sampling_scores_rows_as_generate_does(seed: int, length_penalty: float) -> None:
    model = tiny_llama(seed).eval()
    with torch.random.fork_rng():
        torch.random.default_generator.manual_seed(seed)
        out = model.generate(
            torch.tensor([PROMPT]),
            pad_token_id=0,
            do_sample=True,
            num_beams=3,
            num_return_sequences=3,
            temperature=1.5,
            top_k=0,
            length_penalty=length_penalty,
            renormalize_logits=True,
            max_new_tokens=12,
            return_dict_in_generate=True,
            output_scores=True,
        )
    for row, score_of_row in zip(out.sequences, out.sequences_scores.tolist(), strict=True):
        ids = upto_eos(row[len(PROMPT) :].tolist())
        total = sum_of_log_q(model, ids, 1.5)
        assert score_of_row == pytest.approx(total / len(ids) ** length_penalty, abs=1e-3)
    spec = f"temperature:temperature=1.5+beam_sampling:width=3,length_penalty={length_penalty}"
    (trace,) = generate(handle_of("llama", seed), PROMPT, [spec], max_new_tokens=12, seed=seed)
    assert len(trace.hypotheses) >= 3
    for h in trace.hypotheses:
        ids = [s.token_id for s in h.steps]
        total = sum_of_log_q(model, ids, 1.5)
        assert h.score == pytest.approx(total / len(ids) ** length_penalty, abs=1e-3)
