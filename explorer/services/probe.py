"""What probability a named token had at every place of a text."""

from __future__ import annotations

import math
from dataclasses import dataclass

from explorer.core.distribution import log_normalise
from explorer.core.errors import InvalidParams
from explorer.core.forcing import forced_laws
from explorer.core.handle import ModelHandle
from explorer.core.types import Trace
from explorer.services import checks


@dataclass(frozen=True, slots=True)
class Probe:
    """A token along a text.

    Attributes:
        text: what was asked for.
        token_id: the token that is meant.
        is_whole: the text is this one token; else it is its first, and the numbers are those of
            any word that begins with it.
        log_p: for each place of the text, log p of the token there, nats.
        ranks: tokens likelier than it there.
    """

    text: str
    token_id: int
    is_whole: bool
    log_p: tuple[float, ...]
    ranks: tuple[int, ...]

    @property
    def best(self) -> int:
        """The place where it was likeliest."""
        return max(range(len(self.log_p)), key=self.log_p.__getitem__)

    def as_data(self) -> dict[str, object]:
        """As JSON has it: -inf is null."""
        return {
            "text": self.text,
            "token_id": self.token_id,
            "is_whole": self.is_whole,
            "log_p": [None if x == -math.inf else round(x, 6) for x in self.log_p],
            "ranks": list(self.ranks),
        }


def probe(model: ModelHandle, trace: Trace, text: str) -> Probe:
    """Ask for a token at every place of a trace.

    Args:
        model: whose laws.
        trace: a text, scored or made.
        text: the token, such as " cat" (with its space, where the tokenizer joins it).

    Raises:
        InvalidParams: for a text without a token.
        NotCapable: if the trace does not fit the model's context.
    """
    ids = model.tokenizer.encode_continuation(checks.text("The probe", text))
    if not ids or not trace.steps:
        raise InvalidParams("There is no token to ask for, or no text.", "Write one, like ' cat'.")
    log_p: list[float] = []
    ranks: list[int] = []
    count = len(trace.steps)
    for first, block in forced_laws(model, trace.prompt.ids, [trace.token_ids]):
        laws = log_normalise(block[0][: count - first])
        own = laws[:, ids[0]]
        log_p += own.tolist()
        ranks += (laws > own.unsqueeze(1)).sum(dim=1).tolist()
    return Probe(text, ids[0], len(ids) == 1, tuple(log_p), tuple(ranks))
