"""A sweep's plan: what it stands for, and what is said of a malformed one."""

from __future__ import annotations

import pytest

from explorer.core.errors import InvalidParams
from explorer.services.sweep.cells import batches, cell_key, count_cells, pack, terms_of, units
from explorer.services.sweep.plan import Plan, make_plan, read_plan

GOOD = {
    "models": ["tiny"],
    "decoders": ["greedy", "temperature:temperature=0.7|1+nucleus:p=0.8|0.95"],
    "prompts": ["Once", "Then"],
    "seeds": 3,
}


def made(**changes) -> tuple[Plan, tuple[str, ...]]:
    given = {k: v for k, v in (GOOD | changes).items() if v is not ...}
    return make_plan(given, "p.toml", None)


def test_several_values_stand_for_all_pairs() -> None:
    plan, prompts = made()
    assert [chain.canonical for chain in plan.chains] == [
        "greedy",
        "temperature:temperature=0.7+nucleus:p=0.8",
        "temperature:temperature=0.7+nucleus:p=0.95",
        "temperature:temperature=1+nucleus:p=0.8",
        "temperature:temperature=1+nucleus:p=0.95",
    ]
    assert (prompts, plan.seed_list) == (("Once", "Then"), (0, 1, 2))


def test_what_does_not_draw_runs_by_one_seed() -> None:
    plan, prompts = made(seeds=[5, 2, 5])
    cells = [(b.seed, c.decoder) for b in batches(plan, prompts, {"tiny": ""}) for c in b.cells]
    assert len(cells) == count_cells(plan, len(prompts)) == 2 * (5 + 4)
    assert [seed for seed, spec in cells if spec == "greedy"] == [5, 5]
    assert {seed for seed, _ in cells} == {5, 2}


def test_a_key_changes_with_everything_that_decides_the_result() -> None:
    terms = terms_of(made()[0])
    usual = (("tiny", "sha256:0"), terms, "greedy", "Once", 0)
    others = [
        (("tiny", "sha256:1"), *usual[1:]),
        (("other", "sha256:0"), *usual[1:]),
        (usual[0], terms_of(made(max_new_tokens=7)[0]), *usual[2:]),
        (usual[0], terms_of(made(chat=True)[0]), *usual[2:]),
        (usual[0], terms_of(made(top=3)[0]), *usual[2:]),
        (usual[0], terms_of(made(ignore_eos=True)[0]), *usual[2:]),
        (*usual[:2], "momentum", *usual[3:]),
        (*usual[:3], "Then", 0),
        (*usual[:4], 1),
    ]
    keys = {cell_key(*facts) for facts in (usual, *others)}
    assert len(keys) == len(others) + 1
    assert cell_key(*usual) == cell_key(*usual)
    # written down: an update that changed keys would run every study again
    assert cell_key(*usual) == "548e9c92f4723246fc0cee33a329eaf5"


def test_wide_decoders_share_no_run_past_its_rows() -> None:
    plan, _ = made(decoders=["beam:width=40", "beam:width=30", "greedy"], lanes=8)
    assert [len(specs) for specs in pack(plan.chains, 8)] == [1, 2]
    plan, _ = made(lanes=2)
    assert [len(specs) for specs in pack(plan.chains, 2)] == [2, 2, 1]


def test_units_are_cut_alike_whatever_is_finished() -> None:
    plan, prompts = made(lanes=2, runs_per_file=2)

    def every() -> list:
        return list(batches(plan, prompts, {"tiny": ""}))

    whole = list(units(every(), plan, lambda key: False))
    done = {cell.key for _, cell in whole[1].cells}
    left = list(units(every(), plan, done.__contains__))
    assert left == [unit for unit in whole if unit is not whole[1]]
    assert all(len(unit.batches) <= 2 for unit in whole)
    part = {next(whole[0].cells)[1].key}
    first = next(iter(units(every(), plan, part.__contains__)))
    assert [c for _, c in first.cells] == [c for _, c in whole[0].cells][1:]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"colour": 1}, "there is no key 'colour'. Keys: models, decoders"),
        ({"metric": ["rep_4"]}, "there is no key 'metric'. Did you mean 'metrics'?"),
        ({"models": ...}, "the key 'models' is missing"),
        ({"models": "tiny"}, "models: must be a list; got 'tiny'"),
        ({"models": []}, "models: must not be empty"),
        ({"models": [1]}, "models.0: must be a text; got 1"),
        ({"decoders": ["greddy"]}, "decoders: Unknown decoder 'greddy'. Did you mean 'greedy'?"),
        ({"decoders": ["nucleus:p=2"]}, "decoders: 'nucleus' cannot take p=2"),
        ({"decoders": [" "]}, "decoders: No decoding method was named"),
        ({"prompts": []}, "prompts.texts: must not be empty"),
        ({"prompts": "loops"}, "prompts: must be a list of texts, or a table"),
        ({"prompts": {"first": 2}}, "prompts: give exactly one of bundled, file and texts"),
        ({"prompts": {"bundled": "x"}}, "prompts.bundled: should be 'loops'; got 'x'"),
        ({"prompts": {"fil": "x"}}, "no key 'prompts.fil'. Did you mean 'file'?"),
        ({"prompts": {"bundled": "loops", "first": 0}}, "prompts.first: should be greater than"),
        ({"prompts": {"file": "x"}}, "prompts.file: no file is read here"),
        ({"prompts": ["a\ud800"]}, "prompts: a text is no UTF-8"),
        ({"seeds": 0}, "seeds: must be 1 to 10,000; got 0"),
        ({"seeds": True}, "seeds: must be a whole number N"),
        ({"seeds": [1, -2]}, "seeds: every seed must be 0 to 2^63 - 1"),
        ({"seeds": []}, "seeds: must hold 1 to 10,000 seeds"),
        ({"seeds": 1.5}, "seeds: must be a whole number N"),
        ({"max_new_tokens": 1e3}, "max_new_tokens: must be a whole number; got 1000.0"),
        ({"max_new_tokens": 0}, "max_new_tokens: should be greater than or equal to 1; got 0"),
        ({"engine": "spark"}, "engine: should be 'local' or 'ray'; got 'spark'"),
        ({"metrics": ["rep4"]}, "metrics: there is no 'rep4'. Did you mean 'rep_4'?"),
        ({"chat": "yes"}, "chat: must be true or false; got 'yes'"),
        ({"lanes": 65}, "lanes: should be less than or equal to 64; got 65"),
    ],
)
def test_a_malformed_plan_is_told_by_its_key(changes, said) -> None:
    with pytest.raises(InvalidParams) as told:
        made(**changes)
    assert str(told.value).startswith("'p.toml': ")
    assert said in str(told.value)


def test_a_plan_and_its_prompt_file_lie_together(tmp_path) -> None:
    path = tmp_path / "p.toml"
    path.write_text('models = ["tiny"]\ndecoders = ["greedy"]\nprompts = { file = "mine.txt" }\n')
    with pytest.raises(InvalidParams, match=r"prompts\.file: .*mine\.txt' cannot be read: No such"):
        read_plan(path)
    (tmp_path / "mine.txt").write_text("Once\n\nThen\nOnce\n")
    assert read_plan(path)[1] == ("Once", "Then")
    path.write_bytes(b"models = [")
    with pytest.raises(InvalidParams, match="is no TOML"):
        read_plan(path)
    path.write_bytes(b"\xff")
    with pytest.raises(InvalidParams, match="is not UTF-8 text"):
        read_plan(path)
    with pytest.raises(InvalidParams, match="cannot be read: No such file"):
        read_plan(tmp_path / "absent.toml")
    (tmp_path / "five.toml").write_text(
        'models = ["tiny"]\ndecoders = ["greedy"]\nprompts = { bundled = "loops", first = 5 }\n'
    )
    assert len(read_plan(tmp_path / "five.toml")[1]) == 5
