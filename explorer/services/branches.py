"""A tree of branches as plain data: what was forked from what, with names, notes and undo.

A tree never changes: each edit gives a new one, and `History` remembers the ones before.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from explorer.core.errors import InvalidParams, TraceFormatError
from explorer.core.types import BranchPlace, Trace
from explorer.services import checks

MAX_BRANCHES = 1_000
MAX_NAME = 200
MAX_NOTE = 10_000
REMEMBERED = 100
"""Edits that can be undone."""


@dataclass(frozen=True, slots=True)
class Branch:
    """One lane in the tree.

    Attributes:
        id: "b1", "b2", …; never used twice in a tree.
        parent: id of the branch it was forked from; None for a lane that was run from the prompt.
        at: tokens it shares with its parent.
        trace: what it holds, the shared tokens included.
        name: for people.
        note: for people.
    """

    id: str
    parent: str | None
    at: int
    trace: Trace
    name: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Tree:
    """Branches in the order they came; a parent stands before its children."""

    branches: tuple[Branch, ...] = ()
    made: int = 0

    def __getitem__(self, branch_id: str) -> Branch:
        """One branch.

        Raises:
            InvalidParams: if there is none of this id.
        """
        found = next((b for b in self.branches if b.id == branch_id), None)
        if found is None:
            raise InvalidParams(
                f"There is no branch {branch_id!r} in this tree.",
                "It may have been pruned: undo brings it back.",
            )
        return found

    def children(self, branch_id: str | None) -> tuple[Branch, ...]:
        """Branches that were forked from one; None gives the roots."""
        return tuple(b for b in self.branches if b.parent == branch_id)

    def below(self, branch_id: str) -> tuple[Branch, ...]:
        """A branch and everything that grew from it."""
        found = {self[branch_id].id}
        for branch in self.branches:
            if branch.parent in found:
                found.add(branch.id)
        return tuple(b for b in self.branches if b.id in found)

    def path(self, branch_id: str) -> tuple[Branch, ...]:
        """From the root to a branch."""
        path = [self[branch_id]]
        while path[-1].parent is not None:
            path.append(self[path[-1].parent])
        return tuple(reversed(path))

    def with_roots(self, traces: Iterable[Trace]) -> Tree:
        """The tree with lanes that were run from the prompt."""
        return self._with((trace, None, 0) for trace in traces)

    def with_forks(self, parent: str, at: int, traces: Iterable[Trace]) -> Tree:
        """The tree with forks of one of its branches.

        Raises:
            InvalidParams: if a trace does not begin with what it shares, or there are too many.
        """
        shared = self[parent].trace
        if not 0 <= at <= len(shared.steps):
            raise InvalidParams(f"Branch {parent} has no token {at}.", "Fork within it.")
        kept = list(traces)
        for trace in kept:
            if (
                trace.prompt.ids != shared.prompt.ids
                or trace.token_ids[:at] != shared.token_ids[:at]
            ):
                raise InvalidParams(
                    f"This trace does not begin as branch {parent} does.",
                    "Ids decide, not text: take the fork that was made from it.",
                )
        return self._with((trace, parent, at) for trace in kept)

    def _with(self, news: Iterable[tuple[Trace, str | None, int]]) -> Tree:
        branches, made = list(self.branches), self.made
        for trace, parent, at in news:
            made += 1
            branches.append(Branch(f"b{made}", parent, at, trace, _usual_name(trace, parent, at)))
        if len(branches) > MAX_BRANCHES:
            raise InvalidParams(
                f"A tree holds at most {MAX_BRANCHES:,} branches.", "Prune some first."
            )
        return Tree(tuple(branches), made)

    def renamed(self, branch_id: str, name: str) -> Tree:
        """The tree with another name on a branch."""
        return self._changed(replace(self[branch_id], name=_short("A name", name, MAX_NAME)))

    def annotated(self, branch_id: str, note: str) -> Tree:
        """The tree with another note on a branch."""
        return self._changed(replace(self[branch_id], note=_short("A note", note, MAX_NOTE)))

    def _changed(self, branch: Branch) -> Tree:
        return replace(
            self, branches=tuple(branch if b.id == branch.id else b for b in self.branches)
        )

    def pruned(self, branch_id: str) -> Tree:
        """The tree without a branch and what grew from it."""
        gone = {b.id for b in self.below(branch_id)}
        return replace(self, branches=tuple(b for b in self.branches if b.id not in gone))

    def outline(self) -> list[dict[str, object]]:
        """What a page needs to draw it: no traces."""
        return [
            {
                "id": b.id,
                "parent": b.parent,
                "at": b.at,
                "name": b.name,
                "note": b.note,
                "decoder": b.trace.decoder,
                "given": b.trace.given,
                "tokens": len(b.trace.steps),
                "stop_reason": str(b.trace.stop_reason),
                "text": b.trace.text,
            }
            for b in self.branches
        ]

    def traces(self) -> tuple[Trace, ...]:
        """All branches as traces that say where they stood, for a file; `regrown` reads them."""
        return tuple(
            replace(b.trace, branch=BranchPlace(b.id, b.parent, b.at, b.name, b.note))
            for b in self.branches
        )


def regrown(traces: Iterable[Trace], made: int = 0) -> Tree:
    """A tree from the traces of a file.

    Ids are given anew, so that files can be joined. A trace that names no parent, or one that
    stands nowhere before it, was run from the prompt, as far as the file says.

    Args:
        traces: with their places, as `Tree.traces` gives them, or without.
        made: ids that are used up.

    Raises:
        TraceFormatError: for a trace that does not begin as its parent does, or a text too long.
    """
    tree, here = Tree(made=made), dict[str, str]()
    for trace in traces:
        place = trace.branch
        plain = replace(trace, branch=None)
        parent = here.get(place.parent) if place and place.parent else None
        try:
            if place is None or parent is None:
                tree = tree.with_roots([plain])
            else:
                tree = tree.with_forks(parent, place.at, [plain])
            if place is not None:
                new = tree.branches[-1].id
                here[place.id] = new
                tree = tree.renamed(new, place.name or tree[new].name).annotated(new, place.note)
        except InvalidParams as error:
            name = "?" if place is None else place.id[:20]
            raise TraceFormatError(
                f"Branch {name!r} does not fit its tree: {error.message}", "Save it again."
            ) from None
    return tree


@dataclass(slots=True)
class History:
    """A tree and its past: `do` an edit, `undo` it, `redo` it.

    Attributes:
        tree: the present one.
    """

    tree: Tree = field(default_factory=Tree)
    _past: list[Tree] = field(default_factory=list)
    _future: list[Tree] = field(default_factory=list)

    def do(self, tree: Tree) -> Tree:
        """An edited tree becomes the present one; what was undone is gone."""
        if tree != self.tree:
            self._past = [*self._past, self.tree][-REMEMBERED:]
            self._future = []
            # Ids of undone branches stay used: a name on paper keeps meaning one branch.
            self.tree = replace(tree, made=max(tree.made, self.tree.made))
        return self.tree

    def keep_within(self, tokens: int) -> None:
        """Forget the oldest trees where the traces of the past hold more tokens than that.

        A trace that stands in several trees counts once.
        """
        seen = {id(b.trace): len(b.trace.steps) for b in self.tree.branches}
        kept: list[Tree] = []
        for tree in reversed(self._past):
            seen |= {id(b.trace): len(b.trace.steps) for b in tree.branches}
            if sum(seen.values()) > tokens:
                break
            kept.append(tree)
        self._past = kept[::-1]

    def undo(self) -> Tree:
        """The tree before the latest edit; the same one where there is none."""
        if self._past:
            self._future.append(self.tree)
            self.tree = replace(self._past.pop(), made=self.tree.made)
        return self.tree

    def redo(self) -> Tree:
        """The tree before the latest `undo`."""
        if self._future:
            self._past.append(self.tree)
            self.tree = replace(self._future.pop(), made=self.tree.made)
        return self.tree

    @property
    def can_undo(self) -> bool:
        """There is an edit to undo."""
        return bool(self._past)

    @property
    def can_redo(self) -> bool:
        """There is one to do again."""
        return bool(self._future)


def _usual_name(trace: Trace, parent: str | None, at: int) -> str:
    if parent is None:
        return trace.decoder[:MAX_NAME]
    if trace.given > at:
        shown = "".join(trace.pieces.get(i, "") for i in trace.token_ids[at : trace.given])
        return f"{shown!r} at {at}"[:MAX_NAME]
    return f"from {at}: {trace.noise.lane or trace.decoder}"[:MAX_NAME]


def _short(what: str, text: str, most: int) -> str:
    if len(text) > most:
        raise InvalidParams(
            f"{what} of {len(text):,} characters is too long.", f"At most {most:,}."
        )
    return checks.text(what, text)
