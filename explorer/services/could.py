"""Could this decoder have written that text? Where not, and what it would have taken.

Each chain is run along the text: its law at every token says whether the token was possible and
how likely. A draw is steered so that the decoder itself takes the text's token, so that what it
remembers of the text is what it would have said. A search without chance has one text only: it is
run, and its text compared.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from explorer.core.decoder import Decoder, StepView
from explorer.core.deferred import torch
from explorer.core.distribution import log_normalise
from explorer.core.errors import InvalidParams, NumericalFailure
from explorer.core.forcing import forced_laws
from explorer.core.handle import Layers, ModelHandle
from explorer.core.noise import derived
from explorer.core.types import Trace
from explorer.decoders.spec import Chain
from explorer.services.admitting import ChainNeeds, Needed, StageNeeded, hardest, what_admits
from explorer.services.generation import Run, RunOptions, read_specs
from explorer.services.prompts import make_prompt

if TYPE_CHECKING:
    from torch import Tensor

_DRAWS = 16
"""Luck tried where a processor itself draws: the law is the mean over it."""
SEARCH_TOKENS = 512
"""A search is run anew for the text: longer ones would take minutes."""
LAYER_TOKENS = 256
"""Hidden states are read step by step: a quarter of a second a token with SmolLM2-135M."""


@dataclass(frozen=True, slots=True)
class Could:
    """One chain along a text.

    Attributes:
        decoder: its canonical spec.
        log_q: for each token, its log-probability under the chain, nats; -inf where it is cut. Of
            a search it ends with the first token that its own text has not.
        first_impossible: index of the first token that is cut; None where all are possible.
        total: log-probability of the whole text, nats; -inf where a token is cut.
        missing: why the chain cannot be asked; then all else is empty.
        is_estimate: the chain draws before it chooses, and the law is a mean over draws.
        is_search: it was run for as many tokens as the text has, or was allowed, and its text
            compared.
        stages: what its truncations would have needed, each on the laws that reached it.
    """

    decoder: str
    log_q: tuple[float, ...] = ()
    first_impossible: int | None = None
    total: float = 0.0
    missing: str = ""
    is_estimate: bool = False
    is_search: bool = False
    stages: tuple[StageNeeded, ...] = ()

    def as_data(self) -> dict[str, object]:
        """As JSON has it: -inf is null."""
        return {
            "decoder": self.decoder,
            "log_q": [None if x == -math.inf else round(x, 6) for x in self.log_q],
            "first_impossible": self.first_impossible,
            "total": None if self.total == -math.inf else round(self.total, 6),
            "missing": self.missing,
            "is_estimate": self.is_estimate,
            "is_search": self.is_search,
            "stages": [stage.as_data() for stage in self.stages],
        }


@dataclass(frozen=True, slots=True)
class Verdicts:
    """A text under several chains.

    Attributes:
        chains: one a spec.
        needed: for each token, what admits it.
        log_p: for each token, its log-probability under the model's law, nats.
    """

    chains: tuple[Could, ...]
    needed: tuple[Needed, ...]
    log_p: tuple[float, ...]

    @property
    def hardest(self) -> Needed:
        """What admits every token.

        Raises:
            ValueError: for a text without tokens.
        """
        return hardest(self.needed)

    def as_data(self) -> dict[str, object]:
        """As JSON has it."""
        return {
            "chains": [c.as_data() for c in self.chains],
            "needed": [n.as_data() for n in self.needed],
            "log_p": [round(x, 6) for x in self.log_p],
        }


def could_have(
    model: ModelHandle,
    trace: Trace,
    specs: Sequence[str],
    second_models: Mapping[str, ModelHandle] | None = None,
) -> Verdicts:
    """Ask several chains for a text.

    Args:
        model: whose laws.
        trace: the text, scored or made; only its prompt and ids are read.
        specs: one a chain.
        second_models: models that specs compare with, by the names they use; a chain whose model
            is not among them is not asked.

    Raises:
        InvalidParams, UnknownName: for a spec that is none, or a text without tokens.
        NotCapable: if the text does not fit the model's context.
    """
    ids = trace.token_ids
    if not ids:
        raise InvalidParams("This text has no token.", "Give some text.")
    seconds = second_models or {}
    chains = read_specs(specs)
    searches = {i: _search(c, model, trace) for i, c in enumerate(chains) if _is_search(c)}
    askers = {
        i: _Asker(chain, model, trace, seconds)
        for i, chain in enumerate(chains)
        if i not in searches
    }
    needed: list[Needed] = []
    log_p: list[float] = []
    for first, block in forced_laws(model, trace.prompt.ids, [ids]):
        logits = block[0]
        logprobs = log_normalise(logits)
        for i, token_id in enumerate(ids[first : first + len(logits)]):
            needed.append(what_admits(logits[i], token_id))
            log_p.append(float(logprobs[i, token_id]))
            for asker in askers.values():
                asker.ask(first + i, logits[i : i + 1], logprobs[i : i + 1])
    found = searches | {i: asker.verdict() for i, asker in askers.items()}
    return Verdicts(tuple(found[i] for i in range(len(chains))), tuple(needed), tuple(log_p))


def _is_search(chain: Chain) -> bool:
    return chain.build().width > 1


def _search(chain: Chain, model: ModelHandle, trace: Trace) -> Could:
    """A search without chance is run, and says one text."""
    spec, ids = chain.canonical, trace.token_ids
    if not chain.is_deterministic:
        why = (
            "a search that draws: which text it keeps depends on others it gave up; run it instead"
        )
        return Could(spec, missing=why)
    if chain.second is not None and chain.second.model:
        return Could(spec, missing=f"a search that compares with {chain.second.model!r}")
    most = len(ids) if trace.terms is None else max(len(ids), trace.terms.max_new_tokens)
    if most > SEARCH_TOKENS:
        why = f"a search, which is run again: at most {SEARCH_TOKENS} tokens are compared"
        return Could(spec, missing=why)
    options = RunOptions(max_new_tokens=most, top=1)
    run = Run(model, trace.prompt, [spec], options)
    for _ in run.columns():
        pass
    said = run.traces()[0].token_ids
    pairs = enumerate(zip(said, ids, strict=False))
    first = next((i for i, (a, b) in pairs if a != b), min(len(said), len(ids)))
    if first == len(ids):
        return Could(spec, (0.0,) * first, is_search=True)
    log_q = (*[0.0] * first, -math.inf)
    return Could(spec, log_q, first, -math.inf, is_search=True)


class _Asker:
    """One chain on its way along a text."""

    def __init__(
        self,
        chain: Chain,
        model: ModelHandle,
        trace: Trace,
        seconds: Mapping[str, ModelHandle],
    ) -> None:
        self._chain, self._model, self._trace = chain, model, trace
        self._seconds = seconds
        self._decoder = chain.build()
        self._log_q: list[float] = []
        self._needs = ChainNeeds(chain)
        self._missing = self._lacks()
        self._draws = any(stage.info.draws for stage in chain.processors)
        self._second = None if self._missing else self._second_laws()
        self._layers = None if self._missing or not chain.reads_layers else self._read_layers()

    def _lacks(self) -> str:
        second = self._chain.second
        if second is not None and second.model and second.model not in self._seconds:
            return f"it compares with {second.model!r}, which is not loaded here"
        if self._chain.reads_layers and len(self._trace.steps) > LAYER_TOKENS:
            return f"it reads hidden states, step by step: at most {LAYER_TOKENS} tokens are read"
        return ""

    def _second_laws(self) -> Iterator[Tensor] | None:
        """The second context's logits [1, vocab], one a token."""
        second = self._chain.second
        if second is None:
            return None
        other = self._seconds[second.model] if second.model else self._model
        prompt = self._trace.prompt
        if second.prompt is not None:
            prompt = make_prompt(other, second.prompt, chat=prompt.template == "chat")
        laws = forced_laws(other, prompt.ids, [self._trace.token_ids])
        return (block[0, i : i + 1] for _, block in laws for i in range(block.shape[1]))

    def _read_layers(self) -> Iterator[Layers | None]:
        """Hidden states at every token of the text; step by step, as a run leaves them behind."""
        batch = self._model.open_batch()
        batch.keep_layers()
        for _ in batch.prefill(self._trace.prompt.ids):
            pass
        for token_id in self._trace.token_ids:
            yield batch.layers
            batch.step([token_id])

    def ask(self, index: int, logits: Tensor, logprobs: Tensor) -> None:
        """Ask for the token at `index`, and let the decoder take it."""
        if self._missing:
            return
        other = None if self._second is None else next(self._second)
        layers = None if self._layers is None else next(self._layers)
        trace, terms = self._trace, self._trace.terms
        ids = trace.token_ids
        view = StepView(
            logits=logits,
            logprobs=logprobs,
            histories=([*trace.prompt.ids, *ids[:index]],),
            prompt_length=len(trace.prompt.ids),
            uniforms=(0.5,),
            eos_ids=self._model.tokenizer.eos_ids,
            steps_left=(len(ids) if terms is None else terms.max_new_tokens) - index,
            tokenizer=self._model.tokenizer,
            second_logits=other,
            layers=layers,
        )
        self._needs.ask(view, ids[index])
        self._log_q.append(self._take(view, ids[index]))

    def _take(self, view: StepView, token_id: int) -> float:
        lucks = [(i + 0.5) / _DRAWS for i in range(_DRAWS)] if self._draws else [0.5]
        lucks = [derived(u, "could have") for u in lucks] if self._draws else lucks
        laws = [law for u in lucks if (law := self._law(view, u)) is not None]
        if not laws:
            return -math.inf
        values = torch.tensor([float(law[token_id]) for law in laws], dtype=torch.float64)
        # The decoder goes on with a luck under which it takes the token, if there is one.
        u = _inside(laws[int(values.argmax())], token_id)
        self._follow(view, lucks[int(values.argmax())] if self._draws or u is None else u)
        return float(values.logsumexp(0)) - math.log(len(laws))

    def _law(self, view: StepView, u: float) -> Tensor | None:
        try:
            return _twin(self._decoder).advance(replace(view, uniforms=(u,))).logprobs[0]
        except NumericalFailure:
            return None

    def _follow(self, view: StepView, u: float) -> None:
        self._decoder.advance(replace(view, uniforms=(u,)))

    def verdict(self) -> Could:
        """What was found."""
        spec = self._chain.canonical
        if self._missing:
            return Could(spec, missing=self._missing)
        first = next((i for i, x in enumerate(self._log_q) if x == -math.inf), None)
        total = -math.inf if first is not None else math.fsum(self._log_q)
        return Could(
            spec,
            tuple(self._log_q),
            first,
            total,
            is_estimate=self._draws,
            stages=tuple(self._needs.found),
        )


def _twin(decoder: Decoder) -> Decoder:
    shared = vars(decoder).get("_processors", ())
    return copy.deepcopy(decoder, {id(shared): shared})


def _inside(law: Tensor, token_id: int) -> float | None:
    """A u in the middle of a token's interval of the cumulative law; None where it has none."""
    cumulative = law.double().exp().cumsum(dim=-1)
    low = float(cumulative[token_id - 1]) if token_id else 0.0
    high, total = float(cumulative[token_id]), float(cumulative[-1])
    u = (low + high) / 2 / total
    return u if low < high and 0 <= u < 1 else None
