"""Grammar: only tokens that can still become a valid text."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

from pydantic import Field, model_validator

from explorer.core.decoder import Processor, StageInfo, StepView
from explorer.core.deferred import torch
from explorer.core.errors import InvalidParams
from explorer.core.grammars import Matcher, check_grammar, new_matcher
from explorer.core.params import Params
from explorer.processors.phrases import need_tokenizer

if TYPE_CHECKING:
    from torch import Tensor

Kind = Literal["regex", "json", "lark"]

_KEPT = 128  # rows of a search and their parents


class Grammar:
    """Masks every token after which no valid text is left.

    The state of the grammar belongs to the tokens of a row: rows that branch share their past
    and each follows its own way. A row whose text is complete may only end.

    Source: Willard and Louf, "Efficient Guided Generation for Large Language Models",
        arXiv:2307.09702, for the idea; the work is done by llguidance. It takes regular
        expressions, JSON schemas and Lark grammars alike, any tokenizer that can list its
        bytes, and one 3 MB wheel serves every Python from 3.9 on; xgrammar, as good a choice
        on a server, needs a wheel for each version.
    Oracle: Python's re and json on whole texts (tests/unit/processors/test_grammar.py).
    """

    def __init__(self, params: GrammarParams) -> None:
        self._params = params
        self._states: dict[tuple[int, ...], Matcher] = {}

    def __call__(self, logits: Tensor, view: StepView) -> Tensor:
        """Mask."""
        if not self._params.text:
            return logits.clone()
        changed = torch.full_like(logits, -math.inf)
        states: dict[tuple[int, ...], Matcher] = {}
        for row, history in enumerate(view.histories):
            tokens = tuple(history[view.prompt_length :])
            state = states[tokens] = self._state(tokens, view)
            allowed = state.allowed(logits.shape[-1]).to(logits.device)
            if state.complete and not allowed.any():
                allowed[[i for i in view.eos_ids if i < len(allowed)]] = True
            changed[row] = logits[row].masked_fill(~allowed, -math.inf)
            if not bool((changed[row] > -math.inf).any()):
                # A cut before this stage left nothing valid: the grammar outranks it.
                alone = torch.zeros_like(logits[row]).masked_fill(~allowed, -math.inf)
                changed[row] = alone if bool(allowed.any()) else logits[row]
        self._states = {**self._states, **states}
        while len(self._states) > _KEPT:
            del self._states[next(iter(self._states))]
        return changed

    def _state(self, tokens: tuple[int, ...], view: StepView) -> Matcher:
        """The state after a row's tokens, from that of its longest prefix that is known."""
        if tokens in self._states:
            return self._states[tokens]
        if tokens[:-1] in self._states and tokens:
            state = self._states[tokens[:-1]].copy()
            state.take(tokens[-1:])
            return state
        tokenizer = need_tokenizer(view.tokenizer)
        state = new_matcher(tokenizer, self._params.kind, self._params.text)
        state.take(tokens)
        return state


class GrammarParams(Params):
    """Parameters of `grammar`."""

    kind: Kind = Field(
        default="regex",
        description="regex: a regular expression; json: a JSON schema; lark: a grammar.",
    )
    text: str = Field(
        default="",
        max_length=8000,
        description="The expression, schema or grammar; empty allows everything.",
    )

    @model_validator(mode="after")
    def _is_valid(self) -> GrammarParams:
        if self.text:
            try:
                check_grammar(self.kind, self.text)
            except InvalidParams as error:
                raise ValueError(str(error)) from None
        return self


def build(params: GrammarParams) -> Processor:
    """The processor of one lane."""
    return Grammar(params)


INFO = StageInfo(
    name="grammar",
    title="grammar",
    family="constraint",
    kind="processor",
    summary="Only texts that match a regular expression, a JSON schema or a grammar.",
    look_for="Support size 1 where the form leaves no choice; surprisal jumps where the model "
    "wanted prose.",
    source="Willard and Louf, Efficient Guided Generation for Large Language Models, "
    "arXiv:2307.09702; llguidance",
    formula=r"p(v) = 0 \text{ where the text and } v \text{ begin no sentence of the grammar}",
    params=GrammarParams,
    build=build,
    neutral={"text": ""},
)
