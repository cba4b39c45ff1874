"""`reinforce`: the figures of the module as a table and as JSON, and bad input in one line."""

from __future__ import annotations

import json

import pytest
from fakes import LetterTokenizer, ScriptedModel, hashed_script

from explorer.cli import main
from explorer.services import loading
from explorer.services.loops.self_reinforcement import curve, random_units, self_reinforcement


@pytest.fixture(autouse=True)
def scripted(monkeypatch) -> ScriptedModel:
    model = ScriptedModel(hashed_script(LetterTokenizer().vocab_size))
    monkeypatch.setattr(loading, "load_model", lambda _name, **_arguments: model)
    return model


def test_the_table_has_a_row_a_repetition(capsys) -> None:
    command = ["reinforce", "--sentence", "the sea", "--sentence", "an old sea"]
    assert main([*command, "--repetitions", "2"]) == 0
    out = capsys.readouterr().out
    assert "sentences: 2, 19 tokens" in out
    assert out.split()[:1] == ["scripted;"]
    assert [line.split()[0] for line in out.splitlines()[-3:]] == ["0", "1", "2"]


def test_json_holds_the_figures_of_the_module(capsys, scripted, tmp_path) -> None:
    file = tmp_path / "s.txt"
    file.write_text("the sea\n\n an old sea \n")
    command = ["reinforce", "--sentences", str(file), "--random", "3", "--length", "4", "--json"]
    assert main([*command, "--repetitions", "2", "--seed", "5"]) == 0
    found = json.loads(capsys.readouterr().out)
    natural, random = found["series"]
    units = self_reinforcement(scripted, ["the sea", "an old sea"], repetitions=2)
    assert natural["repetitions"] == [r.as_data() for r in curve(units)]
    units = self_reinforcement(scripted, random_units(scripted.tokenizer, 3, 4, 5), repetitions=2)
    assert random["repetitions"] == [r.as_data() for r in curve(units)]
    assert (natural["sentences"], random["sentences"]) == (2, 3)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--sentence", ""], "holds no token"),
        (["--sentences", "/nowhere.txt"], "'/nowhere.txt' cannot be read"),
        (["--sentence", "a", "--repetitions", "0"], "repetitions must be at least 1"),
        (["--sentence", "a", "--random", "0"], "count must be at least 1"),
        (["--sentence", "a" * 500, "--repetitions", "100"], "8,192"),
    ],
)
def test_bad_input_is_one_line(capsys, more, said) -> None:
    assert main(["reinforce", *more]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


def test_an_empty_file_of_sentences_is_refused(capsys, tmp_path) -> None:
    file = tmp_path / "empty.txt"
    file.write_text("\n")
    assert main(["reinforce", "--sentences", str(file)]) == 2
    assert "0 sentences were given" in capsys.readouterr().err
