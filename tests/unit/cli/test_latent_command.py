"""`latent`: sentences to points and back, the table, and one readable line where that fails."""

from __future__ import annotations

import json

import pytest

from explorer.cli import main


def said(capsys, *arguments: str) -> str:
    assert main(["latent", *arguments]) == 0
    return capsys.readouterr().out


def test_a_sentence_becomes_a_point_and_comes_back(capsys):
    found = json.loads(said(capsys, "encode", "--json", "Is it a red ball?"))
    assert found["words"] == found["back"] == ["is", "it", "a", "red", "ball"]
    edges = zip(found["low"], found["point"], found["high"], strict=True)
    assert all(low <= z <= high for low, z, high in edges)
    point = ",".join(map(str, found["point"]))
    assert said(capsys, "decode", point) == "Is it a red ball\n"
    plain = said(capsys, "encode", "Is it a red ball?")
    assert f"2^-{found['volume_bits']:.3f}" in plain


def test_what_floats_cannot_tell_fractions_do(capsys):
    have = "the keys that the teachers have are"
    sentence = f"{have} between eleven small green balls and this red box"
    found = json.loads(said(capsys, "encode", "--json", "--dimensions", "1", sentence))
    assert found["volume_bits"] > 53
    assert found["certain_tokens"] < len(found["words"]) + 1
    assert found["exact_same"]
    assert found["kl_nats"] == 0  # the grammar's own law
    back = said(capsys, "decode", "--dimensions", "1", ",".join(found["exact"]))
    assert back.strip().casefold() == sentence
    plain = said(capsys, "encode", "--space", "ariel_lm", sentence)
    assert "fractions give the same sentence back" in plain
    assert "2.9e-12 nats a word" in plain


@pytest.mark.parametrize("dimensions", ["1", "64"])
def test_a_continuation_of_a_model_comes_back_in_any_number_of_dimensions(capsys, dimensions):
    where = ("--model", "tiny", "--prompt", "Once upon a time", "--dimensions", dimensions)
    text = ", there was a little girl named Lily. She had a red ball and a blue kite."
    found = json.loads(said(capsys, "encode", "--json", *where, text))
    assert "".join(found["words"]) == text
    assert found["exact_same"]
    assert 0 < found["kl_nats"] < 1e-10
    point = ",".join(found["exact"])
    assert json.loads(said(capsys, "decode", "--json", *where, point))["words"] == found["words"]
    if dimensions == "64":
        assert found["back"] == found["words"]


def test_points_of_a_model_are_drawn_and_nothing_is_claimed_of_them(capsys):
    call = ("sample", "--model", "tiny", "--prompt", "The", "--points", "2", "--dimensions", "3")
    lines = [json.loads(line) for line in said(capsys, *call, "--json").splitlines()]
    assert [{*line} for line in lines] == [{"point", "words", "ended"}] * 2
    assert len(said(capsys, *call).splitlines()) == 2  # a line a point, whatever stands in it


def test_points_are_drawn_the_same_twice_and_written_to_a_file(capsys, tmp_path):
    out = tmp_path / "points.jsonl"
    call = ("sample", "--space", "vae", "--points", "5", "--json")
    once = said(capsys, *call)
    assert said(capsys, *call, "--out", str(out)) == ""
    assert out.read_text() == once
    lines = [json.loads(line) for line in once.splitlines()]
    assert len(lines) == 5
    assert {"point", "words", "ended", "novel", "valid"} == set(lines[0])
    assert said(capsys, *call, "--how", "prior") != once


def test_the_table_of_one_language_as_json(capsys, tmp_path):
    held = tmp_path / "held.txt"
    held.write_text("Is it a red ball?\nwhere are the balls\n")
    text = said(
        capsys, "table", "--language", "toy", "--points", "20", "--held-out", str(held), "--json"
    )
    [table] = json.loads(text)
    assert (table["points"], table["held_out"], table["bundled"]) == (20, 2, False)
    assert {row["name"] for row in table["rows"]} >= {"ariel", "ariel_lm", "vae", "ae"}
    first = table["rows"][0]
    assert first["figures"]["valid"] == {
        "value": 1.0,
        "low": pytest.approx(0.839, abs=1e-3),
        "high": 1.0,
        "n": 20,
    }


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("decode", "0.5"), "1 coordinates"),
        (("decode", "0.5,nan"), "nan"),
        (("decode", "here"), "no point"),
        (("encode", "is it a quark"), "quark"),
        (("encode", ""), "no word"),
        (("encode", "--space", "vea", "is it a ball"), "Did you mean 'vae'"),
        (("encode", "--language", "latin", "is it"), "Unknown language"),
        (("encode", "--dimensions", "0", "is it a ball"), "0 dimensions"),
        (("encode", "ball " * 500), "500 words"),
        (("encode", "--space", "ae", "--dimensions", "16", "ball " * 500), "500 words"),
        (("decode", "1/0,1/2"), "no point"),
        (("decode", "3/2,1/2"), "Coordinate 1"),
        (("encode", "--prompt", "Once", "is it a ball"), "--model"),
        (("encode", "--model", "tiny", "--space", "vae", "a"), "ariel only"),
        (("encode", "--model", "tiny", "--language", "toy", "a"), "its own language"),
        (("encode", "--model", "tiny", "--dimensions", "65", "a"), "65 dimensions"),
        (("encode", "--model", "tiny", ""), "no word"),
        (("encode", "--model", "tiny", " ball" * 500), "500 words"),
        (("encode", "--model", "tiny", "--prompt", "word " * 400, "a"), "Shorten"),
        (("encode", "--space", "ae", "--dimensions", "3", "is it a ball"), "3 dimensions"),
        (("sample", "--points", "0"), "0 points"),
        (("table", "--held-out", "x"), "--language"),
        (("table", "--language", "toy", "--held-out", "/nowhere/x"), "cannot be read"),
        (("speed", "--points", "1"), "20 or more"),
        (("sample", "--out", "/nowhere/x"), "cannot be written"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(capsys, arguments, problem):
    assert main(["latent", *arguments]) == 2
    error = capsys.readouterr().err.strip()
    assert problem in error
    assert "\n" not in error
