"""`escape`: the board in a terminal, its JSON, its traces, and one readable line where it fails."""

from __future__ import annotations

import json
import math

import pytest
from loop_model import WANDERS, bias, looping_model, looping_trace

from explorer.cli import escape, main
from explorer.core.trace_io import read_traces, write_traces


@pytest.fixture
def model(monkeypatch):
    model = looping_model()
    monkeypatch.setattr(escape, "open_model", lambda name, **_: model)
    return model


@pytest.fixture
def file(model, tmp_path):
    path = tmp_path / "loop.jsonl"
    write_traces(path, [looping_trace(model, 20), looping_trace(model)])
    return path


def test_a_prompt_is_run_until_it_loops_and_handed_over(model, capsys) -> None:
    call = ["escape", "--prompt", "a", "--decoder", "greedy", bias(WANDERS)]
    assert main([*call, "--max-new-tokens", "12"]) == 0
    out = capsys.readouterr().out
    assert "2 lanes go on after 24 tokens, where 3.0 copies of 8 tokens stand" in out
    assert "'bcdefgha'" in out
    rows = [line.split() for line in out.splitlines() if line.startswith(("greedy ", "logit"))]
    assert rows[0][1:4] == ["escaped", "0", f"{3 / math.log(2):.2f}"]
    assert rows[1][:4] == ["greedy", "stays", "-", "-"]
    assert "Wilson" not in out


def test_a_lane_of_a_file_at_a_token_with_draws_and_strengths(model, file, capsys) -> None:
    out = file.parent / "board.jsonl"
    call = ["escape", "--trace", str(file), "--lane", "1", "--at", "33", "--seeds", "3"]
    specs = ["--decoder", "greedy", "temperature:temperature=1|2+top_k:k=3"]
    assert main([*call, *specs, "--max-new-tokens", "6", "--json", "--out", str(out)]) == 0
    said = capsys.readouterr()
    data = json.loads(said.out)
    assert (data["at"], len(data["rows"]), data["prompt"]) == (33, 7, "a")
    assert {share["left"]["n"] for share in data["shares"]} == {1, 3}
    assert "wrote 7 traces" in said.err
    assert len(list(read_traces(out))) == 7
    assert main([*call, *specs, "--max-new-tokens", "6"]) == 0
    assert "95 % intervals by Wilson" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--lane", "0"], "no loop to leave"),
        (["--lane", "2"], "has no lane 2"),
        (["--lane", "-1"], "--lane"),
        (["--lane", "1", "--at", "3"], "in no loop"),
        (["--lane", "1", "--at", "61"], "at must be at most 60"),
        (["--lane", "1", "--decoder", "nope"], "nope"),
        (["--lane", "1", "--decoder", "ancestral", "--seeds", "65"], "draws"),
        (["--lane", "1", "--out", "board.csv"], ".jsonl"),
        (["--lane", "1", "--max-new-tokens", "9000"], "8,192"),
    ],
)
def test_what_cannot_be_asked_is_one_line(model, file, capsys, arguments, problem) -> None:
    assert main(["escape", "--trace", str(file), *arguments]) == 2
    said = capsys.readouterr()
    assert problem in said.err
    assert said.err.count("\n") == 1
    assert said.out == ""


def test_a_prompt_that_does_not_loop_is_refused(monkeypatch, capsys) -> None:
    model = looping_model()
    monkeypatch.setattr(escape, "open_model", lambda name, **_: model)
    assert main(["escape", "--prompt", f"a{WANDERS}", "--decoder", "greedy"]) == 2
    assert "Greedy does not loop within 256 tokens" in capsys.readouterr().err
