"""What one tab has on the Traces page, and how much that may be."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from explorer.core.errors import NotCapable
from explorer.core.types import Trace
from explorer.services.branches import Branch, History, Tree
from explorer.services.jobs import Job
from explorer.services.replay import MAX_LANES, replay

MOST_KEPT_TOKENS = 400_000
"""Of all that a tab holds, what can be undone included: a token is some kilobytes."""
MOST_SHOWN_TOKENS = 12_000
"""Of all lanes beside each other: more take a browser many seconds to draw."""


@dataclass
class Tab:
    """What one tab has on the page.

    Attributes:
        session: whose.
        history: its branches and their past.
        shown: ids of those beside each other.
        name: of the file.
        findings: of those that were verified, by id.
        job: the latest work.
        lock: held while the rest changes.
    """

    session: str
    history: History = field(default_factory=History)
    shown: tuple[str, ...] = ()
    name: str = ""
    findings: dict[str, dict[str, Any]] = field(default_factory=dict)
    job: Job | None = None
    lock: threading.RLock = field(default_factory=threading.RLock)

    @property
    def tree(self) -> Tree:
        """The branches on the page."""
        return self.history.tree

    def do(self, tree: Tree) -> None:
        """An edit; the oldest ones are forgotten where the past grows large."""
        self.history.do(tree)
        self.history.keep_within(MOST_KEPT_TOKENS)

    def end_work(self) -> None:
        """Whatever is under way ends within a token."""
        if self.job is not None:
            self.job.cancel.set()

    def work(self) -> dict[str, object] | None:
        """What is under way, for the page."""
        return None if self.job is None or self.job.done else self.job.as_data()


def check_room(tree: Tree, more: int) -> None:
    """Refuse more tokens than a tab may hold.

    Raises:
        NotCapable: for more.
    """
    held = sum(len(branch.trace.steps) for branch in tree.branches)
    if held + more > MOST_KEPT_TOKENS:
        raise NotCapable(
            f"The branches hold {held:,} tokens; {more:,} more are too many.",
            f"At most {MOST_KEPT_TOKENS:,}: prune some, or fork for fewer tokens.",
        )


def run_of(trace: Trace) -> str:
    """What lanes must share to stand beside each other."""
    return f"{trace.model.digest or trace.model.id} {hash(trace.prompt.ids)}"


def of_one_run(tree: Tree, branch_id: str) -> tuple[str, ...]:
    """The branches that can stand beside one, in order, at most a page of them."""
    run = run_of(tree[branch_id].trace)
    found = [b.id for b in tree.branches if run_of(b.trace) == run]
    first = found.index(branch_id) // MAX_LANES * MAX_LANES
    return tuple(found[first : first + MAX_LANES])


def lines_of(branches: Sequence[Branch]) -> str:
    """The wire's lines of some branches; a fork says from where, a long one where it is cut."""
    if not branches:
        return ""
    share = MOST_SHOWN_TOKENS // len(branches)
    shown = [_shown(branch, share) for branch in branches]
    return replay([trace for trace, _ in shown], [name for _, name in shown]).ndjson


def _shown(branch: Branch, most: int) -> tuple[Trace, str]:
    """What the page shows of a branch, and what it says behind the lane's title."""
    trace, name = branch.trace, branch.name if branch.parent else ""
    if len(trace.steps) <= most:
        return trace, name
    cut = replace(trace, steps=trace.steps[:most], loops=(), hypotheses=())
    return cut, " · ".join(filter(None, (name, f"the first {most:,} tokens")))
