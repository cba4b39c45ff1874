"""A run as NDJSON lines for the page: append-only, a header, then a line a token.

The format is described in docs/wire.md. The same lines make the exported page.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from explorer.core.detokenize import display_piece, is_partial
from explorer.core.types import Candidate, Loop, ModelInfo, Prompt, StopReason, TokenStep

SCHEMA = "explorer.wire/1"
_PROMPT_PIECES = 400


def line(data: Mapping[str, object]) -> str:
    """One line of the format, line break included."""
    return json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":")) + "\n"


@dataclass(frozen=True, slots=True)
class LaneHeader:
    """What the page says of a lane before its first token."""

    spec: str
    title: str
    paper: str
    muted: tuple[str, ...]
    rows: int = 1


@dataclass(frozen=True, slots=True)
class TreeNews:
    """What a lane of several rows has gained since the last line.

    Attributes:
        steps: new ones of all rows, those given up included, in the order they were made.
        alive: numbers of the rows of the latest column that go on.
        leaves: rows that are complete, each with whether it ended by itself.
        best: the last step of the row that the lane shows, or None.
        is_cut: the lane has more than is told of it.
        is_judged: the lane has stopped: its complete rows say why they stand where they do.
    """

    steps: tuple[TokenStep, ...]
    alive: tuple[int, ...]
    leaves: tuple[tuple[TokenStep, bool], ...]
    best: TokenStep | None
    is_cut: bool = False
    is_judged: bool = False


@dataclass(frozen=True, slots=True)
class RunHeader:
    """The first line of a run."""

    run: str
    model: ModelInfo
    prompt: Prompt
    seed: int
    coupled: bool
    top: int
    max_new_tokens: int
    lanes: tuple[LaneHeader, ...]


class Pieces(Protocol):
    """What is asked of a tokenizer, or of a trace that stands in for one."""

    def token_bytes(self, token_id: int) -> bytes:
        """The bytes one token stands for."""

    def is_special(self, token_id: int) -> bool:
        """True for tokens that are control marks and no part of the text."""


class WireWriter:
    """Turns steps into lines; remembers the pieces it has already worked out."""

    def __init__(self, tokenizer: Pieces) -> None:
        self._tokenizer = tokenizer
        self._pieces: dict[int, tuple[str, bool, bool]] = {}

    def header(self, header: RunHeader) -> str:
        """The run header."""
        prompt, model = header.prompt, header.model
        shown = prompt.ids[-_PROMPT_PIECES:]
        return line(
            {
                "run": header.run,
                "schema": SCHEMA,
                "model": {
                    "id": model.id,
                    "dtype": model.dtype,
                    "device": model.device,
                    "source": model.source,
                    "licence": model.licence,
                },
                "prompt": {
                    "text": prompt.text,
                    "template": prompt.template,
                    "tokens": len(prompt.ids),
                    "pieces": [self._piece(token_id)[0] for token_id in shown],
                },
                "seed": str(header.seed),
                "coupled": header.coupled,
                "k": header.top,
                "max_new_tokens": header.max_new_tokens,
                "lanes": [
                    {
                        "spec": x.spec,
                        "title": x.title,
                        "paper": x.paper,
                        "muted": list(x.muted),
                        "rows": x.rows,
                    }
                    for x in header.lanes
                ],
            }
        )

    def tree(self, lane: int, news: TreeNews) -> str:
        """A line for what the rows of a lane have gained."""
        tree: dict[str, object] = {
            "n": [
                [s.index, s.row, s.parent_row, self._piece(s.token_id)[0], _short(s.score)]
                for s in news.steps
            ],
            "alive": list(news.alive),
            "leaves": [
                [s.index, s.row, _short(s.score), int(done)]
                + ([dict(s.notes)] if news.is_judged and s.notes else [])
                for s, done in news.leaves
            ],
        }
        if news.best is not None:
            tree["best"] = [news.best.index, news.best.row]
        if news.is_cut:
            tree["cut"] = 1
        return line({"l": lane, "tree": tree})

    def tokens(self, lane: int, steps: Sequence[TokenStep]) -> str:
        """A line for each new token of a lane."""
        return "".join(self._token(lane, step) for step in steps)

    def _token(self, lane: int, step: TokenStep) -> str:
        text, partial, special = self._piece(step.token_id)
        data: dict[str, object] = {
            "l": lane,
            "i": step.index,
            "t": step.token_id,
            "x": text,
            "s": _null(step.surprisal),
            "h": step.entropy,
            "v": step.varentropy,
            "r": step.rank,
            "qs": _null(step.sampling_surprisal),
            "qh": step.sampling_entropy,
            "n": step.support_size,
            "a": self._candidates(step.top),
        }
        if partial:
            data["b"] = 1
        if special:
            data["z"] = 1
        if step.extra:
            data["e"] = self._candidates(step.extra)
        if step.notes:
            data["o"] = dict(step.notes)
        return line(data)

    def _candidates(self, candidates: Iterable[Candidate]) -> list[list[object]]:
        return [
            [c.token_id, self._piece(c.token_id)[0], _null(c.logprob), _null(c.sampling_logprob)]
            for c in candidates
        ]

    def _piece(self, token_id: int) -> tuple[str, bool, bool]:
        known = self._pieces.get(token_id)
        if known is None:
            data = self._tokenizer.token_bytes(token_id)
            special = self._tokenizer.is_special(token_id)
            known = self._pieces[token_id] = (display_piece(data), is_partial(data), special)
        return known


def cut_line(lane: int, keep: int) -> str:
    """A lane forgets all but its first tokens: a search changed its mind."""
    return line({"l": lane, "cut": keep})


def loops_line(lane: int, loops: Sequence[Loop]) -> str:
    """What is known of a lane's loops."""
    entries = [{"onset": x.onset, "period": x.period, "copies": x.copies} for x in loops]
    return line({"l": lane, "loops": entries})


def metrics_line(lane: int, metrics: Mapping[str, float | int | str | None]) -> str:
    """A lane's metrics; infinite values, which JSON lacks, become null."""
    finite = {
        name: None if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in metrics.items()
    }
    return line({"l": lane, "metrics": finite})


def end_line(lane: int, reason: StopReason) -> str:
    """A lane stopped."""
    return line({"l": lane, "end": str(reason)})


def progress_line(what: str, fraction: float | None) -> str:
    """Something takes its time before the first token."""
    return line({"progress": {"what": what, "fraction": fraction}})


def error_line(message: str, hint: str) -> str:
    """The run failed; what was made before stays."""
    return line({"error": {"message": message, "hint": hint}})


def done_line(seed: int, elapsed_s: float) -> str:
    """Nothing more will come."""
    return line({"done": True, "seed": str(seed), "elapsed_s": round(elapsed_s, 3)})


def _short(score: float | None) -> float | None:
    return None if score is None or not math.isfinite(score) else round(score, 4)


def _null(nats: float) -> float | None:
    return None if math.isinf(nats) else nats  # of probability 0; JSON has no infinity
