"""The trace file as a strict schema: pydantic at the edge, dataclasses inside.

Field names are the public contract; other programs read them. Unknown fields are refused, lists
must have one entry a token, and sizes are capped before anything is believed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from explorer.core.types import (
    Candidate,
    Hypothesis,
    Loop,
    ModelInfo,
    Noise,
    NoteValue,
    Prompt,
    StopReason,
    Terms,
    TokenStep,
    Trace,
)

SCHEMA = "explorer.trace/1"
MAX_TOKENS = 200_000
MAX_TOP = 1_000
MAX_ID = 2**31 - 1
MAX_SEED_BITS = 256
_DIGITS = 10

ShortText = Annotated[str, Field(max_length=4_096)]
SpecText = Annotated[str, Field(max_length=65_536)]
LongText = Annotated[str, Field(max_length=16_000_000)]
Whole = Annotated[int, Field(strict=True)]
Count = Annotated[int, Field(strict=True, ge=0)]
TokenId = Annotated[int, Field(strict=True, ge=0, le=MAX_ID)]
Flag = Annotated[bool, Field(strict=True)]
Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
LogProb = Annotated[float, Field(strict=True, allow_inf_nan=False)] | None
"""null is -inf."""
Seed = Annotated[int, Field(strict=True, ge=-(2**MAX_SEED_BITS), le=2**MAX_SEED_BITS)]
Hex = Annotated[str, Field(pattern="^([0-9a-f]{2})+$", max_length=8_192)]


def _from_key(key: object) -> object:
    """A token id as JSON writes it for a key; nothing that merely reads like one."""
    if isinstance(key, str) and (not key.isdecimal() or not key.isascii() or len(key) > _DIGITS):
        raise ValueError(f"{key[:20]!r} is no token id")
    return int(key) if isinstance(key, str) else key


TokenKey = Annotated[int, BeforeValidator(_from_key), Field(ge=0, le=MAX_ID)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())


class ModelEntry(_Strict):
    """`model`: which model, exactly."""

    id: ShortText
    revision: ShortText
    digest: ShortText
    dtype: ShortText
    device: ShortText
    vocab_size: Count
    context_length: Count = 0
    licence: ShortText = "unknown"
    source: ShortText = ""
    parameters: Count = 0
    kv_bytes_per_token: Count = 0


class TokenizerEntry(_Strict):
    """`tokenizer`."""

    digest: ShortText


class PromptEntry(_Strict):
    """`prompt`."""

    text: LongText
    ids: Annotated[list[TokenId], Field(max_length=MAX_TOKENS)]
    template: ShortText


class NoiseEntry(_Strict):
    """`noise`: u = f(seed, lane, row, step)."""

    lane: SpecText
    coupled: Flag


class LoopEntry(_Strict):
    """One of `loops`."""

    onset: Count
    period: Annotated[int, Field(strict=True, ge=1)]
    copies: Number


class TermsEntry(_Strict):
    """`terms`: what the run allowed; `max_new_tokens` counts given tokens too."""

    max_new_tokens: Annotated[int, Field(strict=True, ge=1, le=MAX_TOKENS)]
    ignore_eos: Flag = False
    stop_strings: Annotated[list[LongText], Field(max_length=1_000)] = []
    stop_on_loop: Flag = False
    loop_max_period: Annotated[int, Field(strict=True, ge=1, le=10_000)] = 128
    loop_min_copies: Annotated[float, Field(strict=True, ge=2, le=10_000)] = 3.0
    loop_min_tokens: Annotated[int, Field(strict=True, ge=2)] = 48


Ids = Annotated[list[TokenId], Field(max_length=MAX_TOKENS)]
Counts = Annotated[list[Count], Field(max_length=MAX_TOKENS)]
Numbers = Annotated[list[Number], Field(max_length=MAX_TOKENS)]
Surprisals = Annotated[list[LogProb], Field(max_length=MAX_TOKENS)]
"""null is infinite: the token has probability 0."""
IdTable = Annotated[
    list[Annotated[list[TokenId], Field(max_length=MAX_TOP)]], Field(max_length=MAX_TOKENS)
]
LogProbTable = Annotated[
    list[Annotated[list[LogProb], Field(max_length=MAX_TOP)]], Field(max_length=MAX_TOKENS)
]
Notes = dict[ShortText, Flag | Whole | Number | ShortText]


class TokensEntry(_Strict):
    """`tokens`: columns, one entry a generated token; nats throughout.

    `rows`, `parent_rows` and `scores` are written for searches only (null for given tokens),
    `extra_*` where a token is among the likeliest under the sampling law but not the model's.
    """

    id: Ids
    piece: Annotated[list[ShortText], Field(max_length=MAX_TOKENS)]
    surprisal: Surprisals
    entropy: Numbers
    varentropy: Numbers
    rank: Counts
    sampling_surprisal: Surprisals
    sampling_entropy: Numbers
    support_size: Counts
    top_ids: IdTable
    top_logprobs: LogProbTable
    top_sampling_logprobs: LogProbTable
    extra_ids: IdTable | None = None
    extra_logprobs: LogProbTable | None = None
    extra_sampling_logprobs: LogProbTable | None = None
    rows: Counts | None = None
    parent_rows: Counts | None = None
    scores: Annotated[list[Number | None], Field(max_length=MAX_TOKENS)] | None = None
    notes: Annotated[list[Notes], Field(max_length=MAX_TOKENS)] | None = None

    @model_validator(mode="after")
    def _same_length(self) -> TokensEntry:
        count = len(self.id)
        for name in type(self).model_fields:
            column = getattr(self, name)
            if column is not None and len(column) != count:
                raise ValueError(f"tokens.{name} has {len(column)} entries, tokens.id has {count}")
        for i in range(count):
            if (
                not len(self.top_ids[i])
                == len(self.top_logprobs[i])
                == len(self.top_sampling_logprobs[i])
            ):
                raise ValueError(f"tokens.top_* differ in length at token {i}")
        return self


class HypothesisEntry(_Strict):
    """One of `hypotheses`: a complete row of a search."""

    score: Number
    finished: Flag
    text: LongText
    tokens: TokensEntry


class TraceEntry(_Strict):
    """One line of a trace file."""

    schema_: Literal["explorer.trace/1"] = Field(alias="schema")
    lane: Count = 0
    model: ModelEntry
    tokenizer: TokenizerEntry
    versions: dict[ShortText, ShortText]
    prompt: PromptEntry
    decoder: SpecText
    seed: Seed
    noise: NoiseEntry
    batch_rows: Count
    stop_reason: StopReason
    text: LongText
    tokens: TokensEntry
    loops: Annotated[list[LoopEntry], Field(max_length=MAX_TOKENS)]
    timing: dict[ShortText, Number]
    pieces: dict[TokenKey, ShortText]
    hypotheses: Annotated[list[HypothesisEntry], Field(max_length=10_000)] = []
    terms: TermsEntry | None = None
    given: Count = 0
    special: Ids = []
    bytes_: dict[TokenKey, Hex] = Field(alias="bytes", default={})

    @model_validator(mode="after")
    def _given_are_there(self) -> TraceEntry:
        if self.given > len(self.tokens.id):
            raise ValueError(f"given is {self.given}, tokens.id has {len(self.tokens.id)} entries")
        return self


def json_schema() -> dict[str, Any]:
    """The schema of a line as JSON Schema (draft 2020-12), as docs/trace.schema.json has it.

    What it cannot say is checked all the same: all lists in `tokens` are as long as `tokens.id`,
    and the three lists of one token's alternatives are as long as each other.
    """
    made = TraceEntry.model_json_schema(by_alias=True)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": SCHEMA,
        **made,
        "title": "One line of a trace file of Generation Explorer",
    }


def to_entry(trace: Trace) -> dict[str, object]:
    """A trace as the JSON object of its line."""
    info = trace.model
    return {
        "schema": SCHEMA,
        "lane": trace.lane,
        "model": {name: getattr(info, name) for name in ModelEntry.model_fields},
        "tokenizer": {"digest": trace.tokenizer_digest},
        "versions": dict(trace.versions),
        "prompt": {
            "text": trace.prompt.text,
            "ids": list(trace.prompt.ids),
            "template": trace.prompt.template,
        },
        "decoder": trace.decoder,
        "seed": trace.seed,
        "noise": {"lane": trace.noise.lane, "coupled": trace.noise.coupled},
        "batch_rows": trace.batch_rows,
        "stop_reason": str(trace.stop_reason),
        "text": trace.text,
        "tokens": _columns(trace.steps, trace),
        "loops": [{"onset": x.onset, "period": x.period, "copies": x.copies} for x in trace.loops],
        "timing": dict(trace.timing),
        "pieces": {str(token_id): text for token_id, text in trace.pieces.items()},
        **_hypotheses(trace),
        **_extras(trace),
    }


def _extras(trace: Trace) -> dict[str, object]:
    """What is written only where there is something to say."""
    found: dict[str, object] = {}
    if trace.terms is not None:
        terms = {name: getattr(trace.terms, name) for name in TermsEntry.model_fields}
        found["terms"] = terms | {"stop_strings": list(trace.terms.stop_strings)}
    if trace.given:
        found["given"] = trace.given
    if trace.special:
        found["special"] = list(trace.special)
    if trace.partial:
        found["bytes"] = {str(token_id): data.hex() for token_id, data in trace.partial.items()}
    return found


def _hypotheses(trace: Trace) -> dict[str, object]:
    if not trace.hypotheses:
        return {}
    return {
        "hypotheses": [
            {
                "score": h.score,
                "finished": h.finished,
                "text": h.text,
                "tokens": _columns(h.steps, trace),
            }
            for h in trace.hypotheses
        ]
    }


def _null(nats: float) -> float | None:
    return None if math.isinf(nats) else nats  # of probability 0; JSON has no infinity


def _surprisal(nats: float | None) -> float:
    return math.inf if nats is None else nats


def _table(groups: Sequence[Sequence[Candidate]], prefix: str) -> dict[str, object]:
    return {
        f"{prefix}_ids": [[c.token_id for c in group] for group in groups],
        f"{prefix}_logprobs": [[_null(c.logprob) for c in group] for group in groups],
        f"{prefix}_sampling_logprobs": [
            [_null(c.sampling_logprob) for c in group] for group in groups
        ],
    }


def _columns(steps: Sequence[TokenStep], trace: Trace) -> dict[str, object]:
    columns: dict[str, object] = {
        "id": [s.token_id for s in steps],
        "piece": [trace.pieces.get(s.token_id, "") for s in steps],
        "surprisal": [_null(s.surprisal) for s in steps],
        "entropy": [s.entropy for s in steps],
        "varentropy": [s.varentropy for s in steps],
        "rank": [s.rank for s in steps],
        "sampling_surprisal": [_null(s.sampling_surprisal) for s in steps],
        "sampling_entropy": [s.sampling_entropy for s in steps],
        "support_size": [s.support_size for s in steps],
        **_table([s.top for s in steps], "top"),
    }
    if any(s.extra for s in steps):
        columns |= _table([s.extra for s in steps], "extra")
    if any(s.row or s.parent_row for s in steps):
        columns["rows"] = [s.row for s in steps]
        columns["parent_rows"] = [s.parent_row for s in steps]
    if any(s.score is not None for s in steps):  # none for given tokens
        columns["scores"] = [s.score for s in steps]
    if any(s.notes for s in steps):
        columns["notes"] = [dict(s.notes) for s in steps]
    return columns


def from_entry(entry: TraceEntry) -> Trace:
    """The trace a checked line stands for."""
    return Trace(
        lane=entry.lane,
        model=ModelInfo(**entry.model.model_dump()),
        tokenizer_digest=entry.tokenizer.digest,
        versions=entry.versions,
        prompt=Prompt(entry.prompt.text, tuple(entry.prompt.ids), entry.prompt.template),
        decoder=entry.decoder,
        seed=entry.seed,
        noise=Noise(entry.noise.lane, entry.noise.coupled),
        batch_rows=entry.batch_rows,
        stop_reason=entry.stop_reason,
        text=entry.text,
        steps=_steps(entry.tokens, entry.lane),
        pieces=entry.pieces,
        loops=tuple(Loop(x.onset, x.period, x.copies) for x in entry.loops),
        timing=entry.timing,
        hypotheses=tuple(
            Hypothesis(h.score, h.finished, _steps(h.tokens, entry.lane), h.text)
            for h in entry.hypotheses
        ),
        terms=_terms(entry.terms),
        given=entry.given,
        special=tuple(entry.special),
        partial={token_id: bytes.fromhex(data) for token_id, data in entry.bytes_.items()},
    )


def _terms(entry: TermsEntry | None) -> Terms | None:
    if entry is None:
        return None
    return Terms(**entry.model_dump() | {"stop_strings": tuple(entry.stop_strings)})


def _candidates(
    ids: list[int], logprobs: list[float | None], sampling: list[float | None]
) -> tuple[Candidate, ...]:
    return tuple(
        Candidate(i, -math.inf if p is None else p, -math.inf if q is None else q)
        for i, p, q in zip(ids, logprobs, sampling, strict=True)
    )


def _steps(t: TokensEntry, lane: int) -> tuple[TokenStep, ...]:
    no_notes: dict[str, NoteValue] = {}
    return tuple(
        TokenStep(
            lane=lane,
            row=t.rows[i] if t.rows else 0,
            parent_row=t.parent_rows[i] if t.parent_rows else 0,
            index=i,
            token_id=t.id[i],
            surprisal=_surprisal(t.surprisal[i]),
            entropy=t.entropy[i],
            varentropy=t.varentropy[i],
            rank=t.rank[i],
            sampling_surprisal=_surprisal(t.sampling_surprisal[i]),
            sampling_entropy=t.sampling_entropy[i],
            support_size=t.support_size[i],
            top=_candidates(t.top_ids[i], t.top_logprobs[i], t.top_sampling_logprobs[i]),
            extra=_candidates(t.extra_ids[i], t.extra_logprobs[i], t.extra_sampling_logprobs[i])
            if t.extra_ids and t.extra_logprobs and t.extra_sampling_logprobs
            else (),
            score=t.scores[i] if t.scores else None,
            notes=t.notes[i] if t.notes else no_notes,
        )
        for i in range(len(t.id))
    )
