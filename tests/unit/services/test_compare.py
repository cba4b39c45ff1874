"""What may go wrong around a run: saving midway, bad requests, models and places to wait for."""

from __future__ import annotations

import gc
import json
import threading
import time
import weakref
from dataclasses import replace

import pytest
from fakes import LetterTokenizer, ScriptedModel, hashed_script
from model_folders import write_model

from explorer.core.errors import InvalidParams, ModelUnavailable, NotCapable, UnknownName
from explorer.core.models import load_local
from explorer.core.trace_io import read_traces
from explorer.services import compare
from explorer.services.compare import CompareRequest, Services
from explorer.services.model_pool import ModelPool
from explorer.services.settings import Settings

VOCAB = LetterTokenizer().vocab_size


def slow_model(delay_s: float = 0.003) -> ScriptedModel:
    return ScriptedModel(hashed_script(VOCAB, end=-9), delay_s=delay_s)


def services_with(model: ScriptedModel, **settings) -> Services:
    pool = ModelPool(load=_no_such_model, names=["scripted"])
    pool.add("scripted", model)
    return Services(Settings(model="scripted", **settings), pool)


def _no_such_model(name, progress):
    raise ModelUnavailable(f"There is no {name}.", "Choose another.")


def request(*specs: str, **fields) -> CompareRequest:
    given = {"model": "scripted", "prompt": "abc", "template": "raw", "seed": 3}
    return CompareRequest(specs=specs or ("greedy", "ancestral"), **(given | fields))


def run_until_tokens(frames, many: int = 4) -> str:
    for frame in frames:
        if frame.ndjson.count('"t":') >= many:
            return frame.ndjson
    raise AssertionError("the run ended first")


def embedded(page: str) -> list[dict]:
    block = page.split('<script type="application/x-ndjson">', 1)[1].split("</script>", 1)[0]
    return [json.loads(line) for line in block.splitlines() if line]


def test_a_run_under_way_is_saved_whole_and_goes_on() -> None:
    services = services_with(slow_model())
    frames = services.run("tab", request("greedy", "beam:width=3", max_new_tokens=120))
    run_until_tokens(frames, 20)
    lines = embedded(services.export("tab", "html").read_text())
    assert lines[0]["schema"] == "explorer.wire/1"
    for lane in (0, 1):
        indices = [x["i"] for x in lines if x.get("l") == lane and "t" in x]
        assert indices == list(range(len(indices)))
        assert indices
    assert {x["end"] for x in lines if "end" in x} == {"cancelled"}
    assert lines[-1]["done"] is True
    traces = list(read_traces(services.export("tab", "jsonl")))
    assert all(trace.steps for trace in traces)
    *_, last = frames
    ends = [json.loads(x)["end"] for x in last.ndjson.splitlines() if '"end"' in x]
    assert ends == ["max_new_tokens", "max_new_tokens"], "saving ended the run"


def test_nothing_can_be_saved_before_the_first_token() -> None:
    class Slow(ScriptedModel):
        def law(self, history):
            time.sleep(0.4)
            return super().law(history)

    services = services_with(Slow(hashed_script(VOCAB)))
    frames = services.run("tab", request("greedy", max_new_tokens=2))
    next(frames)
    with pytest.raises(NotCapable, match="nothing to save yet"):
        services.export("tab", "html")
    frames.close()


def test_a_run_that_was_superseded_leaves_the_newer_one_to_be_saved() -> None:
    services = services_with(slow_model())
    first = services.run("tab", request(max_new_tokens=2000))
    run_until_tokens(first)
    second = services.run("tab", request(prompt="the", max_new_tokens=2000))
    run_until_tokens(second)
    list(first)
    lines = embedded(services.export("tab", "html").read_text())
    assert lines[0]["prompt"]["text"] == "the"
    assert sum("t" in x for x in lines) > 3
    second.close()
    assert embedded(services.export("tab", "html").read_text())[0]["prompt"]["text"] == "the"


@pytest.mark.parametrize(
    ("bad", "kind"),
    [
        ({"specs": ("nuclues",)}, UnknownName),
        ({"prompt": "a" * 9000}, NotCapable),
        ({"max_new_tokens": 0}, InvalidParams),
        ({"model": "absent"}, ModelUnavailable),
    ],
)
def test_a_bad_request_does_not_end_a_good_run(bad, kind) -> None:
    services = services_with(slow_model())
    good = services.run("tab", request(max_new_tokens=60))
    run_until_tokens(good)
    with pytest.raises(kind):
        list(services.run("tab", replace(request(), **bad)))
    *_, last = good
    ends = [json.loads(x)["end"] for x in last.ndjson.splitlines() if '"end"' in x]
    assert ends == ["max_new_tokens", "max_new_tokens"]


@pytest.mark.parametrize("seconds", [0.0, -3.0, 1e9, float("nan"), float("inf")])
def test_a_time_limit_out_of_range_is_refused_in_words(seconds: float) -> None:
    services = services_with(slow_model())
    with pytest.raises(InvalidParams, match=r"time limit.*Give 1 to 600 seconds"):
        list(services.run("tab", request(deadline_s=seconds)))


def test_a_finished_run_holds_no_model() -> None:
    model = slow_model(0)
    services = services_with(model)
    list(services.run("tab", request("beam:width=3", max_new_tokens=5)))
    gone = weakref.ref(model)
    services.pool._slots.clear()
    del model
    gc.collect()
    assert gone() is None
    assert len(list(read_traces(services.export("tab", "jsonl")))) == 1


def test_stop_while_a_model_loads_ends_with_a_frame_that_says_nothing() -> None:
    started, release = threading.Event(), threading.Event()

    def load(name, progress):
        started.set()
        release.wait(10)
        return slow_model()

    services = Services(Settings(model="a"), ModelPool(load=load, names=["a"]))
    frames = services.run("tab", request(model="a"))
    assert "Loading a" in next(frames).state
    services.stop("tab")
    *_, last = frames
    release.set()
    assert (last.ndjson, last.series, last.state) == ("", None, "")


def test_runs_that_wait_for_a_model_take_no_place_from_others(monkeypatch) -> None:
    monkeypatch.setattr(compare, "RUN_SLOTS", 1)
    release = threading.Event()

    def load(name, progress):
        release.wait(10)
        return slow_model()

    pool = ModelPool(load=load, names=["a"])
    pool.add("scripted", slow_model())
    services = Services(Settings(model="scripted"), pool)
    waiting = services.run("one", request(model="a"))
    next(waiting)
    running = services.run("two", request(max_new_tokens=2000))
    run_until_tokens(running)
    third = services.run("three", request(max_new_tokens=5))
    assert "Waiting for a place" in next(third).state
    running.close()
    *_, last = third
    assert '"done":true' in last.ndjson
    waiting.close()
    release.set()


def test_saved_files_go_with_their_tab() -> None:
    services = services_with(slow_model(0))
    list(services.run("tab", request(max_new_tokens=3)))
    first, second = services.export("tab", "csv"), services.export("tab", "jsonl")
    assert first.parent == second.parent
    services.forget("tab")
    assert not first.parent.exists()


def test_a_huge_prompt_is_not_tokenised_to_be_counted() -> None:
    services = services_with(slow_model(0))
    report = services.inspect_prompt("scripted", "a" * 300_000, "raw", 50)
    assert report.tokens is None
    assert "300,000 characters" in report.warnings[0]


def test_the_compare_endpoint_tells_counts_and_sends_traces_once(monkeypatch) -> None:
    monkeypatch.setattr(compare, "API_UPDATE_S", 0.05)
    services = services_with(slow_model())
    *progress, traces = services.compare_traces("abc", ["greedy", "top_k"], "", 100, 1)
    assert len(progress) > 2
    assert max(len(json.dumps(told)) for told in progress) < 200
    assert progress[-1][0]["decoder"] == "greedy"
    assert 0 < progress[-1][0]["tokens_so_far"] <= 100
    assert [len(trace["tokens"]["id"]) for trace in traces] == [100, 100]


def public(**settings) -> Services:
    return services_with(slow_model(0), host="0.0.0.0", **settings)


@pytest.mark.parametrize("name", ["/etc", "~/models/secret.gguf", "org/any"])
def test_a_visitor_of_a_public_page_cannot_name_a_path(name: str) -> None:
    services = public()
    with pytest.raises(ModelUnavailable, match="not offered here"):
        services.start_loading(name)
    with pytest.raises(ModelUnavailable, match=r"Choose one of: scripted"):
        next(services.run("tab", request(model=name)))
    with pytest.raises(ModelUnavailable, match="not offered here"):
        next(services.compare_traces("abc", ["greedy"], name, 5, 1))
    with pytest.raises(ModelUnavailable, match="not offered here"):
        services.score_trace("abc", name)
    amateur = f'contrastive_decoding:amateur="{name}"'
    with pytest.raises(ModelUnavailable, match="not offered here"):
        next(services.run("tab", replace(request(), specs=("greedy", amateur))))
    with pytest.raises(ModelUnavailable, match="not offered here"):
        next(services.compare_traces("abc", [amateur], "", 5, 1))
    assert services.model_status(name).state == "absent", "it began to load"
    assert name not in services.models.names()
    assert list(services.run("tab", request(max_new_tokens=2)))


def test_a_second_model_comes_from_the_pool() -> None:
    services = services_with(slow_model(0))
    other = ScriptedModel(hashed_script(LetterTokenizer().vocab_size, end=1.0), name="other")
    services.pool.add("other", other)
    spec = 'contrastive_decoding:amateur="other"'
    assert list(services.run("tab", replace(request(max_new_tokens=4), specs=(spec,))))
    assert other.forwards > 0
    *_, traces = services.compare_traces("abc", [spec], "", 4, 1)
    assert len(traces[0]["tokens"]["id"]) <= 4


def test_the_owner_lists_what_a_public_page_loads() -> None:
    services = public(models=("other", "org/any"))
    assert services.models.names() == ["scripted", "other", "org/any"]
    services.start_loading("org/any")
    with pytest.raises(ModelUnavailable):
        services.start_loading("smollm2-135m")
    assert public(models=("*",)).models.are_any
    assert services_with(slow_model(0)).models.are_any


def test_a_speed_means_the_same_in_trace_and_page_and_a_scored_text_has_none() -> None:
    services = services_with(slow_model())
    *_, last = services.run("tab", request("greedy", max_new_tokens=40))
    (trace,) = read_traces(services.export("tab", "jsonl"))
    shown = [json.loads(x) for x in last.ndjson.splitlines() if '"metrics"' in x][-1]["metrics"]
    assert shown["tokens_per_s"] == round(trace.timing["tokens_per_s"], 1)
    assert trace.timing["tokens_per_s"] == pytest.approx(39 / trace.timing["decode_s"], rel=1e-3)
    assert set(services.score_trace("abc", "")["timing"]) == {"score_s"}


@pytest.mark.parametrize("template", ["raw", "chat"])
def test_an_empty_prompt_is_warned_of_with_a_tokenizer_that_begins_by_itself(
    tmp_path, template
) -> None:
    """A tokenizer of transformers gives BOS for an empty text: the ids alone do not tell."""
    model = load_local(write_model(tmp_path / "toy"), id="scripted")
    assert model.tokenizer.encode("") == [model.tokenizer.bos_id]
    services = services_with(model)
    empty = services.inspect_prompt("scripted", "", template, 5)
    told = [x for x in empty.warnings if "The prompt is empty: the model starts from" in x]
    assert len(told) == (1 if template == "raw" else 0)
    if template == "raw":
        assert (empty.tokens, empty.bos) == (1, "yes")
    filled = services.inspect_prompt("scripted", "abc", template, 5)
    assert not [x for x in filled.warnings if "is empty" in x]


def test_stage_by_stage_of_a_live_and_of_a_finished_run() -> None:
    services = services_with(slow_model())
    frames = services.run("tab", request("top_k:k=4+min_p:p=0.1", max_new_tokens=60))
    text = run_until_tokens(frames)
    token = next(json.loads(x) for x in text.splitlines() if '"i":1,' in x)
    live = services.token_stages("tab", 0, 1, token["t"])
    assert live["exact"]
    list(frames)
    assert services.token_stages("tab", 0, 1, token["t"]) == live
    swapped = services.token_stages("tab", 0, 1, token["t"], (1, 0))
    assert swapped["spec"] == "min_p:p=0.1+top_k:k=4"
    services.pool._slots.clear()
    assert services.token_stages("tab", 0, 1, token["t"])["exact"] is False


@pytest.mark.parametrize(
    ("lane", "index", "wrong"), [(9, 0, 0), (0, 900, 0), (-1, 0, 0), (0, 0, 1)]
)
def test_stage_by_stage_of_a_token_that_is_not_there_is_refused(lane, index, wrong) -> None:
    services = services_with(slow_model(0))
    with pytest.raises(NotCapable, match="not kept any more"):
        services.token_stages("tab", 0, 0, 1)
    *_, last = services.run("tab", request("top_k:k=4", max_new_tokens=3))
    first = next(json.loads(x) for x in last.ndjson.splitlines() if '"i":0,' in x)
    with pytest.raises(NotCapable, match="not kept any more"):
        services.token_stages("tab", lane, index, first["t"] + wrong)
