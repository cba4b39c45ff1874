"""Parameters said to do nothing do nothing: the stage answers the same with them changed."""

from __future__ import annotations

import pytest
import torch

from explorer.core.decoder import Idle, StageInfo, StepView
from explorer.core.params import describe, parse_params
from explorer.core.types import ParamValue
from explorer.decoders import CATALOG
from explorer.decoders.families import FAMILIES
from explorer.decoders.spec import parse

# Contrastive search reads hidden states, which a made-up view has not; its one rule is that a
# single candidate is taken whatever it costs.
RULES = [(info, rule) for info in CATALOG.items() if not info.layers for rule in info.idle]
OTHER_VALUES: dict[str, tuple[ParamValue, ...]] = {
    "model": ("gpt2",),
    "prompt": ("another",),
    "pretrained": ("gpt2",),
}


def view() -> StepView:
    torch.manual_seed(0)
    logits = torch.randn(1, 60) * 3
    return StepView(
        logits=logits,
        logprobs=logits.log_softmax(-1),
        histories=([3, 5, 3, 5, 3],),
        prompt_length=5,
        uniforms=(0.37,),
        second_logits=torch.randn(1, 60),
    )


def idle_value(rule: Idle, info: StageInfo) -> ParamValue:
    """A value of the deciding parameter at which the others are idle."""
    if rule.when:
        return rule.when[0]
    if rule.above is not None:
        return rule.above + 0.1
    field = next(f for f in describe(info.params) if f.name == rule.other)
    if field.type == "choice":
        return next(choice for choice in field.choices if choice not in rule.unless)
    return "0.25 0.75"


def other_value(info: StageInfo, name: str) -> ParamValue:
    field = next(f for f in describe(info.params) if f.name == name)
    if field.type == "choice":
        return next(choice for choice in field.choices if choice != field.default)
    if name in OTHER_VALUES:
        return OTHER_VALUES[name][0]
    assert isinstance(field.default, int | float)
    return type(field.default)(field.default + (1 if field.type == "int" else 0.25))


def answer(info: StageInfo, **values: ParamValue) -> torch.Tensor:
    params = parse_params(info.name, info.params, values)
    step = view()
    if info.kind == "processor":
        return info.build(params)(step.logits, step)  # type: ignore[operator,call-arg,return-value]
    decoder = info.build(params, [])  # type: ignore[call-arg]
    move = decoder.advance(step)  # type: ignore[union-attr]
    return torch.cat([torch.tensor(move.token_ids).float(), move.logprobs.flatten()])


@pytest.mark.parametrize(
    ("info", "rule"), RULES, ids=[f"{info.name}-{rule.other}" for info, rule in RULES]
)
def test_an_idle_parameter_changes_nothing(info: StageInfo, rule: Idle) -> None:
    names = {field.name for field in describe(info.params)}
    assert {rule.other, *rule.params} <= names
    assert rule.reason.endswith(".")
    value = idle_value(rule, info)
    assert rule.holds(value)
    usual = answer(info, **{rule.other: value})
    for name in rule.params:
        changed = answer(info, **{rule.other: value, name: other_value(info, name)})
        assert torch.equal(usual, changed), name


def test_a_stage_says_which_parameters_are_idle_and_why() -> None:
    assert parse("best_of_n:rule=mbr").chooser.idle == {"power": "only rule=borda counts votes."}
    assert parse("best_of_n:rule=borda").chooser.idle == {}
    assert list(parse("best_of_n:n=1").chooser.idle) == ["rule", "power"]
    assert list(parse("xtc:threshold=0.6").processors[0].idle) == ["probability"]


def test_every_family_has_a_heading_and_none_is_empty() -> None:
    assert {info.family for info in CATALOG.items()} == set(FAMILIES)
