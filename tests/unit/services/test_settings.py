"""Settings come from the environment; where others reach the page, so does the list of models."""

from __future__ import annotations

import pytest

from explorer.core.errors import InvalidParams
from explorer.services.settings import SETTINGS, read_settings, settings_rows, settings_table


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


def test_where_others_reach_the_page_limits_are_tighter_unless_set() -> None:
    env = {"EXPLORER_HOST": "0.0.0.0", "EXPLORER_MAX_TOP": "40"}
    own, public = read_settings({}), read_settings(env)
    assert public.max_prompt_chars < own.max_prompt_chars
    assert public.max_visitor_runs < own.max_visitor_runs
    assert public.max_top == 40
    assert read_settings({}, host="0.0.0.0").max_run_s == public.max_run_s


def test_what_the_command_line_names_stands_before_the_environment() -> None:
    settings = read_settings({"EXPLORER_PORT": "1", "EXPLORER_MODEL": "a/b"}, port=8, model=None)
    assert (settings.port, settings.model) == (8, "a/b")


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("EXPLORER_MAX_LANES", "9", "At most 8"),
        ("EXPLORER_MAX_LANES", "2.5", "whole number"),
        ("EXPLORER_PORT", "70000", "At most 65,535"),
        ("EXPLORER_MAX_RUN_S", "inf", "no positive number"),
    ],
)
def test_a_number_out_of_bounds_is_named(name: str, text: str, words: str) -> None:
    with pytest.raises(InvalidParams, match=f"{name}={text}.*{words}"):
        read_settings({name: text})


def test_every_setting_is_listed_with_where_it_comes_from() -> None:
    rows = {row.name: row for row in settings_rows({"EXPLORER_MAX_TOP": "7", "SPACE_ID": "a/b"})}
    assert set(rows) == {setting.variable for setting in SETTINGS}
    assert (rows["EXPLORER_MAX_TOP"].value, rows["EXPLORER_MAX_TOP"].origin) == ("7", "environment")
    assert rows["EXPLORER_MAX_RUN_S"].origin == "default where others reach the page"
    assert rows["EXPLORER_PORT"].origin == "default"
    assert rows["EXPLORER_MODELS"].value == "smollm2-135m, tiny"
    assert all(f"| `{name}` |" in settings_table() for name in rows)


@pytest.mark.parametrize(
    ("text", "value"), [("on", True), ("1", True), ("off", False), ("", False)]
)
def test_a_switch_is_on_or_off(text: str, value: bool) -> None:
    assert read_settings({"EXPLORER_MCP": text}).mcp is value
    rows = {row.name: row.value for row in settings_rows({"EXPLORER_MCP": text})}
    assert rows["EXPLORER_MCP"] == ("on" if value else "off")


def test_a_switch_that_is_neither_is_named() -> None:
    with pytest.raises(InvalidParams, match="EXPLORER_MCP=perhaps is neither on nor off"):
        read_settings({"EXPLORER_MCP": "perhaps"})


def test_cuda_graphs_are_on_until_they_are_switched_off() -> None:
    assert read_settings({}).cuda_graphs
    assert not read_settings({"EXPLORER_CUDA_GRAPHS": "off"}).cuda_graphs
