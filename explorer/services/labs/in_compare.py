"""What a lab made, as a set-up of the Compare page: its continuations, and the models it tuned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from explorer.core.errors import NotCapable
from explorer.core.types import Trace
from explorer.decoders.quoting import quote
from explorer.decoders.spec import parse
from explorer.services.generation import MAX_LANES
from explorer.services.permalink import LinkState
from explorer.services.scoring import is_scored

TOKENS = 128
"""New tokens where no continuation says how many."""
PROMPT = "Once upon a time"


def of_traces(traces: Sequence[Trace], model: str, lent: Mapping[str, str]) -> LinkState:
    """The set-up that makes a lab's continuations again, where a run can.

    Args:
        traces: of one prompt.
        model: name of the lab's own model, as it was asked for.
        lent: names of tuned models, by the ids that traces have.

    Raises:
        NotCapable: for texts that no decoder made, or methods that cannot be had beside each other.
    """
    first = traces[0]
    lanes = tuple(_lane(trace, lent) for trace in traces[:MAX_LANES])
    longest = max(len(trace.steps) for trace in traces)
    return LinkState(
        prompt=first.prompt.text,
        lanes=lanes,
        seed=first.seed,
        model=model,
        max_new_tokens=max(1, longest),
    )


def of_tuned(name: str, model: str, traces: Sequence[Trace]) -> LinkState:
    """A model and what a lab made of it, side by side.

    Args:
        name: of the tuned model.
        model: of the one before, as it was asked for.
        traces: what the lab shows: the first gives a prompt.
    """
    prompt = traces[0].prompt.text if traces else PROMPT
    lanes = ("greedy", after(name, "greedy"), "ancestral", after(name, "ancestral"))
    return LinkState(prompt=prompt, lanes=lanes, model=model, max_new_tokens=TOKENS)


def after(name: str, spec: str) -> str:
    """A lane's spec, run under another model's law.

    >>> after("tiny-ditto", "greedy")
    'mixture:model="tiny-ditto",weight=1+greedy'
    """
    return f"mixture:model={quote(name)},weight=1+{spec}"


def _lane(trace: Trace, lent: Mapping[str, str]) -> str:
    if is_scored(trace.decoder):
        raise NotCapable("These texts were given: no decoder made them.", "Open them on Traces.")
    chain = parse(trace.decoder)
    name = lent.get(trace.model.id)
    if name is None:
        return trace.decoder
    if chain.second is not None:
        raise NotCapable(
            f"'{trace.decoder}' already compares with a second context.", "Open it on Traces."
        )
    return after(name, trace.decoder)
