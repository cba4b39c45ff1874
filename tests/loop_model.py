"""A scripted model that loops, and whose exits each lead somewhere else."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence

from fakes import LetterTokenizer, ScriptedModel

from explorer.core.types import Trace
from explorer.services.generation import RunOptions, generate

TOKENIZER = LetterTokenizer()
UNIT = "abcdefgh"
WANDERS, RETURNS, OTHER, ENDS, BREAKS = "mtqwz"
"""Letters that leave the loop: what follows never repeats, is the loop, is another loop, ends the
text by itself, is no number."""


def bias(letter: str) -> str:
    """A method that leaves with this letter at once."""
    return f'logit_bias:bias="{letter}:4"+greedy'


def _after(history: Sequence[int]) -> str:
    """The letter that surely follows, or "" for the end."""
    text = "".join(TOKENIZER.pieces[i] for i in history if i)
    last = text[-1]
    if WANDERS in text:
        key = hashlib.sha256(str(len(text)).encode()).digest()
        return "ijklnop"[key[0] % 7]
    if OTHER in text:
        unit = OTHER + "rsv"
        return unit[(unit.index(last) + 1) % 4]
    if last == ENDS:
        return "u"
    if last == "u":
        return ""
    return UNIT[(UNIT.find(last) + 1) % 8]  # the first letter after any other


def script(history: Sequence[int]) -> list[float]:
    """Logits: sure once the loop is left, and with exits of known logits inside of it."""
    if TOKENIZER.pieces.index(BREAKS) in history:
        return [math.nan] * TOKENIZER.vocab_size
    logits = [-9.0] * TOKENIZER.vocab_size
    letter = _after(history)
    inside = TOKENIZER.pieces[history[-1]] in UNIT
    logits[0] = 3.5 if inside else -9.0
    for place, exit_ in enumerate((WANDERS, RETURNS, OTHER, ENDS, BREAKS)):
        logits[TOKENIZER.pieces.index(exit_)] = 3.0 - place / 10 if inside else -9.0
    if TOKENIZER.pieces.index(RETURNS) in history:  # it is left once
        logits[TOKENIZER.pieces.index(RETURNS)] = -9.0
    logits[TOKENIZER.pieces.index(letter) if letter else 0] = 6.0 if inside else 20.0
    return logits


def looping_model() -> ScriptedModel:
    """A new one."""
    return ScriptedModel(script, LetterTokenizer())


def looping_trace(model: ScriptedModel, tokens: int = 60, **options: object) -> Trace:
    """Greedy after "a": a loop of eight letters from the first token on."""
    options_ = RunOptions(**options)  # type: ignore[arg-type]
    (made,) = generate(model, "a", ["greedy"], tokens, 0, options_)
    return made
