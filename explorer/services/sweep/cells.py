"""The cells of a sweep, their keys, and the lockstep runs that they are made in."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace

from explorer.core.loops import LoopThresholds
from explorer.decoders.spec import Chain
from explorer.services.generation import MAX_ROWS
from explorer.services.sweep.plan import Plan

_FORM = "sweep/1"


@dataclass(frozen=True, slots=True)
class Terms:
    """What all runs of a plan have in common.

    Attributes:
        max_new_tokens: most tokens of a continuation.
        top: alternatives kept a token.
        chat: prompts go into the chat template.
        ignore_eos: go on past the end mark.
    """

    max_new_tokens: int
    top: int
    chat: bool
    ignore_eos: bool


@dataclass(frozen=True, slots=True)
class Cell:
    """One model x decoder x prompt x seed.

    Attributes:
        key: hash of everything that decides its tokens.
        decoder: canonical spec.
    """

    key: str
    decoder: str


@dataclass(frozen=True, slots=True)
class Batch:
    """Cells of one model, prompt and seed that advance in lockstep.

    Attributes:
        model: its name.
        number: place of the prompt in the plan.
        prompt: what the model is given.
        seed: of the draws.
        cells: one a lane.
    """

    model: str
    number: int
    prompt: str
    seed: int
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class Unit:
    """What a worker is handed at once, and what is kept as one file.

    Attributes:
        id: hash of its keys; the file's name.
        model: of all its batches.
        batches: at least one.
        terms: of its runs.
    """

    id: str
    model: str
    batches: tuple[Batch, ...]
    terms: Terms

    @property
    def cells(self) -> Iterator[tuple[Batch, Cell]]:
        """Its cells, each with the batch it is of."""
        return ((batch, cell) for batch in self.batches for cell in batch.cells)


def terms_of(plan: Plan) -> Terms:
    """The terms of a plan's runs."""
    return Terms(plan.max_new_tokens, plan.top, plan.chat, plan.ignore_eos)


def cell_key(model: tuple[str, str], terms: Terms, decoder: str, prompt: str, seed: int) -> str:
    """A cell's key: equal where model, weights, terms, decoder, prompt and seed are equal.

    The device and its number format are no part of it: they are kept beside the figures.

    Args:
        model: name and digest of the weights.
        terms: of the run.
        decoder: canonical spec.
        prompt: its text.
        seed: of the draws; what does not draw is the same by every seed, and is run by one.

    >>> a = cell_key(("tiny", "sha256:0"), Terms(8, 10, False, False), "greedy", "Once", 0)
    >>> a == cell_key(("tiny", "sha256:1"), Terms(8, 10, False, False), "greedy", "Once", 0)
    False
    """
    facts = [_FORM, *model, asdict(terms), asdict(LoopThresholds()), decoder, prompt, seed]
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:32]


def batches(plan: Plan, prompts: Sequence[str], digests: Mapping[str, str]) -> Iterator[Batch]:
    """All cells of a plan, model by model, prompt by prompt, seed by seed.

    A decoder that does not draw stands under the first seed only: more of the same would
    narrow the intervals for nothing.
    """
    terms, seeds, packed = terms_of(plan), plan.seed_list, {}
    for first in (True, False):
        chains = [c for c in plan.chains if first or not c.is_deterministic]
        packed[first] = list(pack(chains, plan.lanes))
    for name in plan.model_list:
        model = (name, digests[name])
        for (number, prompt), seed in itertools.product(enumerate(prompts), seeds):
            for specs in packed[seed == seeds[0]]:
                cells = tuple(
                    Cell(cell_key(model, terms, spec, prompt, seed), spec) for spec in specs
                )
                yield Batch(name, number, prompt, seed, cells)


def pack(chains: Iterable[Chain], lanes: int) -> Iterator[tuple[str, ...]]:
    """As many specs a run as it takes, in order.

    Args:
        chains: of one prompt.
        lanes: most lanes of a run; it also holds at most `MAX_ROWS` rows.
    """
    held: list[str] = []
    rows = 0
    for chain in chains:
        width = chain.build().width
        if held and (len(held) == lanes or rows + width > MAX_ROWS):
            yield tuple(held)
            held, rows = [], 0
        held.append(chain.canonical)
        rows += width
    if held:
        yield tuple(held)


def count_cells(plan: Plan, prompts: int) -> int:
    """How many cells a plan has."""
    chains = plan.chains
    drawing = sum(not chain.is_deterministic for chain in chains)
    later = len(plan.seed_list) - 1
    return len(plan.model_list) * prompts * (len(chains) + drawing * later)


def units(
    all_batches: Iterable[Batch], plan: Plan, is_done: Callable[[str], bool]
) -> Iterator[Unit]:
    """What is left to run, some batches a unit.

    The plan is cut into units first and what is done is taken out then, so a sweep that goes
    on makes the same batches as one that was not broken off.

    Args:
        all_batches: of the plan, in order.
        plan: says how many batches a unit holds, and the terms.
        is_done: tells a finished cell by its key.
    """
    terms = terms_of(plan)
    for model, own in itertools.groupby(all_batches, key=lambda batch: batch.model):
        while group := list(itertools.islice(own, plan.runs_per_file)):
            left = [
                replace(batch, cells=tuple(c for c in batch.cells if not is_done(c.key)))
                for batch in group
            ]
            kept = tuple(batch for batch in left if batch.cells)
            if kept:
                keys = "".join(cell.key for batch in kept for cell in batch.cells)
                name = hashlib.sha256(keys.encode()).hexdigest()[:32]
                yield Unit(name, model, kept, terms)
