"""Tables and pages: what is written is what the traces hold, and readers take it as it is."""

from __future__ import annotations

import json
import math
import re
import sys
from dataclasses import replace

import duckdb
import pandas
import pytest
from fakes import LetterTokenizer, ScriptedModel, hashed_script

from explorer.core.errors import NotCapable
from explorer.core.types import Trace
from explorer.render.export_html import export_page
from explorer.services.export import to_csv, write_csv, write_file
from explorer.services.generation import RunOptions, generate
from explorer.services.parquet import ROWS_A_GROUP, write_parquet
from explorer.services.replay import RecordedPieces, replay, replays
from explorer.services.scoring import score
from explorer.services.token_table import COLUMNS, token_rows

VOCAB = LetterTokenizer().vocab_size


@pytest.fixture(scope="module")
def model() -> ScriptedModel:
    return ScriptedModel(hashed_script(VOCAB))


@pytest.fixture(scope="module")
def traces(model) -> tuple[Trace, ...]:
    specs = ["greedy", "beam:width=3", "top_k:k=2"]
    return generate(model, "abc", specs, max_new_tokens=25, seed=4)


def test_pandas_reads_the_table_as_it_is(tmp_path, traces) -> None:
    path = tmp_path / "run.parquet"
    write_parquet(path, iter(traces))
    table = pandas.read_parquet(path)
    rows = list(token_rows(traces))
    assert list(table.columns)[: len(COLUMNS)] == list(COLUMNS)
    for name, wanted in zip(COLUMNS, zip(*rows, strict=True), strict=True):
        assert list(table[name]) == list(wanted)
    cut = traces[2].steps[0].top[-1]
    assert cut.sampling_logprob == -math.inf
    assert math.isnan(table.iloc[50]["top_sampling_logprobs"][-1])
    assert list(table.iloc[50]["top_ids"]) == [c.token_id for c in traces[2].steps[0].top]
    assert set(table["model"]) == {"scripted"}
    assert set(table["prompt"]) == {"abc"}


def test_duckdb_reads_the_table_as_it_is(tmp_path, traces) -> None:
    path = tmp_path / "run.parquet"
    write_parquet(path, traces)
    query = f"SELECT decoder, count(*), sum(surprisal_nats) FROM '{path}' GROUP BY 1 ORDER BY 1"
    found = duckdb.sql(query).fetchall()
    wanted = sorted((t.decoder, 25, sum(s.surprisal for s in t.steps)) for t in traces)
    assert [(d, n) for d, n, _ in found] == [(d, n) for d, n, _ in wanted]
    assert [x for *_, x in found] == pytest.approx([x for *_, x in wanted])


def test_a_table_may_have_no_row_or_many_groups(tmp_path, traces, monkeypatch) -> None:
    path = tmp_path / "run.parquet"
    write_parquet(path, ())
    assert list(pandas.read_parquet(path).columns)[:3] == ["trace", "decoder", "seed"]
    assert duckdb.sql(f"SELECT count(*) FROM '{path}'").fetchall() == [(0,)]
    monkeypatch.setattr("explorer.services.parquet.ROWS_A_GROUP", 7)
    monkeypatch.setattr("explorer.services.parquet.ROWS_AT_ONCE", 3)
    write_parquet(path, traces)
    read = pandas.read_parquet(path)
    assert read["decoder"].tolist() == [t.decoder for t in traces for _ in t.steps]
    assert ROWS_A_GROUP > 1000


def test_a_seed_past_64_bits_does_not_spoil_a_table(tmp_path, traces) -> None:
    path = tmp_path / "run.parquet"
    write_parquet(path, [replace(traces[0], seed=2**200)])
    assert pandas.read_parquet(path)["seed"].isna().all()


def test_without_pyarrow_parquet_says_what_to_install(tmp_path, traces, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(NotCapable, match="pip install pyarrow"):
        write_parquet(tmp_path / "run.parquet", traces)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("suffix", [".jsonl", ".csv", ".parquet"])
def test_a_write_that_fails_leaves_what_was_there(tmp_path, traces, suffix) -> None:
    path = tmp_path / f"run{suffix}"
    path.write_text("old")

    def breaking():
        yield traces[0]
        raise RuntimeError("disk on fire")

    with pytest.raises(RuntimeError, match="fire"):
        write_file(path, breaking(), "")
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("suffix", [".jsonl", ".csv", ".parquet", ".html"])
def test_a_link_stays_a_link_and_a_file_keeps_its_permissions(tmp_path, traces, suffix) -> None:
    real, link = tmp_path / f"real{suffix}", tmp_path / f"link{suffix}"
    real.write_text("old")
    real.chmod(0o640)
    link.symlink_to(real)
    write_file(link, traces, "a page")
    assert link.is_symlink()
    assert real.read_bytes() != b"old"
    assert real.stat().st_mode & 0o777 == 0o640


def test_a_csv_table_is_the_same_as_text_and_as_a_file(tmp_path, traces) -> None:
    path = tmp_path / "run.csv"
    write_csv(path, iter(traces))
    assert path.read_text(encoding="utf-8") == to_csv(traces)


def lines_of(ndjson: str) -> list[dict]:
    return [json.loads(line) for line in ndjson.splitlines()]


def test_a_trace_file_shows_as_the_run_did(model, traces) -> None:
    shown = replay(traces)
    lines = lines_of(shown.ndjson)
    assert lines[0]["model"]["id"] == "scripted"
    assert [x["spec"] for x in lines[0]["lanes"]] == [t.decoder for t in traces]
    assert [x["rows"] for x in lines[0]["lanes"]] == [1, 3, 1]
    assert lines[0]["prompt"]["pieces"] == ["a", "b", "c"]
    assert "".join(x["x"] for x in lines if x.get("l") == 0 and "x" in x) == traces[0].text
    assert [x["end"] for x in lines if "end" in x] == ["max_new_tokens"] * 3
    tree = next(x["tree"] for x in lines if "tree" in x)
    assert len(tree["leaves"]) == len(traces[1].hypotheses)
    assert lines[-1]["done"]
    assert shown.max_new_tokens == 25


def test_a_page_of_a_score_needs_no_model(model) -> None:
    page = export_page(replay([score(model, "cab abc")]).ndjson)
    assert '"title":"given text"' in page
    outside = page.replace("http://www.w3.org/2000/svg", "")
    assert not re.findall(r"https?://", outside)


def test_control_marks_and_parts_of_characters_survive_without_a_tokenizer() -> None:
    class Bytes(LetterTokenizer):
        def token_bytes(self, token_id: int) -> bytes:
            return [b"<|end|>", b"\xe4\xbd", b"\xa0", "⟨E4⟩".encode()][token_id]

        def encode(self, text):
            return [3]

    table = [[-9, 5, 0, 0], [-9, 0, 5, 0], [5, 0, 0, 0]]
    tiny = ScriptedModel(lambda h: [float(x) for x in table[min(len(h) - 1, 2)]], Bytes())
    (trace,) = generate(tiny, "x", ["greedy"], max_new_tokens=9)
    assert trace.text == "你"
    assert trace.special == (0,)
    assert trace.partial == {1: b"\xe4\xbd", 2: b"\xa0"}
    pieces = RecordedPieces([trace])
    assert [pieces.token_bytes(i) for i in range(4)] == [Bytes().token_bytes(i) for i in range(4)]
    tokens = [x for x in lines_of(replay([trace]).ndjson) if "x" in x]
    assert [(x.get("b"), x.get("z")) for x in tokens] == [(1, None), (1, None), (None, 1)]


def test_other_runs_make_other_pages_and_nine_lanes_make_two(model, traces) -> None:
    (other,) = generate(model, "b", ["greedy"], max_new_tokens=2, options=RunOptions())
    found = list(replays([*traces * 3, other]))
    assert [len(page.traces) for page in found] == [8, 1, 1]
    strange = replace(traces[0], decoder="stage_of_the_future:x=1")
    assert "stage_of_the_future" in replay([strange]).ndjson
