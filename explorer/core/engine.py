"""The one lockstep loop: many decoding methods, one batched forward a step.

The life of a run:
  1) prefill the prompt once, at batch 1;
  2) fan the cache out to one row a lane;
  3) measure the whole [rows, vocab] block once (log-softmax, entropy, likeliest tokens);
  4) every decoder gets its slice and answers with a `Move`;
  5) the new tokens are measured under p and q, and leave as a column;
  6) one index reorders, repeats and retires the rows of the cache;
  7) one forward of [rows, 1]; back to 3.

On a GPU, where every lane is one row, steps 3 to 7 are recorded once and replayed
(`explorer.core.recorded_run`); beams, second contexts and hidden states take the way above.

The engine knows token ids only. It holds no thread, callback or queue: closing the generator
stops the compute before the next forward.
"""

from __future__ import annotations

from collections.abc import Iterator

from explorer.core.errors import InvalidParams
from explorer.core.handle import ModelHandle
from explorer.core.lockstep import Lockstep
from explorer.core.recorded_run import RecordedRun, can_record
from explorer.core.request import Context, Lane, Request, Watcher, check_fits
from explorer.core.types import Column

__all__ = ["Context", "Lane", "Request", "Watcher", "check_fits", "generate"]


def generate(model: ModelHandle, request: Request) -> Iterator[Column]:
    """Run all lanes of a request in lockstep.

    Args:
        model: the model whose law is p.
        request: what to generate.

    Yields:
        One column a step; after the last, no lane is alive. A run that is interrupted while it
        reads the prompt gives one column without tokens. Lanes that look ahead settle their last
        token in a column of their own. A lane whose numbers fail ends as cancelled, and the
        others go on.

    Raises:
        InvalidParams: for an empty prompt, no lane, or nothing to make.
        NotCapable: if prompt and continuation do not fit the model's context, or the model does
            not show what a lane reads.
        NumericalFailure: after the last column, if a lane met NaN or no possible token, from
            the model or in its own law; names every such lane.
    """
    check_fits(model, len(request.prompt_ids) + len(request.given), request.max_new_tokens)
    if not request.lanes or request.top < 1:
        raise InvalidParams("A run needs at least one lane and one alternative a token.")
    run = (RecordedRun if can_record(model, request) else Lockstep)(model, request)
    stopped = run.prefill()
    if stopped is not None:
        yield run.column(run.first, (), stopped)
        return
    looks_ahead = any(lane.decoder.looks_ahead for lane in request.lanes)
    for step in range(request.max_new_tokens + looks_ahead):
        with request.turn:
            column = run.advance(step)
        yield column
        if not column.alive_rows:
            break
        run.forward()
    run.raise_failures()
