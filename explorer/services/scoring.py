"""Traces of text that already exists: teacher-forced, one law a token."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence

from explorer.core.engine import check_fits
from explorer.core.errors import InvalidParams
from explorer.core.forcing import Windows, windowed_laws
from explorer.core.handle import ModelHandle
from explorer.core.loops import find_loops
from explorer.core.measure import Place, measure_block, measure_choices
from explorer.core.recorder import LaneLabel, assemble
from explorer.core.trace_schema import MAX_TOP
from explorer.core.types import Noise, Prompt, StopReason, TokenStep, Trace
from explorer.services import checks
from explorer.services.generation import check_model, library_versions
from explorer.services.prompts import make_prompt

SCORED = "score"
"""Stands where a decoder spec would, in a trace of given text."""
_WINDOWED = re.compile(r"score:window=([1-9]\d{0,8}),stride=([1-9]\d{0,8})", re.ASCII)


def is_scored(decoder: str) -> bool:
    """True where a trace is of given text, and of no decoder."""
    return decoder == SCORED or windows_of(decoder) is not None


def windows_of(decoder: str) -> Windows | None:
    """The windows by which given text was read; None where it was read as one."""
    found = _WINDOWED.fullmatch(decoder)
    if found is None or int(found[2]) >= int(found[1]):
        return None
    return Windows(int(found[1]), int(found[2]))


def score(
    model: ModelHandle,
    text: str | Sequence[int],
    *,
    prompt: str | Sequence[int] | Prompt = "",
    top: int = 10,
    windows: Windows | None = None,
) -> Trace:
    """A trace of given text: what the model thought of every token of it.

    The sampling law is the model's law. Without a prompt the text stands after BOS, so that its
    first token has a surprisal too.

    Args:
        model: from `load_model`.
        text: text, or token ids.
        prompt: what stands before it and is not scored; empty means BOS.
        top: alternatives kept a token.
        windows: how a text longer than the model's context is read; None reads it as one.

    Raises:
        InvalidParams: for a text without a token, or a value that cannot be used.
        NotCapable: if prompt and text, or a window, do not fit the model's context.
    """
    started = time.perf_counter()
    check_model(model)
    top = checks.whole("top", top, 1, MAX_TOP)
    given = make_prompt(model, prompt, chat=False)
    if isinstance(text, str):
        ids = model.tokenizer.encode_continuation(checks.text("The text", text))
    else:
        ids = list(checks.token_ids("The text", text))
    if not ids:
        raise InvalidParams("The text to score holds no token.", "Give some text.")
    if windows is not None and len(given.ids) + len(ids) <= windows.size:
        windows = None  # one window is no windows
    if windows is None:
        check_fits(model, len(given.ids), len(ids))
    steps = _steps(model, given.ids, ids, top, windows)
    said = f"{SCORED}:window={windows.size},stride={windows.stride}" if windows else SCORED
    elapsed = time.perf_counter() - started
    return assemble(
        model,
        given,
        LaneLabel(said, Noise("")),
        steps,
        lane=0,
        seed=0,
        versions=library_versions(),
        batch_rows=1,
        stop_reason=StopReason.MAX_NEW_TOKENS,
        loops=find_loops(ids),
        # No tokens_per_s: that is the speed of writing, and nothing was written.
        timing={"score_s": round(elapsed, 6)},
        hypotheses=(),
    )


def _steps(
    model: ModelHandle,
    prompt_ids: Sequence[int],
    ids: Sequence[int],
    top: int,
    windows: Windows | None,
) -> list[TokenStep]:
    steps: list[TokenStep] = []
    start = len(prompt_ids)
    laws = (
        ((position - start, logits) for position, logits in model.score([*prompt_ids, *ids], start))
        if windows is None
        else ((i, logits[0]) for i, logits in windowed_laws(model, prompt_ids, ids, windows))
    )
    for first, logits in laws:
        block = measure_block(logits, top)
        chosen = ids[first : first + block.rows]
        measures = measure_choices(block, range(block.rows), chosen, block.logprobs)
        for token_id, m in zip(chosen, measures, strict=True):
            place = Place(lane=0, row=0, parent_row=0, index=len(steps), token_id=token_id)
            steps.append(m.step(place))
    return steps
