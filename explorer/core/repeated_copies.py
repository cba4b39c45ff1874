"""A sentence that stands again and again: the probabilities of its tokens, copy by copy."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from explorer.core.deferred import torch
from explorer.core.distribution import log_normalise
from explorer.core.forcing import forced_laws
from explorer.core.handle import ModelHandle


@dataclass(frozen=True, slots=True)
class Unit:
    """One sentence over its repetitions.

    Attributes:
        token_ids: of one copy.
        probabilities: [repetitions + 1][tokens]: p of the right token; entry 0 is the first
            occurrence.
        wins: of the same shape: True where it is the likeliest token.
    """

    token_ids: tuple[int, ...]
    probabilities: tuple[tuple[float, ...], ...]
    wins: tuple[tuple[bool, ...], ...]

    def probability(self, number: int) -> float:
        """Sum over its tokens of their probabilities at one repetition.

        >>> Unit((7, 8), ((0.25, 0.5), (0.5, 0.5)), ((False, True), (True, True))).probability(1)
        1.0
        """
        return math.fsum(self.probabilities[number])

    def improved(self, number: int) -> int:
        """How many of its tokens are likelier than at the first occurrence.

        >>> Unit((7, 8), ((0.25, 0.5), (0.5, 0.5)), ((False, True), (True, True))).improved(1)
        1
        """
        pairs = zip(self.probabilities[number], self.probabilities[0], strict=True)
        return sum(now > first for now, first in pairs)

    def won(self, number: int) -> int:
        """How many of its tokens are the likeliest.

        >>> Unit((7, 8), ((0.25, 0.5), (0.5, 0.5)), ((False, True), (True, True))).won(0)
        1
        """
        return sum(self.wins[number])


def read_copies(
    model: ModelHandle,
    prompt_ids: Sequence[int],
    rows: Sequence[tuple[int, ...]],
    repetitions: int,
) -> list[Unit]:
    """Sentences, each repeated behind one prompt, teacher-forced; all rows at once.

    Args:
        model: whose laws.
        prompt_ids: at least one id.
        rows: the ids of one copy each, none empty; at most some tens.
        repetitions: copies after the first.

    Returns:
        One unit a row, in order.

    Raises:
        NotCapable: if the copies of the longest do not fit the model's context.

    Source: Xu et al., "Learning to Break the Loop", arXiv:2206.02369 (DITTO).
    Oracle: the authors' code (golden numbers, tests/golden/test_published_loops.py).
    """
    texts = [row * (repetitions + 1) for row in rows]
    longest = max(map(len, texts))
    ids = torch.tensor([[*text, *[0] * (longest - len(text))] for text in texts])
    own, best = torch.zeros(ids.shape), torch.zeros(ids.shape, dtype=torch.bool)
    for first, logits in forced_laws(model, prompt_ids, texts):
        laws = log_normalise(logits)
        end = first + laws.shape[1]
        chosen = ids[:, first:end].to(laws.device).unsqueeze(-1)
        mine = laws.gather(-1, chosen).squeeze(-1)
        own[:, first:end] = mine.exp().cpu()
        best[:, first:end] = (laws.argmax(-1) == chosen.squeeze(-1)).cpu()
    return [
        Unit(
            row,
            tuple(map(tuple, own[i, : len(text)].view(-1, len(row)).tolist())),
            tuple(map(tuple, best[i, : len(text)].view(-1, len(row)).tolist())),
        )
        for i, (row, text) in enumerate(zip(rows, texts, strict=True))
    ]
