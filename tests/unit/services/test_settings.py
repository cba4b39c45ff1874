"""Settings come from the environment; where others reach the page, so does the list of models."""

from __future__ import annotations

import pytest

from explorer.core.errors import InvalidParams
from explorer.services.settings import read_settings


def test_alone_on_this_machine_any_model_may_be_named() -> None:
    assert read_settings({}).allowed_models is None
    assert read_settings({"EXPLORER_HOST": "::1"}).allowed_models is None


@pytest.mark.parametrize("env", [{"SPACE_ID": "a/b"}, {"EXPLORER_HOST": "192.168.0.7"}])
def test_where_others_reach_the_page_only_its_own_models_are_loaded(env) -> None:
    assert read_settings(env).allowed_models == ("smollm2-135m", "tiny")
    own = read_settings(env | {"EXPLORER_MODEL": "org/mine"})
    assert own.allowed_models == ("org/mine", "smollm2-135m", "tiny")


def test_a_list_overrides_and_its_first_is_the_default() -> None:
    env = {"EXPLORER_MODELS": " org/one, /models/two ,", "SPACE_ID": "a/b"}
    settings = read_settings(env)
    assert settings.model == "org/one"
    assert settings.allowed_models == ("org/one", "/models/two")
    assert read_settings({"EXPLORER_MODELS": "*", "SPACE_ID": "a/b"}).allowed_models is None
    assert read_settings({"EXPLORER_MODELS": "*"}).model == "smollm2-135m"


@pytest.mark.parametrize("text", ["zero", "-1", "0", "nan", "1e12"])
def test_a_number_that_is_none_is_named(text: str) -> None:
    with pytest.raises(InvalidParams, match="EXPLORER_PORT"):
        read_settings({"EXPLORER_PORT": text})
