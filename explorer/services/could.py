"""Could this decoder have written that text? Where not, and what it would have taken.

Each chain is run along the text: its law at every token says whether the token was possible and
how likely. A draw is steered so that the decoder itself takes the text's token, so that what it
remembers of the text is what it would have said.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from explorer.core.decoder import Decoder, StepView
from explorer.core.distribution import entropy, log_normalise
from explorer.core.errors import InvalidParams, NumericalFailure
from explorer.core.forcing import forced_laws
from explorer.core.handle import ModelHandle
from explorer.core.noise import derived
from explorer.core.types import Trace
from explorer.decoders.spec import Chain
from explorer.services.generation import make_prompt, read_specs

_DRAWS = 16
"""Luck tried where a processor itself draws: the law is the mean over it."""


@dataclass(frozen=True, slots=True)
class Could:
    """One chain along a text.

    Attributes:
        decoder: its canonical spec.
        log_q: for each token, its log-probability under the chain, nats; -inf where it is cut.
        first_impossible: index of the first token that is cut; None where all are possible.
        total: log-probability of the whole text, nats; -inf where a token is cut.
        missing: why the chain cannot be asked; then all else is empty.
        is_estimate: the chain draws before it chooses, and the law is a mean over draws.
    """

    decoder: str
    log_q: tuple[float, ...] = ()
    first_impossible: int | None = None
    total: float = 0.0
    missing: str = ""
    is_estimate: bool = False

    def as_data(self) -> dict[str, object]:
        """As JSON has it: -inf is null."""
        return {
            "decoder": self.decoder,
            "log_q": [None if x == -math.inf else round(x, 6) for x in self.log_q],
            "first_impossible": self.first_impossible,
            "total": None if self.total == -math.inf else round(self.total, 6),
            "missing": self.missing,
            "is_estimate": self.is_estimate,
        }


@dataclass(frozen=True, slots=True)
class Needed:
    """What each truncation, alone on the model's law, must allow to admit one token.

    Attributes:
        top_k: smallest k.
        nucleus: p must be larger than this: the probability of all likelier tokens.
        min_p: largest p.
        epsilon: largest epsilon.
        top_a: largest a.
        typical: mass must be larger than this: the probability of all more typical tokens.
        top_n_sigma: smallest n.
    """

    top_k: int
    nucleus: float
    min_p: float
    epsilon: float
    top_a: float
    typical: float
    top_n_sigma: float

    def as_data(self) -> dict[str, float]:
        """By name; each as the stage's parameter."""
        return {name: round(getattr(self, name), 9) for name in self.__slots__}


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
        return Needed(
            top_k=max(n.top_k for n in self.needed),
            nucleus=max(n.nucleus for n in self.needed),
            min_p=min(n.min_p for n in self.needed),
            epsilon=min(n.epsilon for n in self.needed),
            top_a=min(n.top_a for n in self.needed),
            typical=max(n.typical for n in self.needed),
            top_n_sigma=max(n.top_n_sigma for n in self.needed),
        )

    def as_data(self) -> dict[str, object]:
        """As JSON has it."""
        return {
            "chains": [c.as_data() for c in self.chains],
            "needed": [n.as_data() for n in self.needed],
            "log_p": [round(x, 6) for x in self.log_p],
        }


def could_have(model: ModelHandle, trace: Trace, specs: Sequence[str]) -> Verdicts:
    """Ask several chains for a text.

    Args:
        model: whose laws.
        trace: the text, scored or made; only its prompt and ids are read.
        specs: one a chain.

    Raises:
        InvalidParams, UnknownName: for a spec that is none, or a text without tokens.
        NotCapable: if the text does not fit the model's context.
    """
    ids = trace.token_ids
    if not ids:
        raise InvalidParams("This text has no token.", "Give some text.")
    askers = [_Asker(chain, model, trace) for chain in read_specs(specs)]
    needed: list[Needed] = []
    log_p: list[float] = []
    for first, block in forced_laws(model, trace.prompt.ids, [ids]):
        logits = block[0]
        logprobs = log_normalise(logits)
        for i, token_id in enumerate(ids[first : first + len(logits)]):
            needed.append(what_admits(logits[i], token_id))
            log_p.append(float(logprobs[i, token_id]))
            for asker in askers:
                asker.ask(first + i, logits[i : i + 1], logprobs[i : i + 1])
    return Verdicts(tuple(asker.verdict() for asker in askers), tuple(needed), tuple(log_p))


def what_admits(logits: Tensor, token_id: int) -> Needed:
    """What each truncation must allow to admit a token under raw logits [vocab].

    Oracle: the truncations themselves, a hair to either side (tests/unit/services/test_could.py).
    """
    logprobs = log_normalise(logits)
    probs, own = logprobs.double().exp(), float(logprobs[token_id])
    distance = (-logprobs - entropy(logprobs)).abs()
    nearer = distance < distance[token_id]
    likelier = logits > logits[token_id]  # ties of logits stay ties
    best = float(logprobs.max())
    finite = logits[logits > -math.inf].double()
    sigma = float(finite.std(correction=0))
    gap = float(logits.max()) - float(logits[token_id])
    return Needed(
        top_k=int(likelier.sum()) + 1,
        nucleus=float(probs[likelier].sum()),
        min_p=math.exp(own - best),
        epsilon=math.exp(own),
        top_a=math.exp(own - 2 * best),
        typical=float(probs[nearer].sum()),
        top_n_sigma=gap / sigma if sigma > 0 else 0.0,
    )


class _Asker:
    """One chain on its way along a text."""

    def __init__(self, chain: Chain, model: ModelHandle, trace: Trace) -> None:
        self._chain, self._model, self._trace = chain, model, trace
        self._decoder = chain.build()
        self._log_q: list[float] = []
        self._missing = _missing(chain, self._decoder)
        self._draws = any(stage.info.draws for stage in chain.processors)
        self._second = None if self._missing else self._second_laws()

    def _second_laws(self) -> Iterator[Tensor] | None:
        """The second context's logits [1, vocab], one a token."""
        second = self._chain.second
        if second is None:
            return None
        prompt = self._trace.prompt
        if second.prompt is not None:
            prompt = make_prompt(self._model, second.prompt, chat=prompt.template == "chat")
        laws = forced_laws(self._model, prompt.ids, [self._trace.token_ids])
        return (block[0, i : i + 1] for _, block in laws for i in range(block.shape[1]))

    def ask(self, index: int, logits: Tensor, logprobs: Tensor) -> None:
        """Ask for the token at `index`, and let the decoder take it."""
        if self._missing:
            return
        other = None if self._second is None else next(self._second)
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
        )
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
        return Could(spec, tuple(self._log_q), first, total, is_estimate=self._draws)


def _missing(chain: Chain, decoder: Decoder) -> str:
    if decoder.width > 1:
        return "a search: which text it keeps depends on others it gave up; run it instead"
    if chain.reads_layers:
        return "it reads hidden states, which are not computed here"
    if chain.second is not None and chain.second.model:
        return f"it compares with {chain.second.model!r}, which is not asked here"
    return ""


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
