"""The trace file as a strict schema: pydantic at the edge, dataclasses inside.

Field names are the public contract; other programs read them. Unknown fields are refused, lists
must have one entry a token, and sizes are capped before anything is believed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from explorer.core.types import (
    Candidate,
    Hypothesis,
    Loop,
    ModelInfo,
    Noise,
    NoteValue,
    Prompt,
    StopReason,
    TokenStep,
    Trace,
)

SCHEMA = "explorer.trace/1"
MAX_TOKENS = 200_000
MAX_TOP = 1_000

ShortText = Annotated[str, Field(max_length=4_096)]
LongText = Annotated[str, Field(max_length=16_000_000)]
Number = Annotated[float, Field(allow_inf_nan=False)]
LogProb = Annotated[float, Field(allow_inf_nan=False)] | None
"""null is -inf."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())


class ModelEntry(_Strict):
    """`model`: which model, exactly."""

    id: ShortText
    revision: ShortText
    digest: ShortText
    dtype: ShortText
    device: ShortText
    vocab_size: int
    context_length: int = 0
    licence: ShortText = "unknown"
    source: ShortText = ""
    parameters: int = 0
    kv_bytes_per_token: int = 0


class TokenizerEntry(_Strict):
    """`tokenizer`."""

    digest: ShortText


class PromptEntry(_Strict):
    """`prompt`."""

    text: LongText
    ids: Annotated[list[int], Field(max_length=MAX_TOKENS)]
    template: ShortText


class NoiseEntry(_Strict):
    """`noise`: u = f(seed, lane, row, step)."""

    lane: ShortText
    coupled: bool


class LoopEntry(_Strict):
    """One of `loops`."""

    onset: int
    period: int
    copies: Number


Ids = Annotated[list[int], Field(max_length=MAX_TOKENS)]
Numbers = Annotated[list[Number], Field(max_length=MAX_TOKENS)]
IdTable = Annotated[
    list[Annotated[list[int], Field(max_length=MAX_TOP)]], Field(max_length=MAX_TOKENS)
]
LogProbTable = Annotated[
    list[Annotated[list[LogProb], Field(max_length=MAX_TOP)]], Field(max_length=MAX_TOKENS)
]
Notes = dict[ShortText, bool | int | Number | ShortText]


class TokensEntry(_Strict):
    """`tokens`: columns, one entry a generated token; nats throughout.

    `rows`, `parent_rows` and `scores` are written for searches only, `extra_*` where a token
    is among the likeliest under the sampling law but not under the model's.
    """

    id: Ids
    piece: Annotated[list[ShortText], Field(max_length=MAX_TOKENS)]
    surprisal: Numbers
    entropy: Numbers
    varentropy: Numbers
    rank: Ids
    sampling_surprisal: Numbers
    sampling_entropy: Numbers
    support_size: Ids
    top_ids: IdTable
    top_logprobs: LogProbTable
    top_sampling_logprobs: LogProbTable
    extra_ids: IdTable | None = None
    extra_logprobs: LogProbTable | None = None
    extra_sampling_logprobs: LogProbTable | None = None
    rows: Ids | None = None
    parent_rows: Ids | None = None
    scores: Numbers | None = None
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
    finished: bool
    text: LongText
    tokens: TokensEntry


class TraceEntry(_Strict):
    """One line of a trace file."""

    schema_: Literal["explorer.trace/1"] = Field(alias="schema")
    lane: int = 0
    model: ModelEntry
    tokenizer: TokenizerEntry
    versions: dict[ShortText, ShortText]
    prompt: PromptEntry
    decoder: ShortText
    seed: int
    noise: NoiseEntry
    batch_rows: int
    stop_reason: StopReason
    text: LongText
    tokens: TokensEntry
    loops: Annotated[list[LoopEntry], Field(max_length=MAX_TOKENS)]
    timing: dict[ShortText, Number]
    pieces: dict[int, ShortText]
    hypotheses: Annotated[list[HypothesisEntry], Field(max_length=10_000)] = []


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
    }


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


def _null(logprob: float) -> float | None:
    return None if logprob == -math.inf else logprob


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
        "surprisal": [s.surprisal for s in steps],
        "entropy": [s.entropy for s in steps],
        "varentropy": [s.varentropy for s in steps],
        "rank": [s.rank for s in steps],
        "sampling_surprisal": [s.sampling_surprisal for s in steps],
        "sampling_entropy": [s.sampling_entropy for s in steps],
        "support_size": [s.support_size for s in steps],
        **_table([s.top for s in steps], "top"),
    }
    if any(s.extra for s in steps):
        columns |= _table([s.extra for s in steps], "extra")
    if any(s.row or s.parent_row for s in steps):
        columns["rows"] = [s.row for s in steps]
        columns["parent_rows"] = [s.parent_row for s in steps]
    if steps and all(s.score is not None for s in steps):
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
    )


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
            surprisal=t.surprisal[i],
            entropy=t.entropy[i],
            varentropy=t.varentropy[i],
            rank=t.rank[i],
            sampling_surprisal=t.sampling_surprisal[i],
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
