"""Named orders: the same stages as other programs run them."""

from __future__ import annotations

import pytest

from explorer.core.errors import UnknownName
from explorer.decoders import CATALOG
from explorer.decoders.orders import ORDERS, reordered
from explorer.decoders.spec import parse


def names(spec: str, order: str) -> list[str]:
    chain = reordered(parse(spec), order)
    last = [chain.chooser.info.name] if chain.explicit_chooser else []
    return [stage.info.name for stage in chain.processors] + last


def test_transformers_runs_the_temperature_first_and_eta_last() -> None:
    spec = "eta+epsilon+locally_typical+min_p+nucleus+top_k+top_h+temperature"
    assert names(spec, "transformers") == [
        "temperature", "top_h", "top_k", "nucleus", "min_p", "locally_typical", "epsilon", "eta",
    ]  # fmt: skip


def test_llama_cpp_runs_penalties_first_and_the_temperature_last() -> None:
    spec = (
        "temperature+xtc+min_p+nucleus+locally_typical+top_k+top_n_sigma+dry"
        "+presence_penalty+frequency_penalty+repetition_penalty+greedy"
    )
    assert names(spec, "llamacpp") == [
        "repetition_penalty", "frequency_penalty", "presence_penalty", "dry", "top_n_sigma",
        "top_k", "locally_typical", "nucleus", "min_p", "xtc", "temperature", "greedy",
    ]  # fmt: skip


def test_stages_that_an_order_does_not_name_go_first_in_their_own_order() -> None:
    spec = "nucleus+no_repeat_ngram+temperature+min_length+mirostat"
    wanted = ["no_repeat_ngram", "min_length", "temperature", "nucleus", "mirostat"]
    assert names(spec, "transformers") == wanted


def test_a_dynamic_temperature_stands_where_the_temperature_does() -> None:
    assert names("dynamic_temperature+top_k", "llamacpp") == ["top_k", "dynamic_temperature"]
    assert names("top_k+dynamic_temperature", "transformers") == ["dynamic_temperature", "top_k"]


@pytest.mark.parametrize("order", list(ORDERS))
def test_parameters_stay_and_a_second_time_changes_nothing(order: str) -> None:
    chain = parse('top_k:k=7+forced:begin="a+b",end=false+temperature:temperature=0.3+beam')
    once = reordered(chain, order)
    assert sorted(once.canonical.split("+")) == sorted(chain.canonical.split("+"))
    assert reordered(once, order) == once


def test_orders_name_processors_of_the_catalogue_only() -> None:
    for order in ORDERS.items():
        assert all(CATALOG[name].kind == "processor" for name in order.stages)
        assert order.others in ("first", "last")


def test_an_unknown_order_is_refused_with_the_right_name() -> None:
    with pytest.raises(UnknownName, match="Did you mean 'llamacpp'"):
        reordered(parse("top_k"), "llama.cpp")
