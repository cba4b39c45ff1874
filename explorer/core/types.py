"""The nouns of a run: steps, columns, traces. Every information quantity is in nats."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

ParamValue = float | int | bool | str
NoteValue = float | int | bool | str


class StopReason(StrEnum):
    """Why a lane ended."""

    EOS = "eos"
    MAX_NEW_TOKENS = "max_new_tokens"
    STOP_STRING = "stop_string"
    LOOP = "loop"
    CANCELLED = "cancelled"
    DEADLINE = "deadline"


@dataclass(frozen=True, slots=True)
class Candidate:
    """One token the model could have said.

    Attributes:
        token_id: its id.
        logprob: log p under the model's law.
        sampling_logprob: log q under the law the token was drawn from; -inf when it was cut.
    """

    token_id: int
    logprob: float
    sampling_logprob: float


@dataclass(frozen=True, slots=True)
class TokenStep:
    """One token of one row, with the two laws it stood under.

    Attributes:
        lane: index of the decoding method in the request.
        row: number of the sequence within its lane at this step.
        parent_row: number, at the step before, of the row it continues.
        index: 0 for the first generated token.
        token_id: the token taken.
        surprisal: -log p(token), nats, under the model's law p.
        entropy: H(p), nats.
        varentropy: variance of the surprisal under p, nats squared.
        rank: number of tokens strictly likelier under p; 0 is the argmax.
        sampling_surprisal: -log q(token), nats, under the sampling law q.
        sampling_entropy: H(q), nats.
        support_size: number of tokens with q > 0.
        top: the likeliest tokens under p, likeliest first.
        extra: those among the likeliest under q that `top` does not hold.
        score: the decoder's own score of the row so far (beams); None where it keeps none.
        notes: what the decoder has to say about this token.
    """

    lane: int
    row: int
    parent_row: int
    index: int
    token_id: int
    surprisal: float
    entropy: float
    varentropy: float
    rank: int
    sampling_surprisal: float
    sampling_entropy: float
    support_size: int
    top: tuple[Candidate, ...]
    extra: tuple[Candidate, ...] = ()
    score: float | None = None
    notes: Mapping[str, NoteValue] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LaneEnd:
    """A lane that stopped after this column.

    Attributes:
        lane: its index.
        reason: why.
        row: the row of its column before that a lane which looks ahead settled on; None for all
            others, whose result is among the rows of this column.
    """

    lane: int
    reason: StopReason
    row: int | None = None


@dataclass(frozen=True, slots=True)
class Column:
    """All rows at one step.

    Attributes:
        index: the step; 0 is the first generated token.
        steps: one entry a new row; finished lanes have none.
        ended: lanes that stopped here.
        alive_rows: per lane still running, the row numbers that go on.
        batch_rows: rows in the forward that gave these laws.
        elapsed_s: seconds since the run began, prefill included.
    """

    index: int
    steps: tuple[TokenStep, ...]
    ended: tuple[LaneEnd, ...]
    alive_rows: Mapping[int, tuple[int, ...]]
    batch_rows: int
    elapsed_s: float


@dataclass(frozen=True, slots=True)
class Loop:
    """A periodic stretch of a continuation.

    Attributes:
        onset: first index (of the generated tokens) from which the stretch is periodic.
        period: its length in tokens.
        copies: how often the unit stands there; may be fractional.
    """

    onset: int
    period: int
    copies: float


@dataclass(frozen=True, slots=True)
class Prompt:
    """What the model was given.

    Attributes:
        text: the text as typed.
        ids: the token ids the model read; these are primary.
        template: "raw", "chat" (the model's own chat template) or "none" (given as ids).
    """

    text: str
    ids: tuple[int, ...]
    template: str = "raw"


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """Which model, exactly, and how it is held.

    Attributes:
        id: the name it was asked for by.
        revision: commit, wheel version or "" where the source has none.
        digest: "sha256:…" of its weights.
        dtype: for example "float32".
        device: for example "cpu".
        vocab_size: width of the logits.
        context_length: tokens it can read; 0 where it states no limit.
        licence: SPDX id or "unknown".
        source: where the weights came from, in words.
        parameters: number of weights.
        kv_bytes_per_token: memory of one cached token of one row.
    """

    id: str
    revision: str
    digest: str
    dtype: str
    device: str
    vocab_size: int
    context_length: int = 0
    licence: str = "unknown"
    source: str = ""
    parameters: int = 0
    kv_bytes_per_token: int = 0


@dataclass(frozen=True, slots=True)
class Noise:
    """How the uniforms of a lane are keyed: u = f(seed, lane, row, step).

    Attributes:
        lane: the lane's own key; "" when coupled, so that all lanes share one stream.
        coupled: common random numbers in every lane.
    """

    lane: str
    coupled: bool = False


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """One finished or surviving row of a decoder that keeps several.

    Attributes:
        score: the decoder's own score, higher is better.
        finished: it ended by itself (eos); otherwise it was alive when the lane stopped.
        steps: its tokens from the first.
        text: its text.
    """

    score: float
    finished: bool
    steps: tuple[TokenStep, ...]
    text: str


@dataclass(frozen=True, slots=True)
class Terms:
    """What a run allowed its lanes: with them it can be proven why one stopped.

    Attributes:
        max_new_tokens: most tokens of a continuation, given ones included.
        ignore_eos: the end mark ended nothing.
        stop_strings: texts that end a lane once it holds one of them.
        stop_on_loop: a loop ends a lane.
        loop_max_period: longest unit of what counts as a loop, tokens.
        loop_min_copies: fewest copies of it.
        loop_min_tokens: fewest tokens of the whole stretch.
    """

    max_new_tokens: int
    ignore_eos: bool = False
    stop_strings: tuple[str, ...] = ()
    stop_on_loop: bool = False
    loop_max_period: int = 128
    loop_min_copies: float = 3.0
    loop_min_tokens: int = 48


@dataclass(frozen=True, slots=True)
class BranchPlace:
    """Where a trace stood in a tree of branches when it was saved.

    Attributes:
        id: its name in the tree.
        parent: id of the branch it was forked from; None for one that was run from the prompt.
        at: tokens it shares with its parent.
        name: what a person called it.
        note: what a person wrote on it.
    """

    id: str
    parent: str | None = None
    at: int = 0
    name: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Trace:
    """The full record of one lane; all that is needed to show it again or to prove it.

    Attributes:
        lane: its place in the run it was made in.
        model: which model, exactly.
        tokenizer_digest: digest of the tokenizer's definition.
        versions: of the libraries that made it.
        prompt: what the model was given.
        decoder: canonical spec.
        seed: the run's seed.
        noise: how its uniforms were keyed.
        batch_rows: most rows in one forward; floating point differs a little with it.
        stop_reason: why it ended.
        text: the continuation.
        steps: its tokens (of the best hypothesis, where several were kept).
        pieces: displayed bytes of every token id that occurs in it.
        loops: periodic stretches.
        timing: seconds and tokens a second.
        hypotheses: all complete rows of a search, best first; () for a single row.
        terms: what the run allowed; None in traces of given text, and where a file does not say.
        given: how many of the first tokens stood there before the decoder began (a fork).
        special: ids among `pieces` that are control marks and no part of the text.
        partial: exact bytes of those among `pieces` that are not whole characters.
        branch: its place in the tree it was saved from; None where there was none.
    """

    lane: int
    model: ModelInfo
    tokenizer_digest: str
    versions: Mapping[str, str]
    prompt: Prompt
    decoder: str
    seed: int
    noise: Noise
    batch_rows: int
    stop_reason: StopReason
    text: str
    steps: tuple[TokenStep, ...]
    pieces: Mapping[int, str]
    loops: tuple[Loop, ...]
    timing: Mapping[str, float]
    hypotheses: tuple[Hypothesis, ...] = ()
    terms: Terms | None = None
    given: int = 0
    special: tuple[int, ...] = ()
    partial: Mapping[int, bytes] = field(default_factory=dict)
    branch: BranchPlace | None = None

    @property
    def token_ids(self) -> tuple[int, ...]:
        """Ids of the continuation, in order."""
        return tuple(step.token_id for step in self.steps)
