"""The Latent page's questions, over the shipped spaces."""

from __future__ import annotations

import csv
import math
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from explorer.core.errors import ExplorerError, InvalidParams, ModelUnavailable, NotCapable
from explorer.core.trace_io import read_traces
from explorer.latent.spaces import load_space
from explorer.latent.table import drawn
from explorer.services.latent import samples
from explorer.services.latent.desk import LatentDesk
from explorer.services.latent.export import save_sample
from explorer.services.latent.paper_table import paper_tables
from explorer.services.latent.tongues import TONGUES
from explorer.services.latent.trips import decimal
from explorer.services.latent.worlds import worlds
from explorer.services.loading import load_model

TOY = {"language": "toy", "space": "ariel", "dimensions": 2}
BALL, KEYS = "Is it a red ball?", "the teachers are holding eleven small keys"


@pytest.fixture
def desk() -> LatentDesk:
    return LatentDesk()


def ask(desk: LatentDesk, kind: str, **fields: Any) -> dict[str, Any]:
    return desk.answer("tab", {**TOY, "ask": kind, **fields})


def sampled(desk: LatentDesk, count: int, **fields: Any) -> dict[str, Any]:
    found = ask(desk, "sample", how="uniform", count=count, seed=1, **fields)
    rows = list(found["rows"])
    while found["done"] < found["total"]:
        found = ask(desk, "sample", sample=found["sample"], **fields)
        rows += found["rows"]
    return {**found, "rows": rows}


def test_every_language_is_offered_with_its_spaces() -> None:
    found = {world["name"]: {s["name"] for s in world["spaces"]} for world in worlds()}
    assert found["toy"] >= {"ariel", "ariel_lm", "vae", "ae", "transformer"}
    assert found["dialogue"] >= {"ariel", "vae", "ae", "transformer"}


def test_what_the_map_calls_a_place_is_what_the_point_says(desk) -> None:
    found = ask(desk, "cells", prefix=[], window=[0, 0, 1, 1], pixels=600)
    largest = max(found["cells"], key=lambda c: c[6] * c[7])
    x, y = largest[4] + largest[6] / 2, largest[5] + largest[7] / 2
    said = ask(desk, "point", place=[x, y])
    assert said["text"].casefold().startswith(largest[0])
    assert said["valid"]
    assert said["why"] == ""


def test_a_point_deep_in_a_box_is_read_exactly(desk) -> None:
    trip = ask(desk, "trip", text=KEYS)
    ids = _prefix_ids(desk, trip["tokens"][:6])
    said = ask(desk, "point", prefix=ids, place=[0.5, 0.5])
    assert said["text"].casefold().startswith("the teachers are holding eleven small")


def _prefix_ids(desk: LatentDesk, words: list[str]) -> list[int]:
    space: Any = load_space("toy", "ariel", 2)
    return list(space.ids(words))


def test_patches_agree_with_points_and_nothing_lies_outside_the_cube(desk) -> None:
    found = ask(desk, "patches", window=[-0.5, 0, 1, 1], columns=6, rows=4)
    assert [i < 0 for i in found["index"]] == [True, True, False, False, False, False] * 4
    # The third column's first row from below.
    place = [-0.5 + 2.5 * 0.25, 0.125]
    assert ask(desk, "point", place=place)["text"] == found["sentences"][found["index"][2]]["text"]


@pytest.mark.parametrize("space", ["vae", "ae", "transformer"])
def test_the_map_of_a_trained_space_says_what_its_points_say(desk, space) -> None:
    mine = {"space": space}
    found = ask(desk, "patches", columns=5, rows=5, **mine)
    x0, y0, x1, y1 = found["window"]
    middle = [(x0 + x1) / 2, (y0 + y1) / 2]
    said = ask(desk, "point", place=middle, **mine)
    assert said["text"] == found["sentences"][found["index"][12]]["text"]


def test_a_sample_comes_in_parts_and_is_the_same_for_the_same_seed(desk) -> None:
    one = sampled(desk, 700)
    assert len(one["rows"]) == 700
    again = sampled(LatentDesk(), 700)
    assert [r["text"] for r in one["rows"]] == [r["text"] for r in again["rows"]]
    names = {entry["name"]: entry for entry in one["summary"]}
    assert names["valid"]["count"] == 700


def test_two_questions_at_once_read_no_point_twice(desk) -> None:
    first = ask(desk, "sample", how="uniform", count=1_400, seed=1)
    with ThreadPoolExecutor(4) as threads:
        more = [threads.submit(ask, desk, "sample", sample=first["sample"]) for _ in range(4)]
        found = [future.result() for future in more]
    assert sorted(len(answer["rows"]) for answer in found) == [0, 0, 400, 500]
    assert max(answer["done"] for answer in found) == 1_400


def test_only_so_many_maps_of_neighbours_are_made_at_once(desk, monkeypatch) -> None:
    held = threading.Event()
    running: list[int] = []

    def slow(points: Any, start: Any, *, seed: int, progress: Any) -> Any:
        running.append(len(points))
        assert held.wait(10)
        return start

    monkeypatch.setattr(samples, "neighbour_map", slow)
    wide = {**TOY, "space": "vae", "dimensions": 16}
    for tab in "abcd":
        begun = desk.answer(
            tab, {**wide, "ask": "sample", "how": "uniform", "count": 30, "seed": 1}
        )
        told = desk.answer(tab, {**wide, "ask": "umap", "sample": begun["sample"]})
        assert told["state"] == "working"
    end = time.monotonic() + 10
    while len(running) < samples.MOST_WORKERS and time.monotonic() < end:
        time.sleep(0.01)
    time.sleep(0.2)  # would a third begin, it would by now
    assert len(running) == samples.MOST_WORKERS
    held.set()
    for tab in "abcd":  # or they would make their maps by what the next test puts there
        desk.sample(tab).worker.join(10)
    assert len(running) == 4


def test_a_map_of_neighbours_says_how_far_it_is_and_begins_from_the_last_one(
    desk, monkeypatch
) -> None:
    held, begun, starts = threading.Event(), threading.Event(), []

    def made(points: Any, start: Any, *, seed: int, progress: Any) -> Any:
        starts.append(start)
        progress("moving the points", 0.25)
        begun.set()
        assert held.wait(10)
        return start + 1.0

    monkeypatch.setattr(samples, "neighbour_map", made)
    wide = {"space": "vae", "dimensions": 16}
    for seed in (1, 2):
        begun.clear()
        number = ask(desk, "sample", how="uniform", count=30, seed=seed, **wide)["sample"]
        assert ask(desk, "umap", sample=number)["state"] == "working"
        assert begun.wait(10)
        told = ask(desk, "umap", sample=number)
        if seed == 1:
            assert told == {"state": "working", "stage": "moving the points", "share": 0.25}
        held.set()
        desk.sample("tab").worker.join(10)
        assert ask(desk, "umap", sample=number)["state"] == "ready"
    assert starts[1] == pytest.approx(starts[0] + 1.0)  # a map of as many points: begun there


def test_a_map_that_nobody_waits_for_is_given_up(desk, monkeypatch) -> None:
    begun, left, done = threading.Event(), threading.Event(), []

    def made(points: Any, start: Any, *, seed: int, progress: Any) -> Any:
        begun.set()
        assert left.wait(10)
        progress("moving the points", 0.5)
        done.append(seed)
        return start

    monkeypatch.setattr(samples, "neighbour_map", made)
    wide = {"space": "vae", "dimensions": 16}
    number = ask(desk, "sample", how="uniform", count=30, seed=1, **wide)["sample"]
    ask(desk, "umap", sample=number)
    worker = desk.sample("tab").worker
    assert begun.wait(10)
    ask(desk, "sample", how="uniform", count=30, seed=2, **wide)
    left.set()
    worker.join(10)
    assert not done


@pytest.mark.parametrize("how", ["uniform", "gaussian", "prior", "sphere"])
def test_every_way_to_sample_stays_in_the_cube(desk, how) -> None:
    found = ask(desk, "sample", how=how, count=50, seed=0, dimensions=3)
    assert all(row["valid"] for row in found["rows"])
    points = desk.sample("tab").points
    assert points.min() >= 0
    assert points.max() <= 1
    if how == "sphere":
        assert np.linalg.norm(points - 0.5, axis=1) == pytest.approx(np.full(50, 0.5))


def test_a_line_begins_and_ends_where_it_was_told(desk) -> None:
    found = ask(desk, "sample", how="line", count=21, seed=0, **{"from": BALL, "to": KEYS})
    assert found["rows"][0]["text"] == "Is it a red ball"
    assert found["rows"][-1]["text"].casefold() == KEYS


def test_a_walk_goes_from_the_one_to_the_other(desk) -> None:
    for way in ("straight", "arc"):
        found = ask(desk, "walk", texts=[BALL, KEYS], steps=12, way=way)
        assert found["rows"][0]["text"] == "Is it a red ball"
        assert found["rows"][-1]["text"].casefold() == KEYS
        assert all(row["valid"] for row in found["rows"])


def test_a_walk_in_many_dimensions_is_drawn_on_its_own_plane(desk) -> None:
    plane = {"kind": "way", "texts": [BALL, KEYS]}
    fields = {"texts": [BALL, KEYS], "steps": 5, "way": "straight", "plane": plane}
    found = ask(desk, "walk", **fields, dimensions=9)
    assert found["places"][0] == pytest.approx([0, 0], abs=1e-9)
    assert found["places"][-1] == pytest.approx([1, 0], abs=1e-9)


def test_by_meaning_the_neighbours_are_others_and_the_trip_still_comes_home(desk) -> None:
    usual = ask(desk, "trip", text=BALL)
    other = ask(desk, "trip", text=BALL, order="meaning")
    assert other["same"]
    assert other["point"] != usual["point"]
    assert other["box"]["bits"] == pytest.approx(usual["box"]["bits"])
    with pytest.raises(InvalidParams, match="no order by meaning"):
        ask(desk, "trip", text=BALL, order="meaning", space="vae")


def test_the_narrowing_of_a_box_adds_up(desk) -> None:
    for dimensions in (1, 2, 7):
        box = ask(desk, "trip", text=KEYS, dimensions=dimensions)["box"]
        assert sum(cut["bits"] for cut in box["cuts"]) == pytest.approx(box["bits"])
        assert box["cuts"][-1]["left"] == pytest.approx(box["bits"])
        assert box["cuts"][-1]["word"] == ""
        assert box["exact_same"]
        assert sum(box["bits_by_dimension"]) == pytest.approx(box["bits"])
    assert not ask(desk, "trip", text=KEYS, dimensions=1)["box"]["float_same"] or box["bits"] < 53


def test_a_trained_space_says_whether_a_sentence_came_back(desk) -> None:
    found = ask(desk, "trip", text=BALL, space="ae", dimensions=16)
    assert found["box"] is None
    assert found["same"] == (found["back"] == found["tokens"])


def test_neighbours_are_the_nearest_points_of_the_sample(desk) -> None:
    sampled(desk, 300)
    said = ask(desk, "point", place=[0.5, 0.5])
    points = desk.sample("tab").points
    distances = np.linalg.norm(points - 0.5, axis=1)
    assert said["neighbours"][0]["index"] == int(distances.argmin())
    shown = [n["distance"] for n in said["neighbours"]]
    assert shown == sorted(shown)
    chosen = ask(desk, "point", sample=desk.sample("tab").number, number=7)
    assert chosen["point"] == points[7].tolist()


def test_a_sample_is_saved_as_a_table_and_as_traces(desk, tmp_path: Path) -> None:
    sampled(desk, 40)
    table = save_sample(desk.sample("tab"), tmp_path, "csv")
    lines = list(csv.DictReader(table.read_text("utf-8").splitlines()))
    traces = list(read_traces(save_sample(desk.sample("tab"), tmp_path, "jsonl")))
    assert len(lines) == len(traces) == 40
    for line, trace in zip(lines, traces, strict=True):
        assert trace.text.strip() == line["text"].casefold()
        assert trace.steps[0].notes["z1"] == float(line["z1"])
        assert trace.stop_reason == "eos"
        # The grammar's law: the surprisal of the tokens is the volume of the box.
        bits = sum(step.surprisal for step in trace.steps) / math.log(2)
        assert bits > 0
    again = ask(desk, "trip", text=traces[0].text)
    bits = sum(step.surprisal for step in traces[0].steps) / math.log(2)
    assert bits == pytest.approx(again["box"]["bits"], abs=1e-3)


def test_traces_of_an_autoencoder_are_its_greedy_choices(desk, tmp_path: Path) -> None:
    sampled(desk, 30, space="vae")
    for trace in read_traces(save_sample(desk.sample("tab"), tmp_path, "jsonl")):
        assert trace.decoder == "greedy"
        assert all(step.rank == 0 and step.support_size == 1 for step in trace.steps)


def test_nothing_is_saved_where_nothing_was_sampled(desk, tmp_path: Path) -> None:
    with pytest.raises(NotCapable, match="nothing to save"):
        save_sample(desk.sample("tab"), tmp_path, "csv")


def test_tabs_do_not_see_each_other(desk) -> None:
    mine = sampled(desk, 5)
    with pytest.raises(NotCapable, match="not kept"):
        desk.answer("other", {**TOY, "ask": "places", "sample": mine["sample"]})
    desk.forget("tab")
    with pytest.raises(NotCapable, match="not kept"):
        ask(desk, "places", sample=mine["sample"])


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"ask": "nothing"}, "no question"),
        ({"ask": "trip", "text": ""}, "no word"),
        ({"ask": "trip", "text": "is it a wug"}, "'wug'"),
        ({"ask": "trip", "text": "ball " * 500}, "words|cannot stand"),
        ({"ask": "trip", "text": 5}, "'text' is 5"),
        ({"ask": "trip", "text": "x" * 5000}, "5,000 characters"),
        ({"ask": "trip", "text": BALL, "dimensions": 0}, "'dimensions'"),
        ({"ask": "trip", "text": BALL, "dimensions": 65}, "'dimensions'"),
        ({"ask": "trip", "text": BALL, "language": "klingon"}, "klingon"),
        ({"ask": "trip", "text": BALL, "space": "vea"}, "Did you mean 'vae'"),
        ({"ask": "trip", "text": BALL, "space": "vae", "dimensions": 3}, "3 dimensions"),
        ({"ask": "trip", "text": BALL, "order": "size"}, "order"),
        ({"ask": "point", "place": [0.5]}, "'place'"),
        ({"ask": "point", "place": [math.nan, 0.5]}, "'place'"),
        ({"ask": "point", "place": [10**400, 0.5]}, "'place'"),
        ({"ask": "point", "place": [3, 0.5]}, "outside the cube"),
        ({"ask": "point", "point": [0.1, 0.2, 0.3]}, "'point'"),
        ({"ask": "point", "prefix": [99999], "place": [0.5, 0.5]}, "99999"),
        ({"ask": "cells", "prefix": ["a"], "window": [0, 0, 1, 1], "pixels": 500}, "'prefix'"),
        ({"ask": "cells", "prefix": [], "window": [0, 0, 1], "pixels": 500}, "'window'"),
        (
            {"ask": "cells", "space": "vae", "prefix": [], "window": [0, 0, 1, 1], "pixels": 500},
            "no boxes",
        ),
        ({"ask": "patches", "columns": 200, "rows": 200}, "too many"),
        ({"ask": "patches", "plane": {"kind": "pca"}, "columns": 5, "rows": 5}, "no sample"),
        ({"ask": "patches", "plane": {"kind": "mars"}, "columns": 5, "rows": 5}, "no plane"),
        (
            {"ask": "patches", "plane": {"kind": "axes", "axes": [0, 9]}, "columns": 5, "rows": 5},
            "axis 10",
        ),
        ({"ask": "sample", "how": "badly", "count": 5, "seed": 1}, "'how'"),
        ({"ask": "sample", "how": "uniform", "count": 0, "seed": 1}, "'count'"),
        ({"ask": "sample", "how": "uniform", "count": 10**6, "seed": 1}, "'count'"),
        ({"ask": "sample", "how": "uniform", "count": 5, "seed": -1}, "'seed'"),
        ({"ask": "sample", "sample": 12345}, "not kept"),
        ({"ask": "walk", "texts": [BALL], "steps": 5, "way": "arc"}, "2 sentences"),
        ({"ask": "walk", "texts": [BALL, "is"], "steps": 5, "way": "arc"}, "Sentence 2"),
        ({"ask": "walk", "texts": [BALL, KEYS], "steps": 1, "way": "arc"}, "'steps'"),
        ({"ask": "walk", "texts": [BALL, KEYS], "steps": 5, "way": "up"}, "straight"),
    ],
)
def test_questions_that_cannot_be_answered_say_why(desk, fields, words) -> None:
    with pytest.raises(ExplorerError, match=words):
        desk.answer("tab", {**TOY, **fields})


@pytest.mark.parametrize("space", ["ariel", "vae"])
@pytest.mark.parametrize("how", ["uniform", "prior"])
def test_a_seed_means_the_same_points_as_on_the_command_line(desk, space, how) -> None:
    ask(desk, "sample", how=how, count=9, seed=4, space=space)
    points = drawn(load_space("toy", space, 2), 9, how, 4)
    assert desk.sample("tab").points.tolist() == points.tolist()


def test_digits_are_exact() -> None:
    assert decimal(Fraction(2, 3), 4) == "0.6666…"
    assert decimal(Fraction(1)) == "1.0"


def test_the_page_s_table_is_that_of_the_document() -> None:
    tables = {table["title"].partition(":")[0]: table for table in paper_tables()}
    assert set(tables) == {"toy", "dialogue"}
    for table in tables.values():
        assert all(len(row) == len(table["heads"]) for row in table["rows"])
        assert {row[0] for row in table["rows"]} >= {"ariel", "vae", "ae", "transformer"}
    heads, rows = tables["toy"]["heads"], tables["toy"]["rows"]
    valid = {(r[0], r[1], r[2]): float(r[heads.index("valid")].split()[0]) for r in rows}
    assert valid["ariel", "2", "uniform"] == 100.0


def test_without_the_document_there_is_no_table(tmp_path: Path) -> None:
    assert paper_tables(tmp_path / "none.md") == []
    (tmp_path / "bare.md").write_text("# Nothing\n", "utf-8")
    assert paper_tables(tmp_path / "bare.md") == []


class TinyOnly:
    """The shipped model, in memory or not."""

    def __init__(self) -> None:
        self.model = load_model("tiny")
        self.here = True

    def allow(self, name: str) -> None:
        if name != "tiny":
            raise ModelUnavailable(f"The model '{name}' is not offered here.", "Choose another.")

    def ready(self, name: str) -> Any:
        return self.model if self.here else None


@pytest.fixture
def with_tiny(monkeypatch: pytest.MonkeyPatch) -> TinyOnly:
    models = TinyOnly()
    monkeypatch.setattr(TONGUES, "models", models)
    return models


def test_what_a_model_says_after_a_prompt_is_a_map(desk, with_tiny) -> None:
    assert [world["name"] for world in worlds()][-2:] == ["tiny", "smollm2-135m"]
    mine = {"language": "tiny", "prompt": "Once upon a time", "dimensions": 2}
    found = ask(desk, "cells", prefix=[], window=[0, 0, 1, 1], pixels=300, **mine)
    firsts = {cell[0]: cell[6] for cell in found["cells"] if cell[1] == -1}
    assert max(firsts, key=firsts.__getitem__) in (",", " there")
    said = ask(desk, "point", place=[0.5, 0.5], **mine)
    assert said["valid"] is None
    assert said["novel"] is None
    trip = ask(desk, "trip", text=", there was a cat.", **mine)
    assert trip["same"]
    assert trip["bits"] == pytest.approx(trip["box"]["bits"], abs=0.01)
    assert 0 < trip["box"]["kl_nats"] < 1e-10
    sample = ask(desk, "sample", how="uniform", count=3, seed=1, **mine)
    assert sample["done"] == 3
    assert [entry["name"] for entry in sample["summary"]] == ["different sentences"]
    other = ask(desk, "point", place=[0.5, 0.5], **{**mine, "prompt": "The king"})
    assert other["text"] != said["text"]


@pytest.mark.parametrize("dimensions", [1, 16, 64])
def test_a_model_has_spaces_of_any_size_and_its_sample_is_saved_as_traces(
    desk, with_tiny, tmp_path, dimensions
) -> None:
    prompt = "Once upon a time"
    mine = {"language": "tiny", "prompt": prompt, "dimensions": dimensions}
    found = ask(desk, "sample", how="uniform", count=5, seed=3, **mine)
    if dimensions > 2:
        plane = ask(desk, "patches", plane={"kind": "pca"}, columns=1, rows=1, **mine)
        assert "PCA" in plane["about"]
    traces = list(read_traces(save_sample(desk.sample("tab"), tmp_path, "jsonl")))
    assert len(traces) == 5
    for trace, row, point in zip(traces, found["rows"], desk.sample("tab").points, strict=True):
        assert trace.text == row["text"]
        assert trace.prompt.text == prompt
        assert list(trace.prompt.ids) == with_tiny.model.tokenizer.encode(prompt)
        assert [trace.steps[0].notes[f"z{k + 1}"] for k in range(dimensions)] == point.tolist()
        assert "".join(trace.pieces[step.token_id] for step in trace.steps) == trace.text
        bits = sum(step.surprisal for step in trace.steps) / math.log(2)
        assert bits == pytest.approx(row["bits"], abs=0.02)
        assert trace.model.id == f"latent/tiny/ariel-{dimensions}"


def test_a_model_that_is_not_loaded_or_not_offered_is_said(desk, with_tiny, tmp_path) -> None:
    with pytest.raises(ModelUnavailable, match="not offered"):
        ask(desk, "trip", text="a", language="smollm2-135m", dimensions=2)
    with pytest.raises(NotCapable, match="no space"):
        ask(desk, "trip", text="a", language="tiny", space="vae")
    with pytest.raises(InvalidParams, match="At most 100"):
        ask(desk, "patches", language="tiny", columns=20, rows=20)
    with pytest.raises(InvalidParams, match="300"):
        ask(desk, "sample", how="uniform", count=301, seed=1, language="tiny")
    ask(desk, "sample", how="uniform", count=1, seed=1, language="tiny")
    assert save_sample(desk.sample("tab"), tmp_path, "csv").stat().st_size > 0
    with_tiny.here = False
    with pytest.raises(NotCapable, match="not loaded"):
        ask(desk, "trip", text="a", language="tiny", dimensions=2)
    with pytest.raises(InvalidParams, match="no language"):
        ask(desk, "trip", text="a", language="tiny\x1fhidden", dimensions=2)
