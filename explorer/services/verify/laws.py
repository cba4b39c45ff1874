"""The figures of the model's law p in a trace, against the law itself."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from explorer.core.deferred import torch
from explorer.core.distribution import entropy_and_varentropy, log_normalise
from explorer.core.types import TokenStep
from explorer.services.verify.findings import Failed, Findings, Mismatch
from explorer.services.verify.tolerance import Tolerance

if TYPE_CHECKING:
    from torch import Tensor


class Laws:
    """The laws of some neighbouring tokens of one row, and what a trace says of them.

    Args:
        logits: [tokens, vocab] float32, raw.
        steps: the tokens.
        allowed: how far figures may differ.
        pieces: how tokens are shown.
    """

    def __init__(
        self,
        logits: Tensor,
        steps: Sequence[TokenStep],
        allowed: Tolerance,
        pieces: dict[int, str],
    ) -> None:
        self.logits, self.logprobs = logits, log_normalise(logits)
        self._steps, self._allowed, self._pieces = steps, allowed, pieces
        chosen = torch.tensor([s.token_id for s in steps], device=logits.device).unsqueeze(1)
        own = self.logprobs.gather(1, chosen)
        mean, variance = entropy_and_varentropy(self.logprobs)
        # Two tokens may each move by the tolerance, towards each other.
        reach = 2 * allowed.nats
        ranks = torch.stack(
            [(self.logprobs > own + d).sum(dim=1) for d in (reach, 0.0, -reach)], dim=1
        )
        ranks[:, 2] -= (own[:, 0] > -math.inf).long()  # a token is not likelier than itself
        self._own, self._ranks = own[:, 0].tolist(), ranks.tolist()
        self._mean, self._variance = mean.tolist(), variance.tolist()
        most = max((len(s.top) for s in steps), default=1)
        self._likeliest = self.logprobs.topk(min(max(1, most), self.logprobs.shape[1])).values

    def check(self, i: int, found: Findings) -> None:
        """Compare the figures of one token, the first mismatch first.

        Args:
            i: its place among the steps.
            found: told of the largest differences that pass.

        Raises:
            Failed: with the first figure that is off.
        """
        step, allowed = self._steps[i], self._allowed
        if not math.isfinite(self._mean[i]):
            raise Failed(self._off(step, "tokens.surprisal", step.surprisal, "nothing: NaN"))
        self._near(step, "surprisal", step.surprisal, -self._own[i], allowed.nats, found)
        self._near(step, "entropy", step.entropy, self._mean[i], allowed.nats, found)
        bound = allowed.varentropy(self._variance[i])
        self._near(step, "varentropy", step.varentropy, self._variance[i], bound, found)
        low, exact, high = self._ranks[i]
        if not low <= step.rank <= high:
            near = f"{exact}" if low == high else f"{exact} (from {low} to {high} by rounding)"
            raise Failed(self._off(step, "tokens.rank", step.rank, near))
        self._check_top(i, step, found)

    def _check_top(self, i: int, step: TokenStep, found: Findings) -> None:
        ids = [c.token_id for c in step.top]
        if len(set(ids)) < len(ids) or len(ids) > self._likeliest.shape[1]:
            raise Failed(self._off(step, "tokens.top_ids", ids, "each token once"))
        row = self.logprobs[i]
        if not all(0 <= token_id < len(row) for token_id in ids):
            raise Failed(self._off(step, "tokens.top_ids", ids, f"ids below {len(row)}"))
        places = torch.tensor(ids, dtype=torch.long, device=row.device)
        values, best = row[places].tolist(), self._likeliest[i, : len(ids)].tolist()
        reach = 2 * self._allowed.nats
        for k, candidate in enumerate(step.top):
            if values[k] < best[k] - reach:
                right = int(row.topk(k + 1).indices[k])
                raise Failed(
                    self._off(
                        step,
                        f"tokens.top_ids (place {k})",
                        candidate.token_id,
                        f"{right} {self._pieces.get(right, '')!r}",
                    )
                )
            name = f"top_logprobs (place {k})"
            self._near(step, name, candidate.logprob, values[k], self._allowed.nats, found)
        for candidate in step.extra:
            if candidate.token_id in ids or not 0 <= candidate.token_id < len(row):
                raise Failed(self._off(step, "tokens.extra_ids", candidate.token_id, "none of top"))
            value = float(row[candidate.token_id])
            self._near(step, "extra_logprobs", candidate.logprob, value, self._allowed.nats, found)

    def _near(
        self, step: TokenStep, name: str, said: float, is_so: float, bound: float, found: Findings
    ) -> None:
        difference = 0.0 if said == is_so else abs(said - is_so)  # -inf is like -inf
        if not difference <= bound:
            raise Failed(self._off(step, f"tokens.{name}", f"{said:.6f}", f"{is_so:.6f}", bound))
        found.saw(name.split(" ", 1)[0], difference)

    def _off(
        self,
        step: TokenStep,
        name: str,
        said: object,
        should: object,
        bound: float | None = None,
    ) -> Mismatch:
        shown = self._pieces.get(step.token_id, "")
        return Mismatch(name, str(said), str(should), step.index, shown, bound)
