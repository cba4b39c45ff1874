"""The Loops page's questions on the escape board: where it may begin, the board, what it made."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from explorer.analyzers.leaving import Verdict, find_exit, returns
from explorer.core.detokenize import piece
from explorer.core.errors import InvalidParams, NotCapable
from explorer.core.types import Loop, Trace
from explorer.decoders.spec import parse
from explorer.services import checks
from explorer.services.asked import whole
from explorer.services.generation import second_models
from explorer.services.jobs import Job
from explorer.services.loops.escape import Board, Plan
from explorer.services.loops.escape_methods import catalogue
from explorer.services.loops.escape_place import Place, find_place, real_loops
from explorer.services.loops.escape_report import Report
from explorer.services.loops.tabs import Tab

if TYPE_CHECKING:
    from explorer.services.loops.desk import LoopDesk

MOST_LANES = 64
MOST_TOKENS = 512
MOST_SPECS = 64
_KEPT = "escape"


def traces_of(tab: Tab) -> tuple[Trace, ...]:
    """The lanes of a tab's board, for saving.

    Raises:
        NotCapable: where there is none.
    """
    report: Report | None = tab.kept.get(_KEPT)
    if report is None:
        raise NotCapable("There is no board to save yet.", "Run one first.")
    return report.traces


def _places(desk: LoopDesk, tab: Tab, _asked: Mapping[str, Any]) -> dict[str, Any]:
    """Where a board may begin on the chosen lane."""
    with tab.lock:
        trace, report = tab.trace, tab.kept.get(_KEPT)
    loops = real_loops(trace)
    places = [_place(trace, find_place(trace, _end(loop))) for loop in loops]
    return {
        "loops": places,
        "at": find_place(trace).at if loops else None,
        "methods": _methods(),
        "most_lanes": MOST_LANES,
        "most_tokens": min(MOST_TOKENS, desk.limits.tokens),
        "board": None if report is None else _board(report),
    }


def _end(loop: Loop) -> int:
    return loop.onset + round(loop.copies * loop.period)


def _place(trace: Trace, place: Place) -> dict[str, Any]:
    loop = place.loop
    return {
        "onset": loop.onset,
        "period": loop.period,
        "least": place.least,
        "most": place.most,
        "unit": [trace.pieces.get(i, "") for i in place.unit],
    }


@cache
def _methods() -> list[list[Any]]:
    return [
        [heading, [[spec, parse(spec).title] for spec in specs]] for heading, specs in catalogue()
    ]


def _escape(desk: LoopDesk, tab: Tab, asked: Mapping[str, Any]) -> dict[str, Any]:
    """Begin a board; "job" tells how far it is, and what it has made."""
    trace = tab.trace
    place = find_place(trace, whole(asked, "at", 0, len(trace.steps)))
    plan = Plan(
        tuple(_specs(asked.get("decoders"))),
        whole(asked, "draws", 1, MOST_LANES),
        whole(asked, "tokens", 1, min(MOST_TOKENS, desk.limits.tokens)),
        MOST_LANES,
    )
    others = second_models([method.chain.canonical for method, _ in plan.ways()])
    for name in others:
        desk.models.allow(name)
    boards: list[Board] = []
    reports: list[Report] = []

    def work(job: Job) -> None:
        model = desk.model_of(trace)
        seconds = {name: desk.models.get(name) for name in others}
        board = Board(model, trace, place, plan, cancel=job.cancel, second_models=seconds)
        steps = plan.max_new_tokens * len(board.runs)

        began = time.monotonic()

        def told(run: int, token: int) -> None:
            if time.monotonic() - began > desk.limits.seconds:
                board.cancel.set()
            part = f", part {run + 1} of {len(board.runs)}" if len(board.runs) > 1 else ""
            said = f"token {token} of {plan.max_new_tokens} at most{part}"
            job.report(said, (run * plan.max_new_tokens + token) / steps)

        boards.append(board)
        with desk.place(job):
            began = time.monotonic()
            board.run(told)
            job.report("reading what was said without the loop before it")
            report = board.report()
        with tab.lock:
            if tab.traces and tab.trace is trace:
                tab.kept[_KEPT] = report
        job.report(_ended(report))
        reports.append(report)

    def news(question: Mapping[str, Any]) -> dict[str, Any]:
        if reports:
            return {"board": _board(reports[0])}
        return {"live": _live(boards[0], question.get("have"))} if boards else {}

    return desk.begin(tab, "The board", work, news)


def _specs(asked: Any) -> Sequence[str]:
    if not isinstance(asked, list) or not all(isinstance(spec, str) for spec in asked):
        raise InvalidParams(f"'decoders' is {checks.shown(asked)}.", "Give a list of specs.")
    if len(asked) > MOST_SPECS:
        raise InvalidParams(f"{len(asked)} specs were given.", f"At most {MOST_SPECS}.")
    return asked


def _ended(report: Report) -> str:
    left = sum(row.left.exit is not None for row in report.rows)
    stopped = " Stopped: lanes may be shorter, without coherence." if report.stopped else ""
    failed = sum(row.left.verdict is Verdict.FAILED for row in report.rows)
    told = f" In {failed} numbers failed." if failed else ""
    return f"{left} of {len(report.rows)} lanes left the loop.{stopped}{told}"


def _live(board: Board, have: Any) -> dict[str, Any]:
    """What lanes have said since: `have` tells how much of each the page has."""
    known = have if isinstance(have, list) and len(have) == len(board.lanes) else []
    lanes = []
    unit, done = board.place.unit, board.place.done
    for number, lane in enumerate(board.lanes):
        ids = board.said(number)
        since = known[number] if known else 0
        # A search may have changed its mind: all of it is told again.
        keeps = lane.width == 1 and isinstance(since, int) and 0 <= since <= len(ids)
        since = since if keeps else 0
        left = find_exit(unit, done, ids)
        back = [] if left is None else returns(unit, ids[left:])
        lanes.append(
            {
                "from": since,
                "pieces": [piece(board.model.tokenizer, i) for i in ids[since:]],
                "exit": left,
                "loops": [[x.first + (left or 0), x.end + (left or 0), x.same] for x in back],
            }
        )
    live: dict[str, Any] = {"lanes": lanes, "tokens": board.plan.max_new_tokens}
    if not known:
        live["names"] = [[lane.label, lane.chain.canonical, lane.draw] for lane in board.lanes]
    return live


def _board(report: Report) -> dict[str, Any]:
    """A report, with the pieces of every lane."""
    data = report.as_data()
    for row, told in zip(report.rows, data["rows"], strict=True):
        told["pieces"] = [row.trace.pieces.get(i, "") for i in row.trace.token_ids[report.at :]]
    return data


ANSWERS: dict[str, Callable[[LoopDesk, Tab, Mapping[str, Any]], dict[str, Any]]] = {
    "escape_places": _places,
    "escape": _escape,
}
