"""Contrastive search: likely, and unlike anything said before."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from jaxtyping import Float
from pydantic import Field

from explorer.core.decoder import Decoder, Idle, Move, Processor, StageInfo, StepView, sampling_law
from explorer.core.deferred import torch
from explorer.core.distribution import one_hot
from explorer.core.params import Params

if TYPE_CHECKING:
    from torch import Tensor


def degeneration(
    candidates: Float[Tensor, "rows width"], context: Float[Tensor, "tokens width"]
) -> Float[Tensor, " rows"]:
    """Largest cosine similarity of each candidate's hidden state with those before it."""
    unit = torch.nn.functional.normalize(candidates, dim=-1)
    known = torch.nn.functional.normalize(context, dim=-1)
    return (unit @ known.T).amax(dim=-1)


class ContrastiveSearch(Decoder):
    """Among the k likeliest tokens, the best of (1 - alpha) p - alpha * (similarity to the past).

    The similarity is the largest cosine between the candidate's hidden state and that of any
    token before it, so every candidate must be read by the model. They are read together: the
    k candidates are rows, and the next step takes one of them. One forward a token, of k rows.

    Until it is taken the last token shown is the likeliest candidate.

    Source: Su et al., "A Contrastive Framework for Neural Text Generation", arXiv:2202.06417.
    Oracle: a slow reference that reads every candidate's whole text anew
        (tests/parity/test_contrastive_search.py).
    """

    looks_ahead = True

    def __init__(self, k: int, alpha: float, processors: Sequence[Processor] = ()) -> None:
        self.width = k
        self._alpha = alpha
        self._processors = tuple(processors)
        self._context: Tensor | None = None
        self._probs: Tensor | None = None  # of the candidates under way

    def advance(self, view: StepView) -> Move:
        """Choose."""
        if view.layers is None:
            raise ValueError("contrastive search needs hidden states in its view")
        note: dict[str, float | int] = {}
        if self._context is None or self._probs is None:
            self._context, row = view.layers.prompt, 0
        else:
            states = view.layers.last
            penalty = degeneration(states, self._context)
            scores = (1 - self._alpha) * self._probs.to(penalty) - self._alpha * penalty
            row = int(scores.argmax())
            self._context = torch.cat([self._context, states[row : row + 1]])
            note = {
                "taken_before": row,
                "degeneration_before": round(float(penalty[row]), 6),
                "score_before": round(float(scores[row]), 6),
            }
        ended = view.histories[row][-1] in view.eos_ids and self._probs is not None
        if view.steps_left == 0 or ended:
            return Move((), (), view.logprobs[:0], settled=row)
        law = sampling_law(self._processors, _only(view, row))
        best = law[0].topk(min(self.width, law.shape[-1]))
        kept = best.values > -torch.inf
        tokens, self._probs = best.indices[kept], best.values[kept].exp()
        count = len(tokens)
        return Move(
            parents=(row,) * count,
            token_ids=tuple(tokens.tolist()),
            logprobs=one_hot(law.expand(count, -1), tokens),
            scores=tuple(((1 - self._alpha) * self._probs).tolist()),
            notes=(note,) * count if note else (),
        )


def _only(view: StepView, row: int) -> StepView:
    """The view of one row."""
    second = view.second_logits
    return StepView(
        logits=view.logits[row : row + 1],
        logprobs=view.logprobs[row : row + 1],
        histories=(view.histories[row],),
        prompt_length=view.prompt_length,
        uniforms=(view.uniforms[row],),
        eos_ids=view.eos_ids,
        steps_left=view.steps_left,
        tokenizer=view.tokenizer,
        second_logits=None if second is None else second[row : row + 1],
        layers=None if view.layers is None else view.layers.rows(slice(row, row + 1)),
    )


class ContrastiveSearchParams(Params):
    """Parameters of `contrastive_search`."""

    k: int = Field(
        default=4,
        ge=1,
        le=32,
        description="Candidates compared at each step; 1 is greedy.",
        json_schema_extra={"slider": [1, 10, 1]},
    )
    alpha: float = Field(
        default=0.6,
        ge=0,
        le=1,
        description="Weight of being unlike the past; 0 is greedy.",
        json_schema_extra={"slider": [0, 1, 0.05]},
    )


def build(params: ContrastiveSearchParams, processors: Sequence[Processor]) -> ContrastiveSearch:
    """The decoder of one lane."""
    return ContrastiveSearch(params.k, params.alpha, processors)


INFO = StageInfo(
    name="contrastive_search",
    title="contrastive search",
    family="hidden states",
    kind="chooser",
    summary="Takes a likely token whose meaning in place is unlike everything before it; no "
    "relation to contrastive decoding.",
    look_for="No chance in it and yet no loops: where greedy would repeat, the degeneration of "
    "the repeated token is near 1 and another wins.",
    source="Su et al., A Contrastive Framework for Neural Text Generation, arXiv:2202.06417",
    formula=r"x = \arg\max_{v \in \text{top } k} \; "
    r"(1 - \alpha) \, p(v) - \alpha \max_{j} \cos(h_v, h_j)",
    params=ContrastiveSearchParams,
    build=build,
    layers=True,
    idle=(Idle(("alpha",), "k", "one candidate has no other to lose to.", when=(1,)),),
)
