"""The Loops page's questions on one loop: its anatomy, where its copies look, loops by meaning."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from explorer.analyzers.loop_copies import Stretch, near_stretch, with_new
from explorer.core.errors import InvalidParams, NotCapable
from explorer.services.asked import numbers, whole
from explorer.services.jobs import Job
from explorer.services.loops import anatomy as taken_apart
from explorer.services.loops.attention import CopyAttention, attention_of
from explorer.services.loops.meaning import STRICTNESS, meaning_loops
from explorer.services.loops.tabs import Tab

if TYPE_CHECKING:
    from explorer.services.loops.desk import LoopDesk

MOST_STRICT = 10


def loops_of(tab: Tab) -> tuple[Stretch, ...]:
    """The loops of the chosen lane, found once.

    Raises:
        NotCapable: where no run is chosen.
    """
    with tab.lock:
        trace = tab.trace
        if "stretches" not in tab.kept:
            tab.kept["stretches"] = taken_apart.loops_of(trace)
        found: tuple[Stretch, ...] = tab.kept["stretches"]
        return found


def chosen(tab: Tab, asked: Mapping[str, Any]) -> Stretch:
    """The loop that a question names by its `loop`; the longest where it names none.

    Raises:
        NotCapable: where the lane has none.
    """
    found = loops_of(tab)
    if not found:
        raise NotCapable(
            "This lane has no loop.", "Run it for more tokens, or choose another lane or method."
        )
    if asked.get("loop") is None:
        return found[taken_apart.longest(found)]
    return found[whole(asked, "loop", 0, len(found) - 1)]


def _anatomy(_desk: LoopDesk, tab: Tab, asked: Mapping[str, Any]) -> dict[str, Any]:
    with tab.lock:
        found = loops_of(tab)
        listed = [taken_apart.outline(stretch) for stretch in found]
        if not found:
            return {"loops": [], "loop": None, "anatomy": None}
        stretch = chosen(tab, asked)
        made = taken_apart.anatomy(tab.trace, stretch)
    return {"loops": listed, "loop": found.index(stretch), "anatomy": made}


def _attention(desk: LoopDesk, tab: Tab, asked: Mapping[str, Any]) -> dict[str, Any]:
    """Begin to read where a copy looks; the job's news hold what was found."""
    with tab.lock:
        trace, stretch = tab.trace, chosen(tab, asked)
    last = max(1, stretch.whole - 1)
    copy = whole(asked, "copy", 0, len(stretch.starts) - 1) if "copy" in asked else last
    model = desk.model_of(trace)
    made: list[dict[str, Any]] = []

    def work(job: Job) -> None:
        with desk.place(job):
            found = attention_of(
                model,
                trace,
                stretch,
                copy,
                cancel=job.cancel,
                progress=lambda share: job.report("reading what stands before the copy", share),
            )
        with tab.lock:
            if tab.traces and tab.trace is trace:
                tab.kept["attention"] = found
        made.append(found.as_data(model.tokenizer))
        job.report(f"Copy {copy + 1}: {found.shape[0] * found.shape[1]} heads were read.")

    return desk.begin(tab, "Attention", work, lambda _asked: {"attention": made[0]} if made else {})


def _look(desk: LoopDesk, tab: Tab, asked: Mapping[str, Any]) -> dict[str, Any]:
    with tab.lock:
        trace, found = tab.trace, tab.kept.get("attention")
    if not isinstance(found, CopyAttention):
        raise NotCapable("The attention of this loop was not read yet.", "Read it first.")
    layer, head, place = (whole(asked, name, 0, 10_000) for name in ("layer", "head", "place"))
    return found.look(layer, head, place, desk.model_of(trace).tokenizer)


def _meaning(desk: LoopDesk, tab: Tab, asked: Mapping[str, Any]) -> dict[str, Any]:
    """Begin to look for cycles of meaning; those that are new join the lane's loops."""
    strictness = asked.get("strictness", STRICTNESS)
    (strictness,) = numbers([strictness], "strictness", 1)
    if not 0 <= strictness <= MOST_STRICT:
        raise InvalidParams(
            f"'strictness' is {strictness:g}.", f"Give a number from 0 to {MOST_STRICT}."
        )
    with tab.lock:
        trace, known = tab.trace, loops_of(tab)
    model = desk.model_of(trace)
    told: list[int] = []

    def work(job: Job) -> None:
        job.report("reading the text for meaning")
        with desk.place(job):
            near = meaning_loops(
                model,
                trace,
                taken_apart.thresholds_of(trace),
                strictness=strictness,
                cancel=job.cancel,
            )
        others = [stretch for stretch in known if stretch.kind != "meaning"]
        new = [near_stretch(trace.token_ids, loop) for loop in near]
        found = tuple(with_new(others, new))
        count = sum(stretch.kind == "meaning" for stretch in found)
        with tab.lock:
            if tab.traces and tab.trace is trace:
                tab.kept["stretches"] = found
        told.append(count)
        among = f" of {len(near)}, the others overlap loops that were known" if near else ""
        job.report(f"Cycles of meaning that are new: {count}{among if count < len(near) else ''}.")

    return desk.begin(tab, "Meaning", work, lambda _asked: {"new": told[0]} if told else {})


ANSWERS: dict[str, Callable[[LoopDesk, Tab, Mapping[str, Any]], dict[str, Any]]] = {
    "anatomy": _anatomy,
    "attention": _attention,
    "look": _look,
    "meaning": _meaning,
}
