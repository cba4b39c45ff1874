"""Watermarks: planted, found by whoever has the key, edited, and found again."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
from pydantic import Field

from explorer.core.deferred import torch
from explorer.core.detokenize import piece
from explorer.core.distribution import log_normalise
from explorer.core.lab import Claim, LabContext, LabInfo, Paper, Progress, Update
from explorer.core.params import Params
from explorer.core.results import Axis, Heatmap, Line, Scalar, Series, Spans, Table, Traces
from explorer.core.types import Trace
from explorer.decoders.exp_watermark import exp_pick, key_row
from explorer.decoders.its_watermark import its_pick
from explorer.labs.watermarks.alignment import Key, detect, least_p
from explorer.labs.watermarks.counts import kgw_p, synthid_p
from explorer.labs.watermarks.edits import Edits, edited
from explorer.processors.kgw import Kgw, KgwParams
from explorer.processors.synthid import SynthidParams

if TYPE_CHECKING:
    from torch import Tensor

CLAIMED = 35
"""Tokens from which the paper finds its watermark."""
CLAIMED_SHARE = 0.4
LENGTHS = (5, 10, 20, CLAIMED, 50, 80, 120, 200)
SHARES = (0.0, 0.1, 0.2, 0.3, CLAIMED_SHARE, 0.5, 0.6, 0.7)
_DRAWS = 1_500
_DRAWN = 1e-5
"""Counts give p-values far below any that a permutation test can: a picture stops here."""
_OPENINGS = (
    "Once upon a time there was a",
    "On the way to school, the boy saw",
    "The old house at the end of the street",
    "It was a cold morning, and the dog",
    "My sister wanted to build a",
    "In the garden behind the wall",
    "The boat was small, but the captain",
    "Every evening, the girl and her father",
)
_SHOWN = 20


class WatermarksParams(Params):
    """Parameters of the lab."""

    texts: int = Field(
        default=6, ge=2, le=8, description="Texts of every scheme, each begun in its own way."
    )
    tokens: int = Field(
        default=80, ge=CLAIMED, le=200, description="Length of a text, its prompt not counted."
    )
    key: int = Field(default=42, ge=1, le=2**31 - 1, description="The secret.")
    key_length: int = Field(
        default=256, ge=200, le=1024, description="Numbers of the key; a text walks round them."
    )
    other_keys: int = Field(
        default=100, ge=19, le=999, description="Keys nobody used, for the permutation test."
    )
    substituted: float = Field(
        default=CLAIMED_SHARE, ge=0, le=1, description="Share of tokens replaced in the shown text."
    )
    deleted: float = Field(default=0.0, ge=0, le=0.9, description="Share of its tokens left out.")
    inserted: float = Field(
        default=0.0, ge=0, le=2, description="Tokens put in, as a share of its length."
    )
    swapped: float = Field(
        default=0.0, ge=0, le=1, description="Share of its tokens that change places in pairs."
    )
    text: str = Field(
        default="", max_length=4_000, description="A text of yours: does it bear the EXP key?"
    )


def run(ctx: LabContext, params: WatermarksParams) -> Iterator[Update]:
    """Yield how far it is, the pictures as they come, and the claims."""
    texts: dict[str, list[Trace]] = {name: [] for name in _specs(params)}
    openings = _OPENINGS[: params.texts]
    for number, opening in enumerate(openings):
        yield Progress(
            f"writing text {number + 1} of {len(openings)}", 0.2 * number / len(openings)
        )
        traces = ctx.generate(
            opening, list(_specs(params).values()), max_new_tokens=params.tokens,
            seed=ctx.seed + number,
        )  # fmt: skip
        for name, trace in zip(texts, traces, strict=True):
            texts[name].append(trace)
    yield Traces("The same opening under every scheme", tuple(t[0] for t in texts.values()))
    judge = _Judge(ctx, params)
    yield from _by_length(judge, texts)
    yield from _by_edits(judge, texts)
    yield from _shown_text(judge, texts["EXP"][0])
    yield from _distortion(ctx, params)
    yield _prices(texts)
    if params.text.strip():
        ids = ctx.model.tokenizer.encode_continuation(params.text)
        found = detect(judge.key("EXP"), ids, keys=params.other_keys, check=ctx.check)
        yield Scalar("p-value of your text under the EXP key", found.p_value, n=len(ids))


def _specs(params: WatermarksParams) -> dict[str, str]:
    key = f"key={params.key},length={params.key_length}"
    return {
        "EXP": f"exp_watermark:{key}",
        "ITS": f"its_watermark:{key}",
        "KGW": f"kgw:key={params.key}",
        "SynthID": f"synthid:key={params.key}",
        "no watermark": "ancestral",
    }


class _Judge:
    """p-values of texts under the keys of a run."""

    def __init__(self, ctx: LabContext, params: WatermarksParams) -> None:
        self.ctx, self.params = ctx, params
        self.vocab = int(_first_law(ctx).shape[-1])
        self._special = ctx.model.tokenizer.is_special
        self.choices = [i for i in range(ctx.model.tokenizer.vocab_size) if not self._special(i)]

    def key(self, scheme: str) -> Key:
        return Key(
            "its" if scheme == "ITS" else "exp",
            self.params.key, self.params.key_length, self.vocab,
        )  # fmt: skip

    def p(self, scheme: str, trace: Trace, ids: Sequence[int]) -> float:
        """What the scheme's own test says; text without a mark is asked for the EXP key."""
        self.ctx.check()
        if not ids:
            return 1.0
        if scheme == "KGW":
            return kgw_p(ids, trace.prompt.ids[-1], self.vocab, KgwParams(key=self.params.key))
        if scheme == "SynthID":
            return synthid_p(ids, SynthidParams(key=self.params.key))
        found = detect(
            self.key(scheme), ids, keys=self.params.other_keys, seed=self.ctx.seed,
            check=self.ctx.check,
        )  # fmt: skip
        return found.p_value

    def edited(self, ids: Sequence[int], edits: Edits, number: int) -> tuple[int, ...]:
        return edited(ids, edits, self.choices, self.ctx.seed * 1_009 + number)


def _by_length(judge: _Judge, texts: dict[str, list[Trace]]) -> Iterator[Update]:
    lengths = [n for n in LENGTHS if n <= judge.params.tokens]
    lines = []
    at_claimed: list[float] = []
    for part, (name, traces) in enumerate(texts.items()):
        yield Progress(f"{name}: p-values by length", 0.2 + 0.3 * part / len(texts))
        found = []
        for n in lengths:
            long_enough = [t for t in traces if len(t.token_ids) >= n]
            values = [judge.p(name, t, t.token_ids[:n]) for t in long_enough]
            found.append((n, values))
            if name == "EXP" and n == CLAIMED:
                at_claimed = values
        lines.append(_medians(name, [(float(n), v) for n, v in found if v]))
        yield _series("p-value by length", Axis("tokens"), lines)
    yield _claim(
        f"From {CLAIMED} tokens on, the EXP watermark is found: median p at most 0.01.",
        f"median p at {CLAIMED} tokens", at_claimed, judge.params.other_keys,
    )  # fmt: skip


def _by_edits(judge: _Judge, texts: dict[str, list[Trace]]) -> Iterator[Update]:
    lines = []
    at_claimed: list[float] = []
    for part, name in enumerate(("EXP", "ITS", "KGW", "SynthID")):
        yield Progress(f"{name}: p-values after substitutions", 0.5 + 0.3 * part / 4)
        found = []
        for share in SHARES:
            values = [
                judge.p(name, t, judge.edited(t.token_ids, Edits(share), number))
                for number, t in enumerate(texts[name])
                if t.token_ids
            ]
            found.append((share, values))
        if name == "EXP":
            at_claimed = [
                judge.p(name, t, judge.edited(t.token_ids[:CLAIMED], Edits(CLAIMED_SHARE), number))
                for number, t in enumerate(texts[name])
                if len(t.token_ids) >= CLAIMED
            ]
        lines.append(_medians(name, found))
        title = f"p-value after substitutions, {judge.params.tokens} tokens"
        yield _series(title, Axis("share of tokens replaced", "share"), lines)
    yield _claim(
        f"It is still found after {CLAIMED_SHARE:.0%} random substitutions.",
        f"median p at {CLAIMED} tokens, {CLAIMED_SHARE:.0%} of them replaced",
        at_claimed, judge.params.other_keys,
    )  # fmt: skip


def _medians(name: str, found: Sequence[tuple[float, list[float]]]) -> Line:
    """Medians over texts, with the whole range."""
    known = [(place, [max(v, _DRAWN) for v in values]) for place, values in found if values]
    return Line(
        name,
        tuple(place for place, _ in known),
        tuple(statistics.median(values) for _, values in known),
        tuple(min(values) for _, values in known),
        tuple(max(values) for _, values in known),
    )


def _series(title: str, x: Axis, lines: Sequence[Line]) -> Series:
    return Series(
        title,
        x,
        Axis(f"p-value, median and range, {_DRAWN:g} or less as that", log=True),
        tuple(lines),
        ((0.01, "p = 0.01"),),
    )


def _claim(statement: str, name: str, values: Sequence[float], keys: int) -> Claim:
    return Claim(
        statement,
        Scalar(
            name,
            statistics.median(values) if values else math.nan,
            low=min(values, default=None),
            high=max(values, default=None),
            n=len(values),
            about=f"range over texts; {keys} other keys give no p below {least_p(keys):.4f}",
        ),
        "<=",
        0.01,
        "p <= 0.01 from 35 tokens, also after 40 to 50 % random edits (OPT-1.3B, LLaMA-7B)",
    )


def _shown_text(judge: _Judge, trace: Trace) -> Iterator[Update]:
    """One text before and after the edits that were asked for, coloured by how the key fits."""
    params, key = judge.params, judge.key("EXP")
    asked = Edits(params.substituted, params.deleted, min(1.0, params.inserted), params.swapped)
    after = judge.edited(trace.token_ids, asked, 0)
    for name, ids in (("as it was written", trace.token_ids), ("after your edits", after)):
        if not ids:
            continue
        found = detect(key, ids, keys=params.other_keys, check=judge.ctx.check)
        fit = np.exp(key.costs(ids))  # 1 - xi: small where the key chose the token
        columns = (found.offset + np.arange(len(ids))) % key.length
        along = 1 - fit[np.arange(len(ids)), columns]
        yield Spans(
            f"A text {name}: how the key's numbers fit its tokens, p = {found.p_value:.3g}",
            tuple(piece(judge.ctx.model.tokenizer, i) for i in ids),
            tuple(float(x) for x in along),
            low=0.5,
        )
        if name == "as it was written":
            yield _map(judge, ids, 1 - fit, found.offset)


def _map(judge: _Judge, ids: Sequence[int], fit: np.ndarray, offset: int) -> Heatmap:
    shown = min(_SHOWN, len(ids))
    columns = [(offset + j) % fit.shape[1] for j in range(shown)]
    tokenizer = judge.ctx.model.tokenizer
    return Heatmap(
        "The key's numbers for the first tokens: the diagonal is the watermark",
        Axis("number of the key"),
        Axis("token"),
        tuple(str(c) for c in columns),
        tuple(f"{i} {piece(tokenizer, token)!r}" for i, token in enumerate(ids[:shown])),
        tuple(tuple(round(float(fit[i, c]), 3) for c in columns) for i in range(shown)),
    )


def _first_law(ctx: LabContext) -> Tensor:
    ids = ctx.model.tokenizer.encode(_OPENINGS[0])
    *_, logits = ctx.model.open_batch().prefill(ids)
    assert isinstance(logits, torch.Tensor)
    return log_normalise(logits)[0].cpu()


def _distortion(ctx: LabContext, params: WatermarksParams) -> Iterator[Update]:
    """How far each scheme's law of one token is from the model's, over many keys."""
    yield Progress("the law over keys", 0.85)
    law = _first_law(ctx)
    vocab = law.shape[-1]
    draw = np.random.default_rng(ctx.seed)
    p = law.double().exp().numpy()
    p /= p.sum()
    picked: dict[str, list[int]] = {"EXP": [], "ITS": []}
    for number in range(_DRAWS):
        if number % 50 == 0:
            ctx.check()
        picked["EXP"].append(exp_pick(law, torch.from_numpy(key_row(number + 1, 0, vocab))))
        order = torch.from_numpy(draw.permutation(vocab))
        picked["ITS"].append(its_pick(law, order, float(draw.random())))
    plain = [_distance(draw.choice(vocab, _DRAWS, p=p), p) for _ in range(20)]
    kgw = log_normalise(Kgw(KgwParams(key=params.key))(law.unsqueeze(0), _OneRow(ctx)))[0]  # type: ignore[arg-type]  # a view of one row
    moved = 0.5 * float((kgw.exp() - law.exp()).abs().sum())
    rows = [(name, _distance(np.asarray(ids), p)) for name, ids in picked.items()]
    rows += [("plain draws, as many", statistics.fmean(plain)), ("KGW, its law itself", moved)]
    yield Table(
        f"Total variation to the model's law, {_DRAWS:,} keys",
        ("scheme", "total variation"),
        tuple(rows),
    )
    yield Claim(
        "Over keys, EXP draws from the model's own law: it is as near to it as plain draws are.",
        Scalar(
            "total variation of EXP over that of plain draws",
            rows[0][1] / statistics.fmean(plain),
            n=_DRAWS,
            about=f"plain draws range from {min(plain):.4f} to {max(plain):.4f} in 20 tries",
        ),
        "<=",
        1.1,
        "distortion-free by construction",
    )


class _OneRow:
    """What the green list asks of a step: the last token."""

    def __init__(self, ctx: LabContext) -> None:
        self.histories = (ctx.model.tokenizer.encode(_OPENINGS[0]),)


def _distance(ids: np.ndarray, p: np.ndarray) -> float:
    counts = np.bincount(ids, minlength=len(p)) / len(ids)
    return float(0.5 * np.abs(counts - p).sum())


def _prices(texts: dict[str, list[Trace]]) -> Table:
    """What each scheme's texts cost under the model's law."""
    rows = tuple(
        (
            name,
            sum(len(t.steps) for t in traces),
            statistics.fmean(s.surprisal for t in traces for s in t.steps),
            statistics.fmean(s.entropy for t in traces for s in t.steps),
        )
        for name, traces in texts.items()
    )
    columns = ("scheme", "tokens", "mean surprisal", "mean entropy")
    return Table("What the marks cost", columns, rows, ("", "", "nats", "nats"))


INFO = LabInfo(
    name="watermarks",
    title="Watermarks that leave no trace",
    question="Can a text be marked without changing its law, and found again after edits?",
    family="decode",
    papers=(
        Paper(
            "Robust Distortion-free Watermarks for Language Models",
            "Kuditipudi et al.",
            2023,
            "2307.15593",
        ),
        Paper("A Watermark for Large Language Models", "Kirchenbauer et al.", 2023, "2301.10226"),
        Paper(
            "Scalable watermarking for identifying large language model outputs, Nature 634",
            "Dathathri et al.",
            2024,
        ),
    ),
    fidelity="reduced scale",
    scaled_down="A small model and six texts a scheme in place of 500 from OPT-1.3B and LLaMA-7B; "
    "100 other keys a test, as in the authors' demonstration, where their experiments compare "
    "with 5,000.",
    seconds=37.0,
    params=WatermarksParams,
    run=run,
    method=("explorer.labs.watermarks.alignment", "explorer.labs.watermarks.edits"),
    aliases=("watermark", "exp", "its"),
)
