"""The Loops page's question on the graph of tokens: figures of every lane, and where it turned."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from explorer.analyzers.token_graph import token_graph
from explorer.core.circular_depth import circular_depth
from explorer.core.types import Trace
from explorer.services.loops.tabs import Tab

if TYPE_CHECKING:
    from explorer.services.loops.desk import LoopDesk


def graph_data(trace: Trace) -> dict[str, Any]:
    """The graph of a lane in figures, and every token that momentum decoding refused.

    Returns:
        `TokenGraph.as_data`, and `turns`: for each token that was not the likeliest because of
        its circles {step, refused: its piece, depth: circular depth of what was refused, paid:
        log p of it less that of the token taken, nats, resistance: of the token taken}, and
        `resistance`: all that was paid along the walk.
    """
    graph = token_graph(trace.prompt.ids, trace.token_ids)
    before = [*trace.prompt.ids]
    turns = []
    for index, step in enumerate(trace.steps):
        if step.notes.get("rerouted") and step.top:
            best = step.top[0]
            turns.append(
                {
                    "step": index,
                    "refused": trace.pieces.get(best.token_id, ""),
                    "depth": circular_depth(before, best.token_id),
                    "paid": round(best.logprob + step.surprisal, 6),
                    "resistance": step.notes.get("resistance", 0.0),
                }
            )
        before.append(step.token_id)
    paid = sum(float(step.notes.get("resistance", 0.0)) for step in trace.steps)
    return {"decoder": trace.decoder, **graph.as_data(), "turns": turns, "resistance": paid}


def _graph(_desk: LoopDesk, tab: Tab, _asked: Mapping[str, Any]) -> dict[str, Any]:
    with tab.lock:
        traces = tab.traces
        if "graph" not in tab.kept and traces:
            tab.kept["graph"] = [graph_data(trace) for trace in traces]
        return {"lanes": tab.kept.get("graph", [])}


ANSWERS: dict[str, Callable[[LoopDesk, Tab, Mapping[str, Any]], dict[str, Any]]] = {
    "graph": _graph,
}
