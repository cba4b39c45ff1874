"""A lab's run: updates as they come, a stop that keeps what was made, parameters, times, files."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator

import pytest
from fakes import LetterTokenizer, ScriptedModel, hashed_script
from pydantic import Field

from explorer.core.errors import InvalidParams, NotCapable
from explorer.core.handle import Capability
from explorer.core.lab import Claim, LabContext, LabInfo, Paper, Progress, Update
from explorer.core.params import Params
from explorer.core.results import Scalar, Table, Traces
from explorer.core.trace_io import read_traces
from explorer.services.labs.context import RunningLab
from explorer.services.labs.files import write_run
from explorer.services.labs.parameters import read_values
from explorer.services.labs.running import open_lab, run_lab
from explorer.services.labs.times import LabTimes

VOCAB = LetterTokenizer().vocab_size


class ExampleParams(Params):
    """Parameters of the example."""

    count: int = Field(default=3, ge=1, le=50, description="How many.")
    word: str = Field(default="", max_length=20, description="A word.")


def example(ctx: LabContext, params: ExampleParams) -> Iterator[Update]:
    for number in range(params.count):
        yield Progress(f"part {number}", number / params.count)
        traces = ctx.generate("abc", ["ancestral"] * 2, max_new_tokens=4, seed=ctx.seed + number)
        yield Table("made", ("text",), tuple((t.text,) for t in traces))
    yield Traces("the last", traces)
    yield Scalar("parts", params.count)
    yield Claim("it made three", Scalar("parts", params.count), ">=", 3, "none")


INFO = LabInfo(
    name="example",
    title="An example",
    question="Does it run?",
    family="analyse",
    papers=(Paper("A paper", "Doe", 2024),),
    fidelity="illustration",
    scaled_down="All of it.",
    seconds=5.0,
    params=ExampleParams,
    run=example,
)


@pytest.fixture
def model() -> ScriptedModel:
    return ScriptedModel(hashed_script(VOCAB))


def test_updates_of_one_name_take_the_place_of_those_before(model) -> None:
    said: list[str] = []
    run = run_lab(open_lab(INFO, model), on_update=lambda r: said.append(r.said))
    assert list(run.results) == ["made", "the last", "parts"]
    assert [claim.holds for claim in run.claims.values()] == [True]
    assert said[0] == "part 0"
    assert run.done
    assert not run.stopped
    assert len(run.traces) == 2
    json.dumps(run.as_data(), allow_nan=False)


def test_the_same_seed_shows_the_same_and_another_does_not(model) -> None:
    shown = [run_lab(open_lab(INFO, model, seed=s)).results["made"] for s in (4, 4, 5)]
    assert shown[0] == shown[1] != shown[2]


def test_a_stop_keeps_what_was_made(model) -> None:
    cancel = threading.Event()

    def stop_later(run) -> None:
        if run.results and run.said == "part 2":
            cancel.set()

    run = run_lab(open_lab(INFO, model, {"count": 50}), cancel=cancel, on_update=stop_later)
    assert run.stopped
    assert run.done
    assert list(run.results) == ["made"]
    assert not run.claims


def test_a_stop_in_the_middle_of_a_run_ends_it_within_a_token(model) -> None:
    cancel = threading.Event()
    made: list[int] = []

    def slow(history):
        made.append(1)
        if len(made) == 6:
            cancel.set()
        return hashed_script(VOCAB)(history)

    long_info = INFO.__class__(
        **{
            **{name: getattr(INFO, name) for name in INFO.__slots__},
            "run": lambda ctx, _: iter(
                [Table("t", ("n",), ((len(ctx.generate("a", ["greedy"], max_new_tokens=500)),),))]
            ),
        }
    )
    run = run_lab(open_lab(long_info, ScriptedModel(slow)), cancel=cancel)
    assert run.stopped
    assert len(made) < 10


def test_the_same_spec_many_times_is_as_many_draws(model) -> None:
    traces = RunningLab(model, 3).generate("abc", ["ancestral"] * 130, max_new_tokens=12)
    assert len(traces) == 130
    assert len({t.token_ids for t in traces}) > 120


def test_a_lab_without_a_capability_is_refused_by_name(model) -> None:
    needy = INFO.__class__(
        **{
            **{name: getattr(INFO, name) for name in INFO.__slots__},
            "needs": frozenset({Capability.CACHE_SELECT, "telepathy"}),
        }
    )
    with pytest.raises(NotCapable, match="telepathy"):
        open_lab(needy, model)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (["count"], "is no parameter"),
        (["count=0"], r"count=0.*whole number in \[1, 50\]"),
        (["count=3.5"], "count=3.5"),
        (["cuont=3"], "Did you mean 'count'"),
        (["word=" + "x" * 21], "at most 20"),
        (["word=\ud800"], "half of a character|surrogate|UTF-8"),
    ],
)
def test_parameters_that_cannot_be_used_are_refused_in_words(given, words: str) -> None:
    with pytest.raises(InvalidParams, match=words):
        read_values(INFO, given)


def test_times_are_those_of_this_machine_once_they_are_known(tmp_path) -> None:
    times = LabTimes(tmp_path / "cache")
    assert times.of(INFO, "tiny") == (5.0, False)
    times.keep(INFO, "tiny", 12.34)
    assert times.of(INFO, "tiny") == (12.3, True)
    assert times.of(INFO, "other") == (5.0, False)
    (tmp_path / "cache" / "lab-times.json").write_text("[not json", encoding="utf-8")
    assert times.of(INFO, "tiny") == (5.0, False)
    nowhere = LabTimes(None)
    nowhere.keep(INFO, "tiny", 1.0)
    assert nowhere.of(INFO, "tiny") == (5.0, False)


def test_a_run_is_saved_as_numbers_a_page_and_traces(model, tmp_path) -> None:
    run = run_lab(open_lab(INFO, model, {"word": "</script><b>"}))
    write_run(run, tmp_path / "out")
    data = json.loads((tmp_path / "out" / "results.json").read_text(encoding="utf-8"))
    assert data["claims"][0]["holds"] is True
    assert data["params"] == {"count": 3, "word": "</script><b>"}
    page = (tmp_path / "out" / "page.html").read_text(encoding="utf-8")
    assert "</script><b>" not in page
    assert "An example" in page
    assert len(list(read_traces(tmp_path / "out" / "traces.jsonl"))) == 2
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(InvalidParams, match="cannot be written"):
        write_run(run, tmp_path / "file")


def test_a_prompt_of_ids_keeps_its_ids_and_shows_their_text(model) -> None:
    ids = model.tokenizer.encode("cab")
    (trace,) = RunningLab(model).generate(ids, ["greedy"], max_new_tokens=3)
    assert trace.prompt.ids == tuple(ids)
    assert (trace.prompt.text, trace.prompt.template) == ("cab", "none")
