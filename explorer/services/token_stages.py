"""What each stage of a lane did at one token, and what another order would have done."""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, cast

from explorer.core.decoder import Processor, StepView
from explorer.core.detokenize import display_piece
from explorer.core.distribution import inverse_cdf
from explorer.core.errors import InvalidParams
from explorer.core.handle import ModelHandle
from explorer.core.noise import uniform
from explorer.core.types import TokenStep, Trace
from explorer.core.waterfall import StagePart, StageRow, make_view, waterfall
from explorer.core.waterfall_bounds import bounded_waterfall, from_step
from explorer.decoders.spec import Chain, Stage, parse
from explorer.services.prompts import make_prompt

if TYPE_CHECKING:
    from torch import Tensor

KEPT = 32
"""Tokens whose logits are kept, over all visitors: some 12 MB at 49,152 tokens."""
ON_LOGPROBS = frozenset({"beam", "beam_sampling", "diverse_beam", "constrained_beam"})
"""Choosers whose processors read log-probabilities, as transformers' do."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Which token, and the order of its stages.

    Attributes:
        trace: of its lane.
        index: its place in the lane.
        order: places of the processors in the chain as it ran, in the order to try; () is that.
        max_new_tokens: how many the lane might have had.
    """

    trace: Trace
    index: int
    order: tuple[int, ...] = ()
    max_new_tokens: int = 0

    @property
    def step(self) -> TokenStep:
        """What was recorded of it."""
        return self.trace.steps[self.index]


class TokenStages:
    """Waterfalls of tokens; the logits of the latest are kept, so that an order costs no forward.

    Args:
        kept: how many tokens' logits are kept.
    """

    def __init__(self, kept: int = KEPT) -> None:
        self._kept = kept
        self._views: OrderedDict[object, StepView] = OrderedDict()
        self._lock = threading.Lock()

    def rows(self, asked: Asked, model: ModelHandle | None) -> dict[str, object]:
        """The waterfall as plain data (docs/wire.md, "token stages").

        Args:
            asked: the token and the order.
            model: the one that made the trace, or None where it is not loaded: then the stored
                tokens give bounds.

        Raises:
            InvalidParams: for an order that is not one of the lane's stages.
        """
        chain = parse(asked.trace.decoder)
        order = _checked(asked.order, len(chain.processors))
        stages = [(place, chain.processors[place]) for place in order]
        if model is None:
            vocab = asked.trace.model.vocab_size
            described = [(i, s.info.name, s.params.model_dump()) for i, s in stages]
            known = from_step(asked.step, vocab)
            rows, second = bounded_waterfall(known, described, asked.step.token_id)
            return _answer(chain, order, rows, second, None, _piece_of(asked.trace, None))
        view = self._view(asked, model, chain)
        scores = view.logprobs if chain.chooser.info.name in ON_LOGPROBS else None
        parts = [_part(place, stage, chain, view) for place, stage in stages]
        found = waterfall(view, parts, asked.step.token_id, scores=scores)
        taken = _taken(chain, found.law, view)
        piece = _piece_of(asked.trace, model)
        return _answer(chain, order, found.rows, found.runner_up, taken, piece) | {"exact": True}

    def _view(self, asked: Asked, model: ModelHandle, chain: Chain) -> StepView:
        trace, index = asked.trace, asked.index
        history = (*trace.prompt.ids, *trace.token_ids[: index + 1])
        key = (trace.model, trace.decoder, trace.noise, trace.seed, asked.max_new_tokens, history)
        with self._lock:
            if key in self._views:
                self._views.move_to_end(key)
                return self._views[key]
        view = _measured(asked, model, chain)
        with self._lock:
            self._views[key] = view
            while len(self._views) > self._kept:
                self._views.popitem(last=False)
        return view


def _measured(asked: Asked, model: ModelHandle, chain: Chain) -> StepView:
    """The step as its lane's decoder saw it: one forward over prompt and continuation."""
    trace, index, step = asked.trace, asked.index, asked.step
    ids = trace.token_ids[: index + 1]
    view = make_view(
        _last_logits(model, (*trace.prompt.ids, *ids)),
        [*trace.prompt.ids, *ids[:-1]],
        len(trace.prompt.ids),
        uniform(trace.seed, trace.noise.lane, step.parent_row, index),
    )
    second = chain.second
    other = None
    if second is not None and not second.model:
        prompt = make_prompt(model, second.prompt or "", chat=trace.prompt.template == "chat")
        other = _last_logits(model, (*prompt.ids, *ids)).float().unsqueeze(0)
    return replace(
        view,
        eos_ids=model.tokenizer.eos_ids,
        steps_left=max(1, asked.max_new_tokens - index),
        tokenizer=model.tokenizer,
        second_logits=other,
    )


def _last_logits(model: ModelHandle, ids: Sequence[int]) -> Tensor:
    """[vocab] logits of the last id given those before it."""
    [(_, logits)] = list(model.score(list(ids), len(ids) - 1))
    return logits[0]


def _part(place: int, stage: Stage, chain: Chain, view: StepView) -> StagePart:
    missing = ""
    if stage.info.layers:
        missing = "hidden states of all layers, which are not computed again here"
    elif stage.info.second is not None and view.second_logits is None:
        missing = "the second model, which is not asked again here"
    elif stage.info.draws and chain.build().width > 1:
        missing = "the number it drew for this row, which a lane of several rows does not keep"
    if missing:
        return StagePart(place, None, missing)
    return StagePart(place, cast(Processor, stage.info.build(stage.params)))


def _taken(chain: Chain, law: Tensor | None, view: StepView) -> int | None:
    """What the chooser takes from a law with the lane's own noise, for choosers without memory."""
    if law is None:
        return None
    if chain.chooser.info.name == "greedy":
        return int(law.argmax())
    if chain.chooser.info.name == "ancestral":
        return inverse_cdf(law, view.uniforms[0])
    return None


def _checked(order: Sequence[int], count: int) -> tuple[int, ...]:
    usual = tuple(range(count))
    if not order:
        return usual
    if tuple(sorted(order)) != usual:
        raise InvalidParams(
            f"The order {list(order)} is none of this lane's {count} stages.",
            f"Name each of 0 to {count - 1} once.",
        )
    return tuple(order)


def _piece_of(trace: Trace, model: ModelHandle | None) -> Callable[[int], str]:
    def piece(token_id: int) -> str:
        if model is not None:
            return display_piece(model.tokenizer.token_bytes(token_id))
        return trace.pieces.get(token_id, f"token {token_id}")

    return piece


def _answer(
    chain: Chain,
    order: Sequence[int],
    rows: Sequence[StageRow],
    second: int | None,
    taken: int | None,
    piece: Callable[[int], str],
) -> dict[str, object]:
    tried = Chain(tuple(chain.processors[i] for i in order), chain.chooser, chain.explicit_chooser)
    return {
        "exact": False,
        "order": list(order),
        "spec": tried.canonical,
        "chooser": chain.chooser.info.title,
        "runner_up": None if second is None else piece(second),
        "taken": None if taken is None else {"t": taken, "x": piece(taken)},
        "rows": [_row(chain.processors[row.stage], row) for row in rows],
    }


def _row(stage: Stage, row: StageRow) -> dict[str, object]:
    entry: dict[str, object] = {"stage": row.stage, "title": Chain((), stage, True).title}
    if row.missing:
        return entry | {"missing": row.missing}
    return entry | {
        "tokens": _span(row.tokens_left),
        "cut": _span(row.mass_cut),
        "before": _span(row.entropy_before),
        "after": _span(row.entropy_after),
        "kl": _span(row.kl),
        "runner_up": row.cut_runner_up,
    }


def _span(span: tuple[float, float]) -> list[float | None]:
    return [round(x, 9) if math.isfinite(x) else None for x in span]
