"""Pictures of a sweep: which there are, and that their numbers are the table's."""

from __future__ import annotations

from explorer.core.intervals import Figure
from explorer.core.results import Heatmap, Series
from explorer.services.sweep.pictures import pictures, summary_table
from explorer.services.sweep.plan import SHOWN, make_plan
from explorer.services.sweep.report import report_data
from explorer.services.sweep.summary import MOST_REASONS, OTHER_REASONS, Summary, summarize

PLAN = {
    "models": ["one"],
    "decoders": ["greedy", "temperature:temperature=1|0.5+nucleus:p=0.8|0.9|0.95", "top_k:k=9"],
    "prompts": ["a", "b", "c"],
    "metrics": list(SHOWN),
}


def counted(seeds: int = 2, **changes) -> tuple[Summary, list[dict]]:
    plan, prompts = make_plan(PLAN | changes, "p", None)
    rows = []
    for model in plan.model_list:
        for place, chain in enumerate(plan.chains):
            for prompt in range(len(prompts)):
                for seed in range(seeds):
                    rows.append(
                        {
                            "model": model,
                            "decoder": chain.canonical,
                            "prompt": prompt,
                            "error": None,
                            "dtype": "float32",
                            "device": "cpu",
                            "metrics": {
                                "loop_rate": float(seed == 0 and prompt < place),
                                "rep_4": 0.1 * prompt + 0.01 * seed,
                                "distinct_2": None,
                                "mean_entropy": place + 0.5 * prompt,
                                "perplexity": 5.0,
                            },
                        }
                    )
    return summarize(plan, rows), rows


def test_every_metric_is_drawn_over_every_parameter_and_pair() -> None:
    summary, _ = counted()
    found = {(p.metric, p.over): p.result for p in pictures(summary)}
    assert {over for _, over in found} == {"temperature", "nucleus.p", "temperature x nucleus.p"}
    curves = found["loop rate", "nucleus.p"]
    assert isinstance(curves, Series)
    assert [(line.name, line.x) for line in curves.lines] == [
        ("temperature+nucleus, temperature=1", (0.8, 0.9, 0.95)),
        ("temperature+nucleus, temperature=0.5", (0.8, 0.9, 0.95)),
    ]
    by_spec = {group.decoder: group.figures["loop_rate"] for group in summary.groups}
    shown = by_spec["temperature:temperature=0.5+nucleus:p=0.9"]
    assert (curves.lines[1].y[1], curves.lines[1].low[1]) == (shown.value, shown.low)
    # a metric that no run has leaves no curve, and a map without values
    assert ("distinct-2", "nucleus.p") not in found
    empty = found["distinct-2", "temperature x nucleus.p"]
    assert {value for row in empty.values for value in row} == {None}
    grid = found["mean entropy", "temperature x nucleus.p"]
    assert isinstance(grid, Heatmap)
    assert (grid.columns, grid.rows, grid.unit) == (("0.5", "1"), ("0.8", "0.9", "0.95"), "nats")
    # decoder number 5 of the plan, the second at T = 0.5
    assert grid.values[1][0] == 5 + 0.5
    assert {n for row in grid.n for n in row} == {3}


def test_means_are_over_prompts_and_over_runs_where_there_is_one() -> None:
    summary, _ = counted()
    assert summary.groups[0].figures["rep_4"].n == 3
    assert summary.groups[0].figures["rep_4"].value == 0.105
    assert summary.groups[0].figures["rep_4"].low == 0.0  # a share is no less than none
    one, _ = counted(prompts=["a"], seeds=4)
    assert one.groups[0].figures["rep_4"].n == 4
    alone, _ = counted(prompts=["a"], seeds=1)
    assert alone.groups[0].figures["rep_4"].n == 1
    plain = alone.as_data()["groups"][0]["figures"]["rep_4"]
    assert plain == {"value": 0.0, "low": None, "high": None, "n": 1}


def test_several_models_are_curves_of_their_own_and_a_map() -> None:
    summary, _ = counted(models=["one", "two"])
    found = {(p.metric, p.over): p.result for p in pictures(summary)}
    grid = found["perplexity", "model"]
    assert grid.columns == ("one", "two")
    assert len(grid.rows) == 8
    assert len(found["perplexity", "nucleus.p"].lines) == 4
    maps = [over for metric, over in found if metric == "perplexity" and " x " in over]
    assert maps == [
        "temperature x nucleus.p (one, temperature+nucleus)",
        "temperature x nucleus.p (two, temperature+nucleus)",
    ]


def test_the_table_has_every_figure_with_its_interval_and_n() -> None:
    summary, _ = counted()
    table = summary_table(summary)
    assert table.columns[:9] == (
        "model", "decoder", "runs", "prompts", "failed", "loop rate", "95 % from", "to", "n",
    )  # fmt: skip
    figure = summary.groups[1].figures["loop_rate"]
    assert isinstance(figure, Figure)
    assert table.rows[1][:9] == (
        "one", "temperature:temperature=1+nucleus:p=0.8", 6, 3, 0,
        figure.value, figure.low, figure.high, 6,
    )  # fmt: skip
    assert None in table.rows[0]


def test_reasons_are_told_apart_up_to_a_hundred() -> None:
    plan, prompts = make_plan(PLAN, "p", None)
    row = {"model": "one", "decoder": "greedy", "prompt": 0}
    summary = summarize(plan, [row | {"error": f"reason {k}"} for k in range(150)] * 2)
    assert len(summary.errors) == MOST_REASONS + 1
    assert summary.errors["reason 7"] == 2
    assert summary.errors[OTHER_REASONS] == 100
    assert summary.failed == summary.cells == 300
    said = report_data(plan, len(prompts), summary)["said"]
    assert "2 cells failed: reason 7" in said


def test_cells_of_several_devices_are_told_to_be_mixed() -> None:
    plan, prompts = make_plan(PLAN, "p", None)
    _, rows = counted()
    rows[3] |= {"dtype": "bfloat16", "device": "cuda"}
    said = report_data(plan, len(prompts), summarize(plan, rows))["said"]
    mixed = "Cells were made in float32 on cpu and in bfloat16 on cuda: these figures mix them."
    assert mixed in said
