"""Loop rates: what is counted, by whom, and that a broken-off measurement goes on."""

from __future__ import annotations

import json
from collections import Counter

import pytest
from fakes import LetterTokenizer, ScriptedModel, hashed_script

from explorer.cli import main
from explorer.core.errors import InvalidParams, UnknownName
from explorer.core.loops import LoopThresholds
from explorer.services import loading
from explorer.services.loops import rates as loop_rates
from explorer.services.loops.prompts import LoopPrompt, bundled_prompts, parse_prompts
from explorer.services.loops.rates import Outcome, Plan, Rate, Store, measure, outcome_of, rates

VOCAB = LetterTokenizer().vocab_size


def cycling(history) -> list[float]:
    """Letters a, b, c in turn after any letter; after a space the end."""
    order = {2: 3, 3: 4, 4: 2, 1: 0}
    logits = [0.0] * VOCAB
    logits[order.get(history[-1], 2)] = 9.0
    return logits


@pytest.fixture
def model() -> ScriptedModel:
    return ScriptedModel(cycling)


PROMPTS = (LoopPrompt("abz"), LoopPrompt("ab "))
SHORT = {"max_new_tokens": 60}


def test_a_loop_is_counted_once_a_run_with_its_onset(model) -> None:
    plan = Plan(("greedy", "greedy"), seeds=3, **SHORT)
    assert plan.decoders == ("greedy",)
    found = measure(model, PROMPTS, plan)
    assert [(o.seed, o.onset, o.period, o.tokens) for o in found] == [
        (0, 0, 3, 60),
        (0, None, None, 1),
    ]  # the seed says nothing to greedy: one run a prompt
    (row,) = rates(found)
    assert (row.loops.value, row.loops.n, row.onsets) == (0.5, 2, (0,))
    assert row.quartiles == (0, 0, 0)
    assert row.loops.low < 0.5 < row.loops.high
    assert row.rep_4 == pytest.approx(1 - 3 / 57)
    assert row.near.value == 0
    assert row.tokens == 30.5


def test_decoders_that_draw_run_by_every_seed(model) -> None:
    model = ScriptedModel(hashed_script(VOCAB))
    plan = Plan(("ancestral", "greedy"), seeds=3, max_new_tokens=12)
    found = measure(model, PROMPTS[:1], plan)
    assert Counter(o.decoder for o in found) == {"ancestral": 3, "greedy": 1}
    assert [o.seed for o in found if o.decoder == "ancestral"] == [0, 1, 2]


def test_more_lanes_than_a_run_takes_are_several_runs(model) -> None:
    specs = tuple(f"top_k:k={k}" for k in range(1, 12))
    found = measure(model, PROMPTS[:1], Plan(specs, **SHORT))
    assert [o.decoder for o in found] == list(Plan(specs).decoders)


def test_a_broken_off_measurement_goes_on_where_it_was(model, tmp_path, monkeypatch) -> None:
    plan = Plan(("greedy", "momentum"), **SHORT)
    whole = measure(model, PROMPTS, plan)
    first = measure(model, PROMPTS[:1], plan, kept=tmp_path)
    (file,) = tmp_path.iterdir()
    file.write_text(file.read_text() + '{"prompt": "ab ", "outc')  # killed while it wrote
    asked: list[str] = []
    run = loop_rates.generate
    monkeypatch.setattr(
        loop_rates, "generate", lambda m, p, *rest: (asked.append(p), run(m, p, *rest))[1]
    )
    assert measure(model, PROMPTS, plan, kept=tmp_path) == whole
    assert first == whole[:2]
    assert asked == ["ab "]
    assert measure(model, PROMPTS[::-1], plan, kept=tmp_path)[2:] == first
    assert asked == ["ab "]


def test_another_plan_or_model_keeps_apart(model, tmp_path) -> None:
    plan = Plan(("greedy",), **SHORT)
    paths = {
        Store(tmp_path, model, plan).path,
        Store(tmp_path, model, Plan(("greedy",), seeds=2, **SHORT)).path,
        Store(tmp_path, model, Plan(("greedy",), thresholds=LoopThresholds(9), **SHORT)).path,
        Store(tmp_path, ScriptedModel(cycling, LetterTokenizer(["more"])), plan).path,
    }
    assert len(paths) == 4


def test_where_nothing_can_be_kept_the_figures_still_come(model, tmp_path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    plan = Plan(("greedy",), **SHORT)
    assert measure(model, PROMPTS, plan, kept=blocked) == measure(model, PROMPTS, plan)


def test_a_loop_that_counts_is_a_near_loop(model) -> None:
    text = "".join(f"step {'abcdefghij'[n]}, go on with it. " for n in range(8))
    ids = model.tokenizer.encode(text)
    following = {tuple(ids[:n]): ids[n] for n in range(1, len(ids))}

    def script(history) -> list[float]:
        logits = [0.0] * VOCAB
        logits[following.get(tuple(history), 0)] = 9.0
        return logits

    (trace,) = loop_rates.generate(ScriptedModel(script), text[0], ["greedy"], 300)
    outcome = outcome_of(trace)
    assert outcome.onset is None
    assert "edited" in outcome.near
    (row,) = rates([outcome])
    assert row.near.value == 1


def test_the_median_onset_is_the_median() -> None:
    some = [Outcome("greedy", 0, 90, onset, 2, (), None, None) for onset in (4, None, 8, 60)]
    (row,) = rates(some)
    assert isinstance(row, Rate)
    assert row.quartiles == (6, 8, 34)
    assert row.rep_4 is None
    assert rates(some[1:2])[0].quartiles is None


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ({"decoders": ()}, "decoders"),
        ({"seeds": 0}, "seeds must be at least 1"),
        ({"max_new_tokens": 0}, "max_new_tokens must be at least 1"),
    ],
)
def test_a_plan_that_cannot_be_run_is_named(fault, message) -> None:
    with pytest.raises(InvalidParams, match=message):
        Plan(**fault)
    with pytest.raises(UnknownName):
        Plan(("gredy",))
    with pytest.raises(InvalidParams, match="number of runs"):
        rates([])


def test_the_prompts_are_at_least_40_of_five_kinds() -> None:
    prompts = bundled_prompts()
    assert len({p.text for p in prompts}) == len(prompts) >= 40
    kinds = Counter(p.kind for p in prompts)
    assert set(kinds) == {"story", "list", "code", "dialogue", "encyclopaedic"}
    assert min(kinds.values()) >= 8
    assert {p.kind for p in prompts[:5]} == set(kinds)  # any beginning of them is mixed


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("\n \n", "'p' holds 0 prompts"),
        ('one\n{"text": 7}', "line 2 of 'p' has no text"),
        ('{"kind": "x"}', "line 1 of 'p' has no text"),
        ('{"text": "a"', "line 1 of 'p' is no JSON object"),
        ('{"text": "' + "[" * 100_000, "is no JSON object"),
    ],
)
def test_a_file_of_prompts_that_cannot_be_read_is_named_by_its_line(text, message) -> None:
    with pytest.raises(InvalidParams, match=message):
        parse_prompts(text, "p")


def test_plain_lines_are_prompts_even_where_they_are_code() -> None:
    code = '{"name": "Anna", '
    assert parse_prompts(f"{code}\r\n{code}\n🙂", "p") == (LoopPrompt(code), LoopPrompt("🙂"))


def command(*more: str) -> int:
    return main(["loops", "--decoder", "greedy", "--max-new-tokens", "60", *more])


def test_the_command_prints_a_table_or_json(model, monkeypatch, tmp_path, capsys) -> None:
    monkeypatch.setattr(loading, "load_model", lambda name, **_: model)
    monkeypatch.setenv("EXPLORER_CACHE", str(tmp_path / "cache"))
    file = tmp_path / "mine.txt"
    file.write_text("abz\nab x\n")
    assert command("--prompts", str(file)) == 0
    out = capsys.readouterr().out
    assert "2 prompts, 60 new tokens" in out
    assert "100 (34 to 100)" in out
    assert len(list((tmp_path / "cache" / "loops").iterdir())) == 1
    forwards = model.forwards
    assert command("--prompts", str(file), "--json") == 0
    data = json.loads(capsys.readouterr().out)
    assert model.forwards == forwards
    assert data["rates"][0]["loops"] | {"low": 0, "high": 1} == {
        "value": 1.0, "low": 0, "high": 1, "n": 2,
    }  # fmt: skip
    assert command("--first", "3", "--again", "--json") == 0
    assert json.loads(capsys.readouterr().out)["prompts"] == 3
    assert command("--first", "0") == 2
    assert command("--prompts", str(tmp_path / "none.txt")) == 2
    assert command("--decoder", "gredy") == 2
    err = capsys.readouterr().err
    assert "--first must be at least 1" in err
    assert "cannot be read" in err
