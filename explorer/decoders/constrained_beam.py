"""Constrained beam search: the text must hold given phrases."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pydantic import Field

from explorer.core.decoder import (
    Decoder,
    Leaf,
    Move,
    Processor,
    StageInfo,
    StepView,
    Verdict,
    sampling_law,
)
from explorer.core.deferred import torch
from explorer.core.distribution import one_hot
from explorer.core.params import Params
from explorer.processors.phrases import need_tokenizer, spellings, split_list

if TYPE_CHECKING:
    from torch import Tensor

Phrases = Sequence[Sequence[tuple[int, ...]]]
"""For each phrase, the token sequences that spell it."""


def holds(tokens: Sequence[int], sequence: Sequence[int]) -> bool:
    """True where the sequence stands somewhere in the tokens."""
    n = len(sequence)
    return any(list(tokens[i : i + n]) == list(sequence) for i in range(len(tokens) - n + 1))


def begun(tokens: Sequence[int], sequence: Sequence[int]) -> int:
    """How many tokens of the sequence, short of all, stand at the end of the tokens."""
    longest = min(len(sequence) - 1, len(tokens))
    return next((n for n in range(longest, 0, -1) if list(tokens[-n:]) == list(sequence[:n])), 0)


def progress(tokens: Sequence[int], phrases: Phrases) -> tuple[int, set[int]]:
    """(constraint tokens that stand, tokens that would add one more).

    A phrase counts by its longest spelling where it is met, by what of it has begun where not.
    """
    met, wanted = 0, set()
    open_phrases = []
    for ways in phrases:
        if any(holds(tokens, way) for way in ways):
            met += max(len(way) for way in ways)
        else:
            open_phrases.append(ways)
    best = 0
    for ways in open_phrases:
        for way in ways:
            n = begun(tokens, way)
            best = max(best, n)
            wanted.add(way[n])
    return met + best, wanted


class ConstrainedBeam(Decoder):
    """Beam search that keeps room for prefixes with more of the required phrases.

    Besides the best children, every child that begins or continues an open phrase is a
    candidate. Candidates are put into banks by the number of constraint tokens they hold, and
    the beam takes from the banks in turn, fullest first, best child first. A row may end only
    when it holds all phrases.

    Source: Post and Vilar, "Fast Lexically Constrained Decoding with Dynamic Beam Allocation",
        arXiv:1804.06609.
    Oracle: exhaustive search on a small table model
        (tests/unit/decoders/test_search.py).
    """

    def __init__(self, params: ConstrainedBeamParams, processors: Sequence[Processor] = ()) -> None:
        self.width = params.width
        self._texts = split_list(params.phrases)
        self._penalty = params.length_penalty
        self._processors = tuple(processors)
        self._phrases: Phrases | None = None
        self._sums = [0.0]
        self._finished: list[float] = []

    def advance(self, view: StepView) -> Move:
        """Choose."""
        if self._phrases is None:
            tokenizer = need_tokenizer(view.tokenizer) if self._texts else None
            self._phrases = [spellings(tokenizer, t) for t in self._texts] if tokenizer else []
        law = sampling_law(self._processors, view, scores=view.logprobs)
        continuations = [list(h[view.prompt_length :]) for h in view.histories]
        whole = sum(max(len(way) for way in ways) for ways in self._phrases)
        candidates = self._candidates(law, continuations, view)
        ended = [c for c in candidates if c[1] in view.eos_ids and c[3] == whole][: self.width]
        living = self._allocate([c for c in candidates if c[1] not in view.eos_ids])
        length = len(continuations[0]) + 1
        scale = float(length) ** self._penalty
        self._sums = [total for _, _, total, _ in living]
        finished = [*self._finished, *(total / scale for _, _, total, _ in ended)]
        self._finished = sorted(finished, reverse=True)[: self.width]
        chosen = living + ended
        if not chosen:  # every row can only end, and none may: nothing better than to let them
            chosen = ended = candidates[: self.width]
        tokens = torch.tensor([c[1] for c in chosen], device=law.device)
        parents = [c[0] for c in chosen]
        hopeless = len(self._finished) == self.width and (
            not living or living[0][2] / scale <= self._finished[-1]
        )
        return Move(
            parents=tuple(parents),
            token_ids=tuple(c[1] for c in chosen),
            logprobs=one_hot(law[parents], tokens),
            scores=tuple(c[2] / scale for c in chosen),
            done=hopeless,
            notes=tuple({"constraint_tokens": c[3], "of": whole} for c in chosen),
        )

    def _candidates(
        self, law: Tensor, continuations: Sequence[list[int]], view: StepView
    ) -> list[tuple[int, int, float, int]]:
        """(row, token, total, constraint tokens then), best total first."""
        assert self._phrases is not None
        sums = torch.tensor(self._sums, dtype=torch.float32, device=law.device)
        totals = law + sums.unsqueeze(-1)
        keep = min((2 + len(view.eos_ids)) * self.width, totals.numel())
        best = totals.flatten().topk(keep).indices.tolist()
        vocab = law.shape[-1]
        places = {(flat // vocab, flat % vocab) for flat in best}
        for row, continuation in enumerate(continuations):
            wanted = progress(continuation, self._phrases)[1]
            places |= {(row, token_id) for token_id in {*wanted, *view.eos_ids}}
            places.add((row, int(law[row].argmax())))
        found = [
            (row, token_id, float(totals[row, token_id]))
            for row, token_id in places
            if token_id < vocab
        ]
        found = sorted((c for c in found if c[2] > -math.inf), key=lambda c: (-c[2], c[0], c[1]))
        return [
            (row, token_id, total, progress([*continuations[row], token_id], self._phrases)[0])
            for row, token_id, total in found
        ]

    def _allocate(
        self, candidates: list[tuple[int, int, float, int]]
    ) -> list[tuple[int, int, float, int]]:
        """`width` candidates, taken from the banks in turn; best total first."""
        banks: dict[int, list[tuple[int, int, float, int]]] = {}
        for candidate in candidates:
            banks.setdefault(candidate[3], []).append(candidate)
        order = [banks[held] for held in sorted(banks, reverse=True)]
        taken: list[tuple[int, int, float, int]] = []
        depth = 0
        while len(taken) < self.width and any(depth < len(bank) for bank in order):
            taken += [bank[depth] for bank in order if depth < len(bank)]
            depth += 1
        return sorted(taken[: self.width], key=lambda c: -c[2])

    def conclude(self, leaves: Sequence[Leaf]) -> Sequence[Verdict | None]:
        """Rows without all phrases stand behind those with them, whatever their score."""
        phrases = self._phrases or []
        whole = sum(max(len(way) for way in ways) for ways in phrases)
        missing = [whole - progress(leaf.token_ids, phrases)[0] for leaf in leaves]
        return [
            Verdict((leaf.score or 0.0) - 1e6 * short, {"missing": short})
            for leaf, short in zip(leaves, missing, strict=True)
        ]


class ConstrainedBeamParams(Params):
    """Parameters of `constrained_beam`."""

    phrases: str = Field(
        default="",
        max_length=1000,
        description="Phrases the text must hold, separated by |; #123 is token 123.",
    )
    width: int = Field(
        default=6,
        ge=1,
        le=64,
        description="How many prefixes are kept, over all degrees of progress.",
        json_schema_extra={"slider": [1, 16, 1]},
    )
    length_penalty: float = Field(
        default=1.0,
        ge=-5,
        le=5,
        description="Scores are divided by length to this power.",
        json_schema_extra={"slider": [-1, 2, 0.1]},
    )


def build(params: ConstrainedBeamParams, processors: Sequence[Processor]) -> ConstrainedBeam:
    """The decoder of one lane."""
    return ConstrainedBeam(params, processors)


INFO = StageInfo(
    name="constrained_beam",
    title="constrained beam search",
    family="search",
    kind="chooser",
    summary="A beam that must work given phrases into the text, where they fit best.",
    look_for="The tree keeps a branch for every stage of the phrase; watch where it is let in.",
    source="Post and Vilar, Fast Lexically Constrained Decoding, arXiv:1804.06609",
    formula=r"\arg\max_x \, s(x) / |x|^{\lambda} "
    r"\quad \text{over } x \text{ that hold every phrase}",
    params=ConstrainedBeamParams,
    build=build,
)
