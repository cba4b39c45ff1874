"""The shipped model in place of the usual one, on the command line and by name."""

from __future__ import annotations

import pytest
from fakes import ScriptedModel, hashed_script

from explorer.cli import main
from explorer.core.errors import ModelUnavailable
from explorer.services import loading
from explorer.services.model_sources import find_model
from explorer.services.settings import Settings
from explorer.services.stand_in import stand_in


@pytest.mark.parametrize(
    ("name", "settings", "expected"),
    [
        ("smollm2-135m", Settings(), "tiny"),
        ("org/other", Settings(), None),
        ("smollm2-135m", Settings(model="org/other"), None),
        ("smollm2-135m", Settings(on_space=True), "tiny"),
        ("smollm2-135m", Settings(models=("smollm2-135m",)), None),
        ("tiny", Settings(model="tiny"), None),
    ],
)
def test_only_the_usual_model_has_a_stand_in(name, settings, expected) -> None:
    assert stand_in(name, settings) == expected


@pytest.fixture
def unreachable(monkeypatch, tmp_path) -> list[str]:
    """Only the shipped model can be had; the names that were asked for."""
    asked: list[str] = []
    model = ScriptedModel(hashed_script(16))

    def load(name: str, **_: object) -> ScriptedModel:
        asked.append(name)
        if name != "tiny":
            raise ModelUnavailable(f"{name} is to be had from nowhere.", "Connect.")
        return model

    monkeypatch.setattr(loading, "load_model", load)
    monkeypatch.setenv("EXPLORER_CACHE", str(tmp_path))
    monkeypatch.delenv("EXPLORER_MODEL", raising=False)
    return asked


RUN = ["generate", "--prompt", "a b", "--decoder", "greedy", "--max-new-tokens", "3"]


def test_a_command_that_names_no_model_goes_on_with_the_shipped_one(unreachable, capsys) -> None:
    assert main(RUN) == 0
    assert unreachable == ["smollm2-135m", "tiny"]
    said = capsys.readouterr().err
    assert "smollm2-135m is to be had from nowhere" in said
    assert "'tiny' stands in" in said


def test_a_command_that_names_a_model_gets_that_one_or_none(unreachable, capsys) -> None:
    assert main([*RUN, "--model", "smollm2-135m"]) == 2
    assert unreachable == ["smollm2-135m"]
    assert "from nowhere" in capsys.readouterr().err


def test_a_latent_space_is_no_model_and_that_is_said() -> None:
    with pytest.raises(ModelUnavailable, match="latent space"):
        find_model("latent/toy/vae-2")
