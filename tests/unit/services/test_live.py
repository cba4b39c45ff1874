from __future__ import annotations

import json
import math
import threading
import time
from dataclasses import replace
from itertools import pairwise

import pytest
from fakes import LetterTokenizer, ScriptedModel, hashed_script

from explorer.core.errors import InvalidParams, ModelUnavailable, NotCapable, UnknownName
from explorer.core.trace_io import read_traces
from explorer.services import live
from explorer.services.compare import CompareRequest, Services
from explorer.services.generation import Run, RunOptions
from explorer.services.live import LiveRun
from explorer.services.model_pool import ModelPool
from explorer.services.settings import Settings

VOCAB = LetterTokenizer().vocab_size


def services_with(model: ScriptedModel, **settings) -> Services:
    pool = ModelPool(load=_no_such_model, names=["scripted"])
    pool.add("scripted", model)
    return Services(Settings(model="scripted", **settings), pool)


def _no_such_model(name, progress):
    raise ModelUnavailable(f"There is no {name}.", "Choose another.")


def request(*specs: str, **fields) -> CompareRequest:
    given = {"model": "scripted", "prompt": "abc", "template": "raw", "seed": 3}
    return CompareRequest(specs=specs or ("greedy", "ancestral"), **(given | fields))


def lines(ndjson: str) -> list[dict]:
    return [json.loads(line) for line in ndjson.splitlines()]


def test_frames_grow_and_the_last_one_holds_everything() -> None:
    services = services_with(ScriptedModel(hashed_script(VOCAB, end=-9), delay_s=0.005))
    frames = list(services.run("tab", request(max_new_tokens=60)))
    assert len(frames) > 2
    for before, after in pairwise(frames):
        assert after.ndjson.startswith(before.ndjson)
    sent = lines(frames[-1].ndjson)
    assert sent[0]["schema"] == "explorer.wire/1"
    assert sent[0]["seed"] == "3"
    assert [x["spec"] for x in sent[0]["lanes"]] == ["greedy", "ancestral"]
    for lane in (0, 1):
        tokens = [x for x in sent if x.get("l") == lane and "t" in x]
        assert [x["i"] for x in tokens] == list(range(60))
        assert [x["end"] for x in sent if x.get("l") == lane and "end" in x] == ["max_new_tokens"]
        metrics = [x["metrics"] for x in sent if x.get("l") == lane and "metrics" in x][-1]
        assert metrics["tokens"] == 60
        assert metrics["perplexity"] == pytest.approx(math.exp(metrics["mean_surprisal"]))
    assert sent[-1]["done"] is True
    assert frames[-1].series is not None
    assert len(frames[-1].series[0].entropy) == 60


def test_frames_come_at_most_ten_times_a_second() -> None:
    services = services_with(ScriptedModel(hashed_script(VOCAB, end=-9), delay_s=0.002))
    started = time.monotonic()
    count = len(list(services.run("tab", request(max_new_tokens=300))))
    assert count <= (time.monotonic() - started) * 10 + 3


def test_a_beam_tells_the_page_to_forget_what_it_no_longer_means(monkeypatch) -> None:
    # Slower than the page looks, so that it sees every change of mind.
    monkeypatch.setattr(live, "FRAME_S", 0.002)
    services = services_with(ScriptedModel(hashed_script(VOCAB, end=-9), delay_s=0.02))
    *_, last = services.run("tab", request("beam:width=4", max_new_tokens=40))
    shown: list[int] = []
    for entry in lines(last.ndjson):
        if "cut" in entry:
            shown = shown[: entry["cut"]]
        elif "t" in entry:
            assert entry["i"] == len(shown)
            shown.append(entry["t"])
    (trace,) = read_traces(services.export("tab", "jsonl"))
    assert shown == list(trace.token_ids)
    assert any("cut" in entry for entry in lines(last.ndjson))
    # What is saved holds each token once.
    page = services.export("tab", "html").read_text()
    assert page.count('"cut":') == 0


def test_stop_keeps_the_text_and_says_cancelled() -> None:
    services = services_with(ScriptedModel(hashed_script(VOCAB, end=-9), delay_s=0.01))
    threading.Timer(0.3, lambda: services.stop("tab")).start()
    *_, last = services.run("tab", request(max_new_tokens=2000))
    sent = lines(last.ndjson)
    assert [x["end"] for x in sent if "end" in x] == ["cancelled", "cancelled"]
    assert sum("t" in x for x in sent) > 10
    assert sent[-1]["done"] is True


def test_a_tab_closed_mid_run_stops_the_model_and_keeps_nothing_alive() -> None:
    model = ScriptedModel(hashed_script(VOCAB, end=-9), delay_s=0.005)
    services = services_with(model)
    frames = services.run("tab", request(max_new_tokens=2000))
    for _ in range(3):
        next(frames)
    frames.close()
    before = model.forwards
    time.sleep(0.1)
    assert model.forwards == before
    assert not [t for t in threading.enumerate() if t.name == "explorer-run"]
    assert services.export("tab", "jsonl").exists()
    services.forget("tab")
    with pytest.raises(NotCapable, match="nothing to save"):
        services.export("tab", "jsonl")


def test_two_users_at_once_get_their_own_texts() -> None:
    model = ScriptedModel(hashed_script(VOCAB, end=-9), delay_s=0.002)
    services = services_with(model)
    results: dict[str, str] = {}

    def use(tab: str, seed: int) -> None:
        *_, last = services.run(tab, request("ancestral", seed=seed, max_new_tokens=60))
        results[tab] = "".join(x["x"] for x in lines(last.ndjson) if "t" in x)

    threads = [threading.Thread(target=use, args=(f"tab{i}", i)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(results.values())) == 4
    *_, alone = services.run("tab9", request("ancestral", seed=2, max_new_tokens=60))
    assert results["tab2"] == "".join(x["x"] for x in lines(alone.ndjson) if "t" in x)


def test_a_second_run_in_a_tab_ends_the_first() -> None:
    services = services_with(ScriptedModel(hashed_script(VOCAB, end=-9), delay_s=0.005))
    first = services.run("tab", request(max_new_tokens=2000))
    next(first)
    *_, second = services.run("tab", request(max_new_tokens=5))
    *_, last = first
    assert "cancelled" in last.ndjson
    exported = list(read_traces(services.export("tab", "jsonl")))
    assert [len(t.steps) for t in exported] == [5, 5]
    assert lines(second.ndjson)[-1]["done"]


def test_nan_mid_run_becomes_a_message_and_keeps_the_tokens() -> None:
    broken = ScriptedModel(lambda h: [-9.0, math.nan if len(h) > 8 else 1.0, *[0.0] * 30])
    services = services_with(broken)
    *_, last = services.run("tab", request("greedy"))
    sent = lines(last.ndjson)
    (error,) = [x["error"] for x in sent if "error" in x]
    assert "NaN" in error["message"]
    assert sum("t" in x for x in sent) == 6
    (trace,) = read_traces(services.export("tab", "jsonl"))
    assert len(trace.steps) == 6


def test_an_unexpected_failure_is_told_without_its_insides(caplog) -> None:
    def script(history):
        if len(history) > 6:
            raise RuntimeError("secret path")
        return [0.0, 1.0]

    services = services_with(ScriptedModel(script))
    *_, last = services.run("tab", CompareRequest("scripted", "", "raw", ("greedy",)))
    (error,) = [x["error"] for x in lines(last.ndjson) if "error" in x]
    assert "incident" in error["message"]
    assert "secret" not in last.ndjson
    assert "secret path" in caplog.text


@pytest.mark.parametrize(
    ("bad", "kind", "message"),
    [
        ({"max_new_tokens": 0}, InvalidParams, "Ask for 1 to 2,048"),
        ({"max_new_tokens": 9999}, InvalidParams, "9999 new tokens"),
        ({"top": 0}, InvalidParams, "alternatives"),
        ({"specs": ()}, InvalidParams, "0 decoding methods"),
        ({"specs": ("nuclues",)}, UnknownName, "Did you mean 'nucleus'"),
        ({"prompt": "a" * 300_000}, InvalidParams, "300,000 characters"),
        ({"prompt": "a" * 9000}, NotCapable, "reads 8,192"),
        ({"stop_strings": ("x",) * 99}, InvalidParams, "99 stop strings"),
        ({"model": "absent"}, ModelUnavailable, "There is no absent"),
    ],
)
def test_a_bad_request_is_refused_and_the_last_result_stays(bad, kind, message) -> None:
    services = services_with(ScriptedModel(hashed_script(VOCAB)))
    list(services.run("tab", request(max_new_tokens=4)))
    wrong = replace(request(), **bad)
    with pytest.raises(kind, match=message):
        list(services.run("tab", wrong))
    assert len(list(read_traces(services.export("tab", "jsonl")))) == 2


def test_a_model_that_made_room_while_it_was_waited_for_is_loaded_again() -> None:
    model = ScriptedModel(hashed_script(VOCAB))
    pool = ModelPool(limit=1, load=lambda name, progress: model, names=["a", "b"])
    services = Services(Settings(model="a"), pool)
    loads: list[str] = []
    begin = pool.start_loading

    def start_loading(name: str) -> None:
        loads.append(name)
        if len(loads) > 1:  # the first load is lost to another model
            begin(name)

    pool.start_loading = start_loading
    *_, last = services.run("tab", request(model="a", max_new_tokens=3))
    assert loads == ["a", "a"]
    assert lines(last.ndjson)[-1]["done"]


def test_exports_of_all_kinds(tmp_path) -> None:
    services = services_with(ScriptedModel(hashed_script(VOCAB)))
    with pytest.raises(NotCapable, match="nothing to save yet"):
        services.export("tab", "csv")
    list(services.run("tab", request(max_new_tokens=7)))
    table = services.export("tab", "csv").read_text()
    assert table.splitlines()[0].startswith(
        "trace,decoder,seed,index,token_id,piece,surprisal_nats"
    )
    assert len(table.splitlines()) == 15
    page = services.export("tab", "html").read_text()
    assert "explorer.wire/1" in page
    with pytest.raises(InvalidParams, match="no export format"):
        services.export("tab", "exe")


def test_the_prompt_report_warns_before_anything_runs() -> None:
    services = services_with(ScriptedModel(hashed_script(VOCAB), context_length=100))
    report = services.inspect_prompt("scripted", "ab ", "raw", 50)
    assert report.tokens == 3
    assert report.bos == "no"
    assert "ends with a space" in report.warnings[0]
    (warning,) = services.inspect_prompt("scripted", "a" * 90, "raw", 50).warnings
    assert "exceed the 100" in warning
    empty = services.inspect_prompt("scripted", "", "raw", 5)
    assert (empty.tokens, empty.bos) == (1, "yes")
    chat = services.inspect_prompt("scripted", "hi", "chat", 5)
    assert chat.template_text == "user: hi\nyou: "
    assert services.inspect_prompt("not loaded", "hi", "raw", 5).tokens is None


def test_the_endpoints_speak_the_trace_schema() -> None:
    services = services_with(ScriptedModel(hashed_script(VOCAB)))
    *_, traces = services.compare_traces("abc", ["greedy", "top_k"], "", 6, 1)
    assert [t["decoder"] for t in traces] == ["greedy", "top_k:k=50"]
    assert services.score_trace("abc", "")["decoder"] == "score"
    with pytest.raises(InvalidParams, match="300,000 characters"):
        services.score_trace("a" * 300_000, "")


def test_a_slow_reader_does_not_slow_the_model() -> None:
    model = ScriptedModel(hashed_script(VOCAB, end=-9), delay_s=0.001)
    services = services_with(model)
    frames = services.run("tab", request(max_new_tokens=50))
    next(frames)
    time.sleep(0.5)
    assert model.forwards == 49
    list(frames)


def test_a_frame_of_a_long_run_is_cheap() -> None:
    """Late frames of eight lanes x 512 tokens cost little more than early ones.

    A ratio within one run: nothing on the way to the page may grow with what is shown already.
    """
    model = ScriptedModel(hashed_script(VOCAB, end=-9))
    run = Run(model, "abc", ["ancestral"] * 8, RunOptions(512, top=10))
    page = LiveRun(run)
    costs = []
    for _ in run.columns():
        started = time.process_time()
        page._push(page._wire.news(metrics=False))
        page._frame(plot=False)
        costs.append(time.process_time() - started)
    assert len(page.text) > 1_000_000
    early, late = sorted(costs[100:200])[50], sorted(costs[-100:])[50]
    assert late / early < 5


def test_a_long_prompt_tells_how_much_of_it_was_read() -> None:
    services = services_with(ScriptedModel(hashed_script(VOCAB)))
    *_, last = services.run("tab", request(prompt="abcdefgh" * 60, max_new_tokens=3))
    sent = lines(last.ndjson)
    shares = [x["progress"]["fraction"] for x in sent if "progress" in x]
    assert len(shares) > 3
    assert shares == sorted(set(shares))
    assert 0 < shares[0] < shares[-1] < 1
    assert {x["progress"]["what"] for x in sent if "progress" in x} == {"Reading the prompt"}
    first_token = next(i for i, x in enumerate(sent) if "t" in x)
    assert not any("progress" in x for x in sent[first_token:])


def undecided(history) -> list[float]:
    """Two texts, of a's and of b's, take turns at being the likelier: a search never settles."""
    logits = [-9.0] + [0.0] * (VOCAB - 1)
    if len(history) == 1:
        logits[2] = logits[3] = 8.0
    else:
        mine = history[-1]
        logits[mine] = 6.0 if (len(history) % 2) == (mine % 2) else 4.0
    return logits


def test_searches_that_never_settle_do_not_flood_the_page(monkeypatch) -> None:
    # The page would take every column, so that the bound on bytes alone holds the search back.
    monkeypatch.setattr(live, "FRAME_S", 0.004)
    model = ScriptedModel(undecided, delay_s=0.004)
    run = Run(model, "a", ["beam:width=2"] * 4, RunOptions(120, ignore_eos=True))
    page = LiveRun(run)
    started = time.monotonic()
    *_, last = page.frames()
    elapsed = time.monotonic() - started
    assert last.ndjson.count('"cut"') > 0
    whole = len(page.result().ndjson)
    assert len(last.ndjson) < elapsed * live.WIRE_BYTES_A_SECOND + 3 * whole
