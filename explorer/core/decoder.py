"""How a decoding method meets the engine: it sees a `StepView`, it answers with a `Move`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from explorer.core.distribution import log_normalise
from explorer.core.errors import NumericalFailure
from explorer.core.handle import Layers, Tokenizer
from explorer.core.params import Params
from explorer.core.recording import recording
from explorer.core.types import NoteValue, ParamValue

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, slots=True)
class StepView:
    """What one decoder may look at before it chooses; all of it is read-only.

    Attributes:
        logits: [rows, vocab] float32, the model's raw scores for its rows.
        logprobs: [rows, vocab] float32, log p: the model's law, computed once for all lanes.
        histories: per row, prompt and continuation so far, as token ids.
        prompt_length: how many ids of each history are the prompt.
        uniforms: one u in [0, 1) a row, keyed by (seed, lane, row, step).
        eos_ids: ids that end a sequence.
        steps_left: tokens that may still be generated, this one included.
        tokenizer: of the model, for stages that name texts; None where there is none.
        second_logits: [rows, vocab] scores of the same rows in a second context (another model,
            or another prompt), for stages that asked for one.
        layers: hidden states of the rows, for decoders that asked for them.
    """

    logits: Tensor
    logprobs: Tensor
    histories: tuple[Sequence[int], ...]
    prompt_length: int
    uniforms: tuple[float, ...]
    eos_ids: frozenset[int] = frozenset()
    steps_left: int = 1
    tokenizer: Tokenizer | None = None
    second_logits: Tensor | None = None
    layers: Layers | None = None


@dataclass(frozen=True, slots=True)
class Move:
    """A decoder's whole answer for one step.

    Attributes:
        parents: for each new row, the row of the view it continues; repeats fan out, gaps prune.
        token_ids: for each new row, its token.
        logprobs: [new rows, vocab] log q, the law each token was drawn from; a choice without
            chance has the one-hot law.
        scores: the decoder's own score of each new row, higher is better; empty if it keeps none.
        ended: new rows that are complete although their token is no end-of-sequence, or that
            the decoder itself counts as complete. A row whose token is in `eos_ids` always is.
        done: nothing that could still come would change the result.
        notes: per new row, what the decoder has to say; empty if nothing.
        settled: for a decoder that looks ahead, and then without new rows: the row of the view
            it ends with.
    """

    parents: tuple[int, ...]
    token_ids: tuple[int, ...]
    logprobs: Tensor
    scores: tuple[float, ...] = ()
    ended: frozenset[int] = frozenset()
    done: bool = False
    notes: tuple[Mapping[str, NoteValue], ...] = ()
    settled: int | None = None


@dataclass(frozen=True, slots=True)
class Leaf:
    """The end of one row of a lane that has stopped.

    Attributes:
        place: (index, row) of its last token, as in `TokenStep`.
        token_ids: its continuation.
        score: what the decoder gave it when it was made, or None.
        finished: it ended by itself.
    """

    place: tuple[int, int]
    token_ids: tuple[int, ...]
    score: float | None
    finished: bool


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a decoder that compares whole rows says of one of them.

    Attributes:
        score: higher is better; the best row is the lane's text.
        notes: why, in names and numbers.
        first: it is the lane's text, whatever the scores.
    """

    score: float
    notes: Mapping[str, NoteValue] = field(default_factory=dict)
    first: bool = False


class Decoder(ABC):
    """Picks the next tokens of one lane. One object a lane a request: its memory is its own.

    Attributes:
        width: most rows it holds at once; 1 for all but searches.
        looks_ahead: its rows are candidates for one place, and it takes one of them only after
            the model has read them all; then it ends rows itself.
    """

    width: int = 1
    looks_ahead: bool = False

    @abstractmethod
    def advance(self, view: StepView) -> Move:
        """Choose."""

    def advance_recorded(self, view: StepView, u: Tensor) -> tuple[Tensor, Tensor]:
        """The same choice as tensors alone, for a row whose steps are recorded and replayed.

        Only asked of decoders that state `StageInfo.on_device`. Takes float64 u [1] in place of
        `view.uniforms`, which is empty as are the histories; asks no tensor for its value.

        Returns:
            The token, int64 [1], and log q [1, vocab]; a law that is none is NaN at the token.
        """
        raise NotImplementedError

    def conclude(self, leaves: Sequence[Leaf]) -> Sequence[Verdict | None] | None:
        """Compare all rows once the lane has stopped.

        None keeps the scores they have; None for one of them drops it.
        """
        return None


Processor = Callable[["Tensor", StepView], "Tensor"]
"""Logits [rows, vocab] and the view to new logits [rows, vocab]; the input is never changed."""


@dataclass(frozen=True, slots=True)
class Second:
    """The second context a stage compares with.

    Attributes:
        model: name of the model that reads; "" is the lane's own.
        prompt: text it reads before the continuation; None is the lane's own prompt.
    """

    model: str = ""
    prompt: str | None = None


@dataclass(frozen=True, slots=True)
class Idle:
    """Parameters of a stage that nothing reads while another one has certain values.

    Attributes:
        params: their names.
        other: the parameter that decides.
        reason: why, as the end of "… does nothing: ".
        when: values of `other` at which they are idle.
        unless: values of `other` at which alone they are not.
        above: they are idle where `other` is larger.
    """

    params: tuple[str, ...]
    other: str
    reason: str
    when: tuple[ParamValue, ...] = ()
    unless: tuple[ParamValue, ...] = ()
    above: float | None = None

    def holds(self, value: ParamValue) -> bool:
        """True where `other` has a value at which they are idle."""
        if self.above is not None and not isinstance(value, str) and value > self.above:
            return True
        return value in self.when or (bool(self.unless) and value not in self.unless)


@dataclass(frozen=True, slots=True)
class StageInfo:
    """A catalogue entry: a logits processor or a chooser, with all that people need to know.

    Attributes:
        name: snake_case identifier in specs.
        title: for people.
        family: heading under which the page lists it.
        kind: "processor" changes the law; "chooser" takes tokens and ends the chain.
        summary: one sentence.
        look_for: what to look for on the page.
        source: the paper, as "authors, title, arXiv id".
        params: its parameter class.
        build: parameters to a Processor (kind "processor"), or parameters and the chain of
            processors before it to a Decoder (kind "chooser").
        neutral: values at which a processor changes nothing.
        keeps_argmax: a processor after which the likeliest token is still the likeliest.
        second: parameters to the second context it reads, for stages that read one.
        layers: it reads hidden states.
        draws: the seed matters to it.
        formula: what it computes, as LaTeX that GitHub shows and that can be read as it is.
        idle: parameters that do nothing while another has certain values.
        on_device: it needs nothing but scores: no history, no draw of its own, no look at a
            number. So its steps can be recorded and replayed (`explorer.core.recording`).
    """

    name: str
    title: str
    family: str
    kind: Literal["processor", "chooser"]
    summary: str
    look_for: str
    source: str
    params: type[Params]
    build: Callable[..., Processor] | Callable[..., Decoder]
    neutral: Mapping[str, ParamValue] = field(default_factory=dict)
    keeps_argmax: bool = False
    second: Callable[..., Second] | None = None
    layers: bool = False
    draws: bool = False
    formula: str = ""
    idle: tuple[Idle, ...] = ()
    on_device: bool = False


def sampling_law(
    processors: Sequence[Processor], view: StepView, *, scores: Tensor | None = None
) -> Tensor:
    """log q [rows, vocab]: the model's law after a chain of processors, in the order given.

    Args:
        processors: applied first to last.
        view: the step.
        scores: what the first processor reads; by default the raw logits. Beam search passes
            log-probabilities, as transformers does, which matters to penalties that look at
            the sign of a score.

    Raises:
        NumericalFailure: if they leave NaN or no possible token.
    """
    if not processors:
        return view.logprobs
    current = view.logits if scores is None else scores
    for process in processors:
        current = process(current, view)
    law = log_normalise(current)
    if not recording():
        # One NaN, one +inf or nothing but -inf makes NaN of the whole row: its first entry tells.
        check_law(law[:, :1])
    return law


def check_law(logprobs: Tensor) -> None:
    """Refuse a sampling law that is none.

    Raises:
        NumericalFailure: if it holds NaN.
    """
    # The maximum of what holds NaN is NaN, and takes a quarter of the time of looking for one.
    if logprobs.numel() and bool(logprobs.max().isnan()):
        raise no_sampling_law()


def no_sampling_law() -> NumericalFailure:
    """What to say where a sampling law is none."""
    return NumericalFailure(
        "The sampling law holds NaN or no possible token.",
        "Its parameters may overflow or cut everything: use gentler ones.",
    )
