"""The commands of the public contract: exit status, one readable line on stderr, files."""

from __future__ import annotations

import csv
import errno
import json
import math
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from fakes import LetterTokenizer, ScriptedModel, hashed_script

import explorer
from explorer.cli import main
from explorer.core.errors import ModelUnavailable
from explorer.core.trace_io import read_traces
from explorer.core.trace_schema import json_schema
from explorer.decoders import CATALOG
from explorer.services import export, loading

VOCAB = LetterTokenizer().vocab_size
ROOT = Path(explorer.__file__).parent.parent


@pytest.fixture(autouse=True)
def scripted(monkeypatch, tmp_path) -> ScriptedModel:
    model = ScriptedModel(hashed_script(VOCAB))

    def load_model(name, **arguments):
        if name == "absent":
            raise ModelUnavailable("There is no 'absent'.", "Choose another.")
        return model

    monkeypatch.setattr(loading, "load_model", load_model)
    monkeypatch.setenv("EXPLORER_CACHE", str(tmp_path / "cache"))
    return model


def generate(*more: str) -> int:
    return main(["generate", "--prompt", "abc", "--max-new-tokens", "8", *more])


def test_decoders_lists_everything_as_text_and_json(capsys) -> None:
    assert main(["decoders", "--json"]) == 0
    entries = json.loads(capsys.readouterr().out)
    assert {e["name"] for e in entries} == set(CATALOG)
    nucleus = next(e for e in entries if e["name"] == "nucleus")
    assert nucleus["url"] == "https://arxiv.org/abs/1904.09751"
    (p,) = nucleus["params"]
    assert (p["minimum"], p["exclusive_minimum"], p["maximum"], p["default"]) == (0, True, 1, 0.95)
    assert main(["decoders"]) == 0
    assert "p=0.95  (a number in (0, 1])" in capsys.readouterr().out


def test_generate_prints_texts_and_a_table_with_units(capsys) -> None:
    assert generate("--decoder", "greedy", "nucleus:p=0.9", "--decoder", "momentum") == 0
    out = capsys.readouterr().out
    assert out.count("---") > 3
    assert "mean entropy (bits)" in out
    assert "perplexity" in out
    assert out.count("max_new_tokens") == 3


@pytest.mark.parametrize("suffix", [".jsonl", ".csv", ".html"])
def test_generate_writes_by_suffix(tmp_path, capsys, suffix) -> None:
    out = tmp_path / f"run{suffix}"
    assert generate("--decoder", "greedy", "ancestral", "--seed", "5", "--out", str(out)) == 0
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "wrote 2 traces, 16 tokens" in printed.err
    if suffix == ".jsonl":
        first, second = read_traces(out)
        assert (first.decoder, second.decoder, second.seed) == ("greedy", "ancestral", 5)
    elif suffix == ".csv":
        with out.open() as file:
            rows = list(csv.DictReader(file))
        assert len(rows) == 16
        assert json.loads(rows[0]["piece"])
        assert float(rows[0]["surprisal_nats"]) > 0
    else:
        page = out.read_text()
        assert "explorer.wire/1" in page
        assert "http://" not in page.replace("http://www.w3.org", "")


def test_a_csv_cell_can_not_be_taken_for_a_formula(tmp_path, monkeypatch) -> None:
    tokenizer = LetterTokenizer(extra=["=1+1", '@SUM(A1)"'])
    model = ScriptedModel(lambda h: [0.0] * VOCAB + [9.0 + len(h) % 2, 9.5], tokenizer)
    monkeypatch.setattr(loading, "load_model", lambda name, **_: model)
    out = tmp_path / "run.csv"
    assert generate("--decoder", "greedy", "--out", str(out)) == 0
    with out.open() as file:
        cells = [row["piece"] for row in csv.DictReader(file)]
    assert {json.loads(cell) for cell in cells} == {"=1+1", '@SUM(A1)"'}
    assert all(cell.startswith('"') for cell in cells)


def test_generate_stops_on_a_loop_when_asked(monkeypatch, capsys) -> None:
    model = ScriptedModel(lambda h: [0.0, *[9.0 if i == len(h) % 4 else 0.0 for i in range(6)]])
    monkeypatch.setattr(loading, "load_model", lambda name, **_: model)
    arguments = ["generate", "--prompt", "a", "--decoder", "greedy", "--max-new-tokens", "90"]
    assert main([*arguments, "--stop-on-loop"]) == 0
    assert " 48  " in capsys.readouterr().out
    assert main([*arguments, "--stop-on-loop", "--loop-tokens", "12"]) == 0
    assert " 12  " in capsys.readouterr().out


def test_score_prints_a_table_or_writes_a_trace(tmp_path, capsys) -> None:
    assert main(["score", "--text", "abc"]) == 0
    table = capsys.readouterr().out
    assert "surprisal (bits)" in table
    assert len(table.splitlines()) == 5
    out, text = tmp_path / "scored.jsonl", tmp_path / "text.txt"
    text.write_text("cab")
    assert main(["score", "--text-file", str(text), "--out", str(out)]) == 0
    (trace,) = read_traces(out)
    assert trace.text == "cab"


def test_models_lists_and_never_fails_on_an_empty_cache(capsys) -> None:
    assert main(["models", "--json"]) == 0
    entries = json.loads(capsys.readouterr().out)
    (entry,) = [e for e in entries if e["name"] == "smollm2-135m"]
    assert {"available", "path", "licence", "bytes", "source"} <= set(entry)
    assert main(["models"]) == 0
    assert "smollm2-135m" in capsys.readouterr().out


def test_what_cannot_be_written_is_shown_and_told_in_one_line(
    tmp_path, capsys, monkeypatch
) -> None:
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    for suffix, place in ((".jsonl", "write_traces"), (".csv", "write_csv")):
        monkeypatch.setattr(export, place, full)
        out = tmp_path / f"run{suffix}"
        assert generate("--decoder", "greedy", "--out", str(out)) == 2
        printed = capsys.readouterr()
        assert "--- greedy" in printed.out
        assert "perplexity" in printed.out
        assert printed.err == (
            f"explorer: '{out}' cannot be written: No space left on device."
            " What was made is shown instead.\n"
        )
        assert main(["score", "--text", "abc", "--out", str(out)]) == 2
        printed = capsys.readouterr()
        assert "surprisal (bits)" in printed.out
        assert printed.err.startswith(f"explorer: '{out}' cannot be written: No space left")


@pytest.mark.parametrize("to_file", [True, False])
def test_nan_in_the_middle_keeps_the_output_and_is_status_2(
    tmp_path, capsys, monkeypatch, to_file
) -> None:
    broken = ScriptedModel(lambda h: [-9.0, math.nan if len(h) > 5 else 1.0, 0.5])
    monkeypatch.setattr(loading, "load_model", lambda name, **_: broken)
    out = tmp_path / "run.jsonl"
    more = ["--out", str(out)] if to_file else []
    assert generate("--decoder", "greedy", "ancestral", *more) == 2
    printed = capsys.readouterr()
    assert "All lanes ended at token 4: The model answered with NaN" in printed.err
    assert "What was made is kept." in printed.err
    if to_file:
        assert [len(trace.steps) for trace in read_traces(out)] == [3, 3]
    else:
        assert printed.out.count("cancelled") == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--max-new-tokens", "0"], "max_new_tokens must be at least 1, got 0"),
        (["--max-new-tokens", "-5"], "max_new_tokens must be at least 1, got -5"),
        (["--max-new-tokens", "1000000000"], "max_new_tokens must be at most 200,000"),
        (["--deadline", "nan"], "deadline_s must be a number of seconds above 0, got nan"),
        (["--deadline", "0"], "above 0, got 0.0"),
        (["--top", "5000"], "--top 5000 is out of range"),
        (["--loop-copies", "nan"], "min_copies from 2"),
        (["--loop-period", "1000000000"], "max_period from 1 to 10,000"),
        (["--prompt", "a\udce4"], "The prompt holds half of a character"),
        (["--decoder", "beam:width=40", "beam:width=40"], "hold 81 rows at once"),
        (["--decoder", *(["greedy"] * 8)], "9 decoding methods"),
        (["--out", "x.parquet"], "Parquet needs pyarrow, which is not installed"),
        (["--out", "tests.csv"], "'tests.csv' is a folder"),
    ],
)
def test_what_is_plainly_wrong_is_refused_before_a_model_is_loaded(
    tmp_path, capsys, monkeypatch, arguments, message
) -> None:
    monkeypatch.setattr(loading, "load_model", lambda *_, **__: pytest.fail("loaded"))
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tests.csv").mkdir()
    assert generate("--decoder", "greedy", *arguments) == 2
    printed = capsys.readouterr()
    assert message in printed.err
    assert len(printed.err.strip().splitlines()) == 1
    if arguments[0] == "--out":
        assert main(["score", "--text", "abc", *arguments]) == 2
        assert message in capsys.readouterr().err


def test_one_token_is_no_tokens(tmp_path, capsys) -> None:
    out = tmp_path / "run.jsonl"
    arguments = ["generate", "--prompt", "a", "--decoder", "greedy", "--max-new-tokens", "1"]
    assert main([*arguments, "--out", str(out)]) == 0
    assert capsys.readouterr().err == f"wrote 1 trace, 1 token, to {out}\n"


BAD = [
    (["generate", "--prompt", "a", "--decoder", "nuclues"], "Did you mean 'nucleus'?"),
    (["generate", "--prompt", "a", "--decoder", "nucleus:p=2"], "a number in (0, 1]"),
    (["generate", "--prompt", "a", "--decoder", "greedy+nucleus"], "Put 'greedy' last"),
    (["generate", "--prompt", "a"], "--decoder"),
    (["generate", "--decoder", "greedy"], "--prompt"),
    (["generate", "--prompt", "a", "--decoder", "greedy", "--max-new-tokens", "0"], "at least 1"),
    (["generate", "--prompt", "a", "--decoder", "greedy", "--max-new-tokens", "x"], "invalid int"),
    (["generate", "--prompt", "a", "--decoder", "greedy", "--top", "0"], "--top 0"),
    (["generate", "--prompt", "a", "--decoder", "greedy", "--model", "absent"], "no 'absent'"),
    (["generate", "--prompt", "a", "--decoder", "greedy", "--out", "x.exe"], ".jsonl, .csv"),
    (["generate", "--prompt", "a", "--decoder", "greedy", "--out", "/no/x.csv"], "no folder"),
    (["generate", "--prompt-file", "/no/file", "--decoder", "greedy"], "cannot be read"),
    (["generate", "--prompt", "a", "--decoder", "greedy", "--loop-copies", "1"], "min_copies"),
    (["generate", "--prompt", "a" * 9000, "--decoder", "greedy"], "reads 8,192 tokens"),
    (["score", "--text", ""], "holds no token"),
    (["models", "fetch"], "Which model?"),
    (["wibble"], "invalid choice"),
    ([], "COMMAND"),
]


@pytest.mark.parametrize(("arguments", "message"), BAD, ids=[b[1] for b in BAD])
def test_bad_input_is_status_2_and_one_readable_line(capsys, arguments, message) -> None:
    assert main(arguments) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert message in printed.err
    assert len(printed.err.strip().splitlines()) == 1
    assert "Traceback" not in printed.err


def test_the_module_runs_as_a_program() -> None:
    command = [sys.executable, "-m", "explorer", "generate", "--decoder", "x", "--prompt", "y"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 2
    assert done.stderr.startswith("explorer: Unknown decoder 'x'.")


def test_a_port_that_is_taken_is_one_line_and_status_2() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        command = [sys.executable, "-m", "explorer", "ui", "--port", port]
        done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=120)
    assert done.returncode == 2
    assert done.stderr.startswith(f"Port {port} on 127.0.0.1 cannot be used.")
    assert len(done.stderr.strip().splitlines()) == 1


def test_the_python_interface_is_the_one_of_the_contract() -> None:
    for name in ("load_model", "generate", "stream", "score", "read_traces", "write_traces"):
        assert callable(getattr(explorer, name))
    with pytest.raises(AttributeError, match="wibble"):
        _ = explorer.wibble


def test_schema_prints_what_a_line_holds(capsys) -> None:
    assert main(["schema"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["properties"]["schema"]["const"] == "explorer.trace/1"
    assert data == json_schema()


def test_score_answers_what_is_asked_of_a_text(capsys) -> None:
    asked = ["--profile", "--could", "greedy", "top_k:k=37", "best_of_n", "--probe", "e"]
    assert main(["score", "--text", "hello abc", *asked]) == 0
    out = capsys.readouterr().out
    for words in ("top 10", "T = ", "first impossible", "token 0 'h'", "yes", "a search", "p('e')"):
        assert words in out
    assert main(["score", "--text", "hello abc", "--json", *asked]) == 0
    data = json.loads(capsys.readouterr().out)
    assert set(data) == {"profile", "could", "probes"}
    assert sum(data["profile"]["ranks"]["counts"]) == 9
    assert len(data["profile"]["perplexity"]["values"]) == 0
    assert data["could"]["chains"][0]["first_impossible"] == 0
    assert main(["score", "--text", "a", "--could", "magic"]) == 2


def test_score_reads_a_long_text_by_windows(tmp_path, capsys) -> None:
    out = tmp_path / "long.jsonl"
    text = ["score", "--text", "hello abc " * 9, "--out", str(out)]
    assert main([*text, "--window", "16"]) == 0
    (trace,) = read_traces(out)
    assert trace.decoder == "score:window=16,stride=8"
    assert len(trace.steps) == 90
    assert main(["verify", str(out)]) == 0
    assert main([*text, "--window", "16", "--stride", "16"]) == 2
    assert main([*text, "--stride", "4"]) == 2
    assert "--stride needs --window" in capsys.readouterr().err


def test_a_score_is_a_page_too(tmp_path) -> None:
    out = tmp_path / "scored.html"
    assert main(["score", "--text", "abc", "--out", str(out)]) == 0
    assert "given text" in out.read_text()


def test_a_trace_file_becomes_pages_and_tables_without_a_model(
    tmp_path, monkeypatch, capsys
) -> None:
    source = tmp_path / "runs.jsonl"
    assert generate("--decoder", "greedy", "beam:width=2", "--out", str(source)) == 0
    first = source.read_text()
    assert generate("--decoder", "greedy", "--seed", "9", "--out", str(source)) == 0
    source.write_text(first + source.read_text())
    monkeypatch.setattr(loading, "load_model", None)
    assert main(["convert", str(source), "--out", str(tmp_path / "page.html")]) == 0
    assert '"spec":"greedy"' in (tmp_path / "page.html").read_text()
    assert '"seed":"9"' in (tmp_path / "page-2.html").read_text()
    assert main(["convert", str(source), "--out", str(tmp_path / "table.csv")]) == 0
    assert len((tmp_path / "table.csv").read_text().splitlines()) == 25
    assert main(["convert", str(source), "--out", str(tmp_path / "table.parquet")]) == 0
    source.write_text(first[:-40])
    capsys.readouterr()
    assert main(["convert", str(source), "--out", str(tmp_path / "cut.csv")]) == 2
    assert "line 2 is not whole JSON" in capsys.readouterr().err
    assert not (tmp_path / "cut.csv").exists()
    source.write_text("")
    assert main(["convert", str(source), "--out", str(tmp_path / "none.html")]) == 2
