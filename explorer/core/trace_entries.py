"""Traces to the entries of a file's lines, and back."""

from __future__ import annotations

import math
from collections.abc import Sequence

from explorer.core.trace_schema import (
    SCHEMA,
    BranchEntry,
    ModelEntry,
    TermsEntry,
    TokensEntry,
    TraceEntry,
)
from explorer.core.types import (
    BranchPlace,
    Candidate,
    Hypothesis,
    Loop,
    ModelInfo,
    Noise,
    NoteValue,
    Prompt,
    Terms,
    TokenStep,
    Trace,
)


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
    if trace.branch is not None:
        found["branch"] = {name: getattr(trace.branch, name) for name in BranchEntry.model_fields}
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
        branch=None if entry.branch is None else BranchPlace(**entry.branch.model_dump()),
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
