"""Texts that go on from many beginnings at once, where a lab needs ids and no traces."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING

from explorer.core.deferred import torch
from explorer.core.distribution import inverse_cdf, log_normalise
from explorer.core.handle import ModelHandle
from explorer.core.noise import uniform

if TYPE_CHECKING:
    pass


def continuations(
    model: ModelHandle,
    beginnings: Sequence[Sequence[int]],
    length: int,
    *,
    seed: int | None = None,
    forbid: Callable[[Sequence[int]], Collection[int]] = lambda _: (),
    check: Callable[[], object] = bool,
) -> list[list[int]]:
    """Texts of so many ids, greedy or drawn at temperature 1, each with its beginning.

    Beginnings of one first id advance together, whatever their lengths: a row whose beginning is
    not at its end takes the beginning's next id.

    Args:
        model: whose laws.
        beginnings: ids; none empty.
        length: of a text; it is shorter where an end mark, which it keeps, follows its beginning.
        seed: decides the draws; None takes the likeliest token.
        forbid: from a text so far to the ids that may not come next.
        check: called before every forward; what it raises ends the work.

    Returns:
        One text a beginning, in order.

    Raises:
        NotCapable: if so many ids do not fit the model's context.
    """
    found: dict[int, list[int]] = {}
    for first in dict.fromkeys(ids[0] for ids in beginnings):
        places = [i for i, ids in enumerate(beginnings) if ids[0] == first]
        rows = [[first] for _ in places]
        batch = model.open_batch()
        *_, logits = batch.prefill([first])
        assert isinstance(logits, torch.Tensor)
        logits = logits.expand(len(rows), -1)
        batch.select([0] * len(rows))
        for place in range(1, length):
            check()
            logits = logits.clone()  # what the model gives is not written to
            for law, row in zip(logits, rows, strict=True):
                law[list(forbid(row))] = -torch.inf
            if seed is None:
                chosen = logits.argmax(-1).tolist()
            else:
                laws = log_normalise(logits)
                chosen = [
                    inverse_cdf(law, uniform(seed, "", row, place))
                    for law, row in zip(laws, places, strict=True)
                ]
            for i, row, token in zip(places, rows, chosen, strict=True):
                row.append(beginnings[i][place] if place < len(beginnings[i]) else token)
            if place + 1 < length:
                logits = batch.step([row[-1] for row in rows])
        found.update(zip(places, rows, strict=True))
    ends = model.tokenizer.eos_ids
    return [_ended(found[i], len(ids), ends) for i, ids in enumerate(beginnings)]


def _ended(row: list[int], begin: int, ends: frozenset[int]) -> list[int]:
    stop = next((i for i in range(begin, len(row)) if row[i] in ends), len(row) - 1)
    return row[: stop + 1]
