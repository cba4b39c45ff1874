"""A trace file proves itself: whatever is changed in it is found, and nothing else is."""

from __future__ import annotations

import contextlib
import copy
import json
from dataclasses import replace

import pytest
from fakes import (
    LetterTokenizer,
    NumberTokenizer,
    ScriptedModel,
    hashed_script,
    spelling_script,
    tiny_llama,
)

from explorer.cli import main
from explorer.core.errors import ModelUnavailable, TraceFormatError
from explorer.core.models import HFModel
from explorer.core.trace_io import trace_to_json, write_traces
from explorer.core.types import Trace
from explorer.decoders import CATALOG
from explorer.services import loading
from explorer.services.generation import Run, RunOptions, generate
from explorer.services.scoring import score
from explorer.services.verify.files import verify_file, verify_traces
from explorer.services.verify.findings import Findings

TOKENIZER = LetterTokenizer()
VOCAB = TOKENIZER.vocab_size


@pytest.fixture(scope="module")
def model() -> ScriptedModel:
    return ScriptedModel(hashed_script(VOCAB))


@pytest.fixture(scope="module")
def traces(model) -> tuple[Trace, ...]:
    specs = ["top_k:k=4", "greedy", "mirostat", "beam:width=3"]
    return generate(model, "abc", specs, max_new_tokens=20, seed=4)


def one(trace: Trace, model) -> Findings:
    (found,) = verify_traces([trace], model)
    return found


def agrees(trace: Trace, model) -> Findings:
    found = one(trace, model)
    assert found.agrees, found.mismatch.sentence
    return found


@pytest.mark.parametrize("name", CATALOG)
def test_what_every_method_made_agrees(model, name) -> None:
    (trace,) = generate(model, "abc", [name], max_new_tokens=16, seed=5)
    found = agrees(trace, model)
    assert not found.not_checked
    assert any("choice" in what for what in found.checked)
    assert max(found.worst.values()) < 2e-6


CHAINS = [
    "temperature:temperature=0.1+nucleus:p=0.9",
    "temperature:temperature=2+min_p:p=0.2+mirostat:tau=2",
    "repetition_penalty:penalty=1.5+greedy",
    'classifier_free_guidance:scale=3,negative="5"+top_k:k=5',
    "xtc:probability=1,threshold=0.05+adaptive_p",
    "min_p:p=0.1+best_of_n:n=3",
    "latent_point:point=0.3 0.7",
]


@pytest.mark.parametrize("spec", CHAINS)
def test_chains_on_a_real_network_agree_alone_and_in_a_crowd(spec) -> None:
    """The network's laws move with the batch: what is let pass is measured and small."""
    net = HFModel.from_parts(tiny_llama(), NumberTokenizer())
    traces = generate(net, "5 6 7 8", [spec, "greedy", "ancestral"], max_new_tokens=40, seed=1)
    for found in verify_traces(traces, net):
        assert found.agrees, found.mismatch.sentence
        assert max(found.worst.values()) < 2e-4


def test_rows_that_end_early_share_a_forward_with_longer_ones(model) -> None:
    ending = ScriptedModel(hashed_script(VOCAB, end=5.0))
    specs = [*["ancestral"] * 5, "beam:width=4", "greedy", "top_k:k=3"]
    traces = generate(ending, "abc", specs, max_new_tokens=30, seed=2)
    assert len({len(t.steps) for t in traces}) > 2
    for found in verify_traces(traces, ending):
        assert found.agrees, found.mismatch.sentence


def test_every_way_to_stop_is_proven(model) -> None:
    looping = ScriptedModel(spelling_script("abcd ", TOKENIZER, 30.0))
    options = RunOptions(stop_on_loop=True)
    (trace,) = generate(looping, "abc", ["greedy"], max_new_tokens=90, options=options)
    assert str(trace.stop_reason) == "loop"
    agrees(trace, looping)
    (trace,) = generate(model, "abc", ["ancestral"], max_new_tokens=90)
    options = RunOptions(stop_strings=(trace.text[40], "xyz"))
    (trace,) = generate(model, "abc", ["ancestral"], max_new_tokens=90, options=options)
    assert str(trace.stop_reason) == "stop_string"
    agrees(trace, model)
    for spec in ("ancestral", "beam:width=3"):
        run = Run(model, "abc", [spec], RunOptions(max_new_tokens=50))
        for column in run.columns():
            if column.index == 6:
                run.cancel.set()
        found = agrees(run.traces()[0], model)
        assert len(run.traces()[0].steps) == 8
        assert spec != "ancestral" or "interrupted" in " ".join(found.notes)


def test_given_text_agrees_too(model) -> None:
    agrees(score(model, "cab abc", prompt="b"), model)
    agrees(score(model, [5, 6, 7, 8], prompt=[3]), model)


def test_coupled_lanes_and_second_ones_of_a_kind_agree(model) -> None:
    for coupled in (False, True):
        options = RunOptions(coupled=coupled, top=3, ignore_eos=True)
        traces = generate(model, "a", ["ancestral"] * 3, max_new_tokens=9, options=options)
        for found in verify_traces(traces, model):
            assert found.agrees


def test_older_files_agree_and_say_what_they_lack(model, traces) -> None:
    for trace in traces:
        old = replace(trace, terms=None, special=(), partial={})
        found = agrees(old, model)
        assert any("why it stopped" in what for what in found.not_checked)


# --- tampering: every change is found, and named


def set_at(path: str, value):
    """An edit of the JSON of a line; `value` may be a function of the old one."""

    def edit(data) -> None:
        *before, last = path.split(".")
        for part in before:
            data = data[int(part) if isinstance(data, list) else part]
        last = int(last) if isinstance(data, list) else last
        data[last] = value(data[last]) if callable(value) else value

    return edit


def drop_token(data, place: int = 5) -> None:
    for column in data["tokens"].values():
        del column[place]


def swap_tokens(data) -> None:
    """Another token with its own right figures: only the choice gives it away."""
    tokens = data["tokens"]
    other = tokens["top_ids"][-1][1]
    if other == tokens["id"][-1]:
        other = tokens["top_ids"][-1][0]
    place = tokens["top_ids"][-1].index(other)
    tokens["id"][-1], tokens["rank"][-1] = other, place
    tokens["piece"][-1] = data["pieces"][str(other)]
    tokens["surprisal"][-1] = -tokens["top_logprobs"][-1][place]
    tokens["sampling_surprisal"][-1] = -tokens["top_sampling_logprobs"][-1][place]
    data["text"] = data["text"][:-1] + data["pieces"][str(other)]


def reverse_top(data) -> None:
    for name in ("top_ids", "top_logprobs", "top_sampling_logprobs"):
        data["tokens"][name][3].reverse()


TAMPERINGS = [
    ("token", set_at("tokens.id.6", lambda t: t % 30 + 1), "tokens."),
    ("likely token", swap_tokens, "tokens.id"),
    ("dropped token", drop_token, "tokens."),
    ("dropped last token", lambda d: drop_token(d, -1), ""),
    ("shown piece", set_at("tokens.piece.3", "Z"), "tokens.piece"),
    ("piece", set_at("pieces.5", "Z"), "p"),
    ("text", set_at("text", lambda t: t + "!"), "text"),
    ("surprisal", set_at("tokens.surprisal.9", lambda x: x + 0.001), "tokens.surprisal"),
    ("entropy", set_at("tokens.entropy.9", lambda x: x - 0.001), "tokens.entropy"),
    ("varentropy", set_at("tokens.varentropy.9", lambda x: x + 0.01), "tokens.varentropy"),
    ("rank", set_at("tokens.rank.2", lambda r: r + 3), "tokens.rank"),
    ("rank by one", set_at("tokens.rank.2", lambda r: r + 1), "tokens.rank"),
    ("rank by one less", set_at("tokens.rank", lambda r: [max(0, x - 1) for x in r]),
     "tokens.rank"),
    ("sampling surprisal", set_at("tokens.sampling_surprisal.4", lambda x: x + 0.002),
     "tokens.sampling_surprisal"),
    ("sampling entropy", set_at("tokens.sampling_entropy.4", lambda x: x + 0.002),
     "tokens.sampling_entropy"),
    ("support", set_at("tokens.support_size.4", lambda n: n + 1), "tokens.support_size"),
    ("top id", set_at("tokens.top_ids.7.1", lambda t: t % 30 + 1), "tokens.top_"),
    ("order of top", reverse_top, "tokens.top_ids"),
    ("top logprob", set_at("tokens.top_logprobs.7.2", lambda x: x - 0.001), "top_logprobs"),
    ("top sampling", set_at("tokens.top_sampling_logprobs.7.0", lambda x: x - 0.01),
     "tokens.top_sampling_logprobs"),
    ("cut top", set_at("tokens.top_sampling_logprobs.7.0", None), "top_sampling_logprobs"),
    ("seed", set_at("seed", 5), "tokens.id"),
    ("noise key", set_at("noise.lane", "greedy"), "noise.lane"),
    ("number of the lane", set_at("noise.lane", lambda k: k + "#2"), "tokens.id"),
    ("coupling", set_at("noise.coupled", True), "noise.lane"),
    ("parameter", lambda d: (set_at("decoder", "top_k:k=3")(d), set_at("noise.lane",
     "top_k:k=3")(d)), "tokens."),
    ("method", lambda d: (set_at("decoder", "min_p:p=0.05")(d), set_at("noise.lane",
     "min_p:p=0.05")(d)), "tokens."),
    ("spelling of the spec", lambda d: (set_at("decoder", "top_k")(d), set_at("noise.lane",
     "top_k")(d)), "decoder"),
    ("unknown method", set_at("decoder", "magic"), "decoder"),
    ("model digest", set_at("model.digest", "sha256:" + "1" * 64), "model.digest"),
    ("tokenizer digest", set_at("tokenizer.digest", "sha256:0"), "tokenizer.digest"),
    ("width of the model", set_at("model.vocab_size", 99), "model.vocab_size"),
    ("prompt text", set_at("prompt.text", "abe"), "prompt.ids"),
    ("prompt ids", set_at("prompt.ids.0", 9), "prompt.ids"),
    ("template", set_at("prompt.template", "chat"), "prompt.ids"),
    ("template that is none", set_at("prompt.template", "rawx"), "prompt.template"),
    ("prompt without text", lambda d: (set_at("prompt.template", "none")(d),
     set_at("prompt.ids.2", 9)(d)), "tokens."),
    ("stop reason", set_at("stop_reason", "eos"), "stop_reason"),
    ("interruption", set_at("stop_reason", "cancelled"), "stop_reason"),
    ("terms", set_at("terms.max_new_tokens", 21), "stop_reason"),
    ("fewer allowed", set_at("terms.max_new_tokens", 12), "terms.max_new_tokens"),
    ("stop string", set_at("terms.stop_strings", lambda _: ["a", "e", "i", "t", "n"]), "tokens.id"),
    ("loops", set_at("loops", [{"onset": 1, "period": 2, "copies": 30}]), "loops"),
    ("given", set_at("given", 3), "tokens."),
    ("control mark", lambda d: d.update(special=[5]), "special"),
    ("bytes", lambda d: d.update(bytes={"5": "e4"}), "bytes"),
    ("ids past the model", set_at("tokens.id.6", 4000), "tokens.id"),
    ("no prompt", lambda d: (set_at("prompt.ids", [])(d), set_at("prompt.template", "none")(d)),
     "prompt.ids"),
    ("longer than the context", lambda d: (set_at("prompt.ids", [5] * 9000)(d),
     set_at("prompt.template", "none")(d)), "tokens.id"),
    ("windows that are none", lambda d: set_at("decoder", "score:window=5,stride=9")(d), "dec"),
    ("notes", lambda d: d["tokens"].update(notes=[{"mu_bits": 3.0}] * 20), "tokens.notes"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("edit", "field"), [t[1:] for t in TAMPERINGS], ids=[t[0] for t in TAMPERINGS]
)
def test_tampering_is_found_with_its_figures(tmp_path, model, traces, edit, field) -> None:
    data = json.loads(trace_to_json(traces[0]))
    before = copy.deepcopy(data)
    edit(data)
    assert data != before
    path = tmp_path / "tampered.jsonl"
    path.write_text(trace_to_json(traces[1]) + "\n" + json.dumps(data) + "\n")
    sound, tampered = verify_file(path, model)
    assert sound.agrees
    assert tampered.line == 2
    assert tampered.mismatch is not None
    assert tampered.mismatch.field.startswith(field) or field in tampered.mismatch.field
    assert tampered.mismatch.found != tampered.mismatch.expected
    json.dumps(tampered.as_data())


SEARCH_TAMPERINGS = [
    ("score of a row", set_at("hypotheses.1.score", lambda x: x + 0.1), "hypotheses.1.score"),
    ("order of rows", set_at("hypotheses", lambda rows: [rows[0], rows[2], rows[1]]), "hypotheses"),
    ("a row less", set_at("hypotheses", lambda rows: rows[:2]), "hypotheses"),
    ("text of a row", set_at("hypotheses.1.text", "?"), "hypotheses.1.text"),
    ("a row that ended", set_at("hypotheses.1.finished", lambda x: not x), "finished"),
    ("figure of a row", set_at("hypotheses.2.tokens.surprisal.3", lambda x: x + 0.01),
     "hypotheses.2.tokens.surprisal"),
    ("score of a token", set_at("tokens.scores.4", lambda x: x + 0.1), "tokens.scores"),
    ("support of a search", set_at("tokens.support_size.4", lambda n: n + 1), "support_size"),
    ("sampling law of a search", set_at("tokens.top_sampling_logprobs.4.0", lambda x: x + 0.01),
     "tokens.top_sampling_logprobs"),
    ("sampling law of a row", set_at("hypotheses.2.tokens.top_sampling_logprobs.3.0",
     lambda x: -0.5 if x is None else None),
     "hypotheses.2.tokens.top_sampling_logprobs"),
    ("parent", set_at("tokens.parent_rows.4", lambda x: x + 1), "tokens.parent_rows"),
    ("width", lambda d: (set_at("decoder", "beam:width=2,length_penalty=1")(d), set_at(
        "noise.lane", "beam:width=2,length_penalty=1")(d)), ""),
    ("more allowed than fits", set_at("terms.max_new_tokens", 9000), "terms.max_new_tokens"),
    ("ids past the model", set_at("hypotheses.2.tokens.id.3", 4000), "tokens.id"),
    ("another row shown", lambda d: d.update(tokens=d["hypotheses"][1]["tokens"],
     text=d["hypotheses"][1]["text"]), "tokens"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("edit", "field"), [t[1:] for t in SEARCH_TAMPERINGS], ids=[t[0] for t in SEARCH_TAMPERINGS]
)
def test_tampering_with_a_search_is_found(tmp_path, model, traces, edit, field) -> None:
    data = json.loads(trace_to_json(traces[3]))
    edit(data)
    path = tmp_path / "tampered.jsonl"
    path.write_text(json.dumps(data) + "\n")
    (found,) = verify_file(path, model)
    assert found.mismatch is not None
    assert field in found.mismatch.field


def test_what_steers_is_known_well_at_the_first_token(tmp_path, model) -> None:
    (trace,) = generate(model, "abc", ["mirostat"], max_new_tokens=8, seed=4)
    data = json.loads(trace_to_json(trace))
    data["tokens"]["notes"][0]["mu_bits"] += 0.01
    path = tmp_path / "steered.jsonl"
    path.write_text(json.dumps(data) + "\n")
    (found,) = verify_file(path, model)
    assert found.mismatch is not None
    assert found.mismatch.field == "tokens.notes.mu_bits"


UNPROVABLE = {
    "lane", "model.id", "model.revision", "model.dtype", "model.device", "model.licence",
    "model.source", "model.parameters", "model.kv_bytes_per_token", "batch_rows", "versions",
    "timing",
}  # fmt: skip
"""What no model can say of a text: docs/verify.md lists it."""
HARMLESS = {"terms", "seed"}
"""What may change and prove the same: a bound that was not met, the seed of who draws nothing."""


def leaves(data, path=()):
    if isinstance(data, dict | list):
        items = data.items() if isinstance(data, dict) else enumerate(data)
        for key, value in items:
            yield from leaves(value, (*path, key))
    else:
        yield path, data


def changed(value):
    if isinstance(value, bool):
        return not value
    if value is None:
        return -1.0
    return value + {int: 1, float: 0.01, str: "x"}[type(value)]


@pytest.mark.parametrize("spec", ["top_k:k=5", "beam:width=2"])
def test_every_value_of_a_file_that_can_be_proven_is(tmp_path, model, spec) -> None:
    """Each number and text of a trace is changed, one after another."""
    options = RunOptions(max_new_tokens=5, seed=4, top=4)
    (trace,) = generate(model, "abc", [spec], 5, 4, options)
    whole = json.loads(trace_to_json(trace))
    path, passed, tried = tmp_path / "one.jsonl", [], 0
    for place, value in leaves(whole):
        data = copy.deepcopy(whole)
        holder = data
        for key in place[:-1]:
            holder = holder[key]
        holder[place[-1]] = changed(value)
        path.write_text(json.dumps(data) + "\n")
        tried += 1
        with contextlib.suppress(TraceFormatError):
            (found,) = verify_file(path, model)
            if found.agrees:
                passed.append(".".join(map(str, place)))
    assert tried > 150
    left = [p for p in passed if p not in UNPROVABLE and p.split(".")[0] not in UNPROVABLE]
    assert [p for p in left if p.split(".")[0] not in HARMLESS] == []
    assert ("seed" in left) == (spec != "top_k:k=5")


def test_the_wrong_model_is_found(traces) -> None:
    other = ScriptedModel(hashed_script(VOCAB, end=1.0))  # the same name, width and digest
    for found in verify_traces(traces, other):
        assert found.mismatch is not None
        assert found.mismatch.index is not None


# --- the command


@pytest.fixture
def command(monkeypatch, tmp_path, model):
    def load_model(name, **arguments):
        if name != "scripted":
            raise ModelUnavailable(f"There is no '{name}'.", "Choose another.")
        return model

    monkeypatch.setattr(loading, "load_model", load_model)
    monkeypatch.setenv("EXPLORER_CACHE", str(tmp_path / "cache"))
    return lambda *more: main(["verify", *map(str, more)])


def test_the_command_says_that_all_agrees(command, tmp_path, traces, capsys) -> None:
    path = tmp_path / "run.jsonl"
    write_traces(path, traces)
    assert command(path) == 0
    out = capsys.readouterr().out
    assert out.count("agrees; 20 tokens, largest difference") == 4
    assert out.splitlines()[-1] == "4 traces: all that was checked agrees"
    assert command(path, "--json") == 0
    data = json.loads(capsys.readouterr().out)
    assert data["agrees"]
    assert [t["line"] for t in data["traces"]] == [1, 2, 3, 4]


def test_the_command_prints_the_first_mismatch_and_exits_with_1(
    command, tmp_path, traces, capsys
) -> None:
    data = json.loads(trace_to_json(traces[0]))
    data["tokens"]["surprisal"][3] += 0.25
    path = tmp_path / "run.jsonl"
    path.write_text(json.dumps(data))
    assert command(path) == 1
    out = capsys.readouterr().out
    shown, right = data["tokens"]["surprisal"][3], data["tokens"]["surprisal"][3] - 0.25
    assert f"tokens.surprisal is {shown:.6f}, and should be {right:.6f}" in out
    assert "token 3" in out
    assert "(they may differ by 0.0005)" in out
    assert command(path, "--tolerance", "10000") == 0
    assert command(path, "--json") == 1


def test_the_command_refuses_what_it_cannot_read(command, tmp_path, traces, capsys) -> None:
    assert command(tmp_path / "none.jsonl") == 2
    assert "There is no trace file" in capsys.readouterr().err
    path = tmp_path / "cut.jsonl"
    line = trace_to_json(traces[0])
    path.write_text(line + "\n" + line[:90])
    assert command(path) == 2
    printed = capsys.readouterr()
    assert "line 1" in printed.out
    assert "cut.jsonl, line 2 is not whole JSON" in printed.err
    assert command(path, "--json") == 2
    assert "line 2" in json.loads(capsys.readouterr().out)["error"]
    path.write_text(line.replace('"id":"scripted"', '"id":"absent"'))
    assert command(path) == 2
    assert "There is no 'absent'." in capsys.readouterr().err
    assert command(path, "--model", "scripted") == 0
    assert command(path, "--tolerance", "0") == 2


# --- choices that hang on rounding


def tilted(tilt: float, vocab: int = 8_000) -> ScriptedModel:
    """A wide, nearly flat law, leaning by `tilt` nats from its first token to its last."""
    lean = [tilt * i / vocab for i in range(vocab)]
    base = [((i * 7919) % 101) / 50 for i in range(vocab)]
    law = [-9.0, *(a + b for a, b in zip(base, lean, strict=True))][:vocab]
    return ScriptedModel(lambda history: law, NumberTokenizer(vocab))


@pytest.mark.parametrize("spec", ["ancestral", "min_p:p=0.3", "its_watermark", "exp_watermark"])
def test_a_choice_on_the_edge_of_a_narrow_interval_passes_and_is_counted(spec) -> None:
    """Tokens of a ten-thousandth: rounding shifts the cumulative law by a good part of one."""
    traces = generate(tilted(0.0), "5", [spec] * 2, max_new_tokens=40, seed=1)
    borderline = 0
    for found in verify_traces(traces, tilted(2e-4)):
        assert found.agrees, found.mismatch.sentence
        borderline += found.borderline
    if spec in ("ancestral", "min_p:p=0.3"):
        assert 1 <= borderline < 40
    for found in verify_traces(traces, tilted(0.01)):
        assert found.mismatch is not None
