"""How a sentence feeds itself: its probabilities when it stands again and again, teacher-forced."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from explorer.core.engine import check_fits
from explorer.core.errors import InvalidParams
from explorer.core.handle import ModelHandle, Tokenizer
from explorer.core.intervals import Figure, pooled
from explorer.core.repeated_copies import Unit, read_copies
from explorer.services import checks
from explorer.services.generation import check_model
from explorer.services.prompts import make_prompt

BASE = "Here is the passage."
"""What stands before the first copy."""
MAX_REPETITIONS = 200
MAX_SENTENCES = 1_000
_TOGETHER = 8
_SENTENCES = Path(__file__).resolve().parents[3] / "assets" / "loops" / "sentences.txt"


@dataclass(frozen=True, slots=True)
class Repetition:
    """All sentences at one repetition, averaged over tokens; intervals are over sentences.

    Attributes:
        number: 0 is the first occurrence.
        tp: mean probability of the right token.
        ip: share of tokens likelier than at the first occurrence.
        wr: share of tokens that are the likeliest.
    """

    number: int
    tp: Figure
    ip: Figure
    wr: Figure

    def as_data(self) -> dict[str, object]:
        """As JSON has it; intervals are [low, high]."""
        figures = {"tp": self.tp, "ip": self.ip, "wr": self.wr}
        data: dict[str, object] = {"repetition": self.number, "tokens": self.tp.n}
        for name, figure in figures.items():
            data[name] = figure.value
            data[f"{name}_95"] = [figure.low, figure.high]
        return data


def curve(units: Sequence[Unit]) -> tuple[Repetition, ...]:
    """TP, IP and WR by repetition.

    Every token counts once, so long sentences weigh more, as in the authors' code. Intervals are
    the delete-one-sentence jackknife's.

    Raises:
        InvalidParams: for no sentence, or sentences repeated differently often.

    Source: Xu et al., "Learning to Break the Loop", arXiv:2206.02369 (DITTO).
    Oracle: the authors' code (golden numbers, tests/golden/test_published_loops.py).
    """
    depths = {len(unit.probabilities) for unit in units}
    if len(depths) != 1:
        raise InvalidParams(
            f"{len(units)} sentences have {len(depths)} different numbers of repetitions.",
            "Give at least one sentence, all repeated equally often.",
        )
    return tuple(_repetition(units, n) for n in range(depths.pop()))


def _repetition(units: Sequence[Unit], number: int) -> Repetition:
    sizes = [len(unit.token_ids) for unit in units]
    tp = [unit.probability(number) for unit in units]
    ip = [unit.improved(number) for unit in units]
    wr = [unit.won(number) for unit in units]
    return Repetition(number, pooled(tp, sizes), pooled(ip, sizes), pooled(wr, sizes))


@cache
def bundled_sentences() -> tuple[str, ...]:
    """The 32 sentences written for this experiment."""
    return tuple(_SENTENCES.read_text(encoding="utf-8").splitlines())


def random_units(
    tokenizer: Tokenizer, count: int = 32, length: int = 12, seed: int = 0
) -> tuple[tuple[int, ...], ...]:
    """Sentences of tokens drawn uniformly from all that are no control marks.

    Raises:
        InvalidParams: for fewer than one sentence or token.
    """
    count = checks.whole("count", count, 1, MAX_SENTENCES)
    length = checks.whole("length", length, 1, MAX_SENTENCES)
    ids = [i for i in range(tokenizer.vocab_size) if not tokenizer.is_special(i)]
    drawn = np.random.default_rng(seed).choice(ids, (count, length))
    return tuple(tuple(row) for row in drawn.tolist())


def self_reinforcement(
    model: ModelHandle,
    sentences: Sequence[str | Sequence[int]],
    *,
    repetitions: int = 20,
    base: str = BASE,
    progress: Callable[[int], object] = int,
) -> tuple[Unit, ...]:
    """Every sentence repeated behind the base sentence, read by eight at once.

    A sentence given as text is read with a space before it, in its context, so that its ids are
    the same in every copy.

    Args:
        model: whose laws.
        sentences: texts, or ids of one copy each.
        repetitions: copies after the first.
        base: what stands before; empty means BOS.
        progress: called with how many sentences were read, after each forward's worth.

    Returns:
        One unit a sentence, in order; `curve` averages them.

    Raises:
        InvalidParams: for no sentence, one without a token, or a number out of bounds.
        NotCapable: if the copies of the longest do not fit the model's context.
    """
    check_model(model)
    repetitions = checks.whole("repetitions", repetitions, 1, MAX_REPETITIONS)
    rows = _rows(model, sentences)
    prompt = make_prompt(model, base, chat=False)
    check_fits(model, len(prompt.ids), max(map(len, rows)) * (repetitions + 1))
    # neighbours of like length waste little on filling up
    order = sorted(range(len(rows)), key=lambda i: len(rows[i]))
    found: dict[int, Unit] = {}
    for begin in range(0, len(order), _TOGETHER):
        group = order[begin : begin + _TOGETHER]
        units = read_copies(model, prompt.ids, [rows[i] for i in group], repetitions)
        found.update(zip(group, units, strict=True))
        progress(len(group))
    return tuple(found[i] for i in range(len(rows)))


def _rows(model: ModelHandle, sentences: Sequence[str | Sequence[int]]) -> list[tuple[int, ...]]:
    if isinstance(sentences, str):
        sentences = [sentences]
    if not 1 <= len(sentences) <= MAX_SENTENCES:
        raise InvalidParams(
            f"{len(sentences)} sentences were given.", f"Give 1 to {MAX_SENTENCES:,}."
        )
    rows = []
    for number, sentence in enumerate(sentences, 1):
        what = f"Sentence {number}"
        if isinstance(sentence, str):
            text = checks.text(what, sentence).strip()
            ids = tuple(model.tokenizer.encode_continuation(f" {text}")) if text else ()
        else:
            ids = checks.token_ids(what, sentence)
        if not ids:
            raise InvalidParams(f"{what} holds no token.", "Leave it out, or write one.")
        rows.append(ids)
    return rows
