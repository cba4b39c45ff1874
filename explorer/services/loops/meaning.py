"""Cycles of meaning: sentences that say again what was said, by the model's own states."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from explorer.analyzers.near_loops import NearLoop
from explorer.analyzers.paraphrase_loops import MAX_CYCLE, sentence_cycles, sentences
from explorer.core.deferred import torch
from explorer.core.errors import NotCapable
from explorer.core.handle import ModelHandle
from explorer.core.loops import LoopThresholds
from explorer.core.types import Trace
from explorer.services.loops.self_reinforcement import BASE, bundled_sentences

if TYPE_CHECKING:
    from torch import Tensor

STRICTNESS = 2.5
"""Deviations above unlike sentences that two must be alike by; measured, docs/loops.md."""
MOST_TOKENS = 8_192
_FEWEST_SENTENCES = 3


@dataclass(frozen=True, slots=True)
class Yardstick:
    """What unlike sentences look like to a model; all else is measured against it.

    Attributes:
        scale: float32 [width]: standard deviation of each number of a sentence's state.
        mean: cosine of sentences that have nothing to do with each other.
        deviation: its standard deviation.
    """

    scale: Tensor
    mean: float
    deviation: float

    def likeness(self, states: Tensor) -> Tensor:
        """Cosines of all pairs, float32 [sentences, sentences], each number on its own scale.

        States are not centred on the text's mean: a text that is one cycle has the meaning of
        the cycle for its mean, and centred, its sentences would be unlike.
        """
        scaled = states / self.scale
        scaled = scaled / scaled.norm(dim=-1, keepdim=True).clamp_min(1e-12)
        cosines: Tensor = scaled @ scaled.T
        return cosines


def yardstick(model: ModelHandle) -> Yardstick:
    """Measured on the 32 sentences written for the project, read as one text: one forward.

    Raises:
        NotCapable: for a model that does not show its hidden states.
    """
    rows = [model.tokenizer.encode_continuation(f" {text}") for text in bundled_sentences()]
    rows = [row for row in rows if row]
    ends = torch.tensor([0, *map(len, rows)]).cumsum(0).tolist()
    prompt = model.tokenizer.encode(BASE) or [model.tokenizer.bos_id or 0]
    spans = list(pairwise(ends))
    states = sentence_states(model, prompt, [i for row in rows for i in row], spans)
    scale = states.std(0).clamp_min(1e-6)
    cosines = Yardstick(scale, 0.0, 1.0).likeness(states)
    near = torch.cat([cosines.diagonal(k) for k in range(1, MAX_CYCLE + 1)])
    return Yardstick(scale, float(near.mean()), float(near.std()))


def sentence_states(
    model: ModelHandle,
    prompt_ids: Sequence[int],
    token_ids: Sequence[int],
    spans: Sequence[tuple[int, int]],
    cancel: threading.Event | None = None,
) -> Tensor:
    """The mean last hidden state over the tokens of every sentence, float32 [sentences, width].

    Raises:
        NotCapable: for a model that shows none, more tokens than it reads, or once cancelled.
    """
    batch = model.open_batch()
    batch.keep_layers()
    for _ in batch.prefill([*prompt_ids, *token_ids]):
        if cancel is not None and cancel.is_set():
            raise NotCapable("The reading was stopped.", "Begin it again.")
    layers = batch.layers
    assert layers is not None
    states = layers.prompt[len(prompt_ids) :].float().cpu()
    return torch.stack([states[first:end].mean(0) for first, end in spans])


def meaning_loops(
    model: ModelHandle,
    trace: Trace,
    thresholds: LoopThresholds | None = None,
    *,
    strictness: float = STRICTNESS,
    cancel: threading.Event | None = None,
) -> tuple[NearLoop, ...]:
    """Runs of sentences, each of about the meaning of the one k before, k from 1 to 4.

    As `paraphrase_loops`, with the cosine of mean last hidden states in place of shared words;
    what repeats word by word is found as well.

    Args:
        model: the trace's.
        trace: its text.
        thresholds: longest unit in tokens, fewest copies, fewest tokens.
        strictness: standard deviations above the likeness of unlike sentences.
        cancel: ends the reading between two chunks.

    Raises:
        NotCapable: for a model without hidden states, or a text that is too long.
    """
    ids = trace.token_ids
    if len(trace.prompt.ids) + len(ids) > MOST_TOKENS:
        raise NotCapable(
            f"{len(trace.prompt.ids) + len(ids):,} tokens are too many to be read for meaning.",
            f"At most {MOST_TOKENS:,}: take a shorter run.",
        )
    spans = sentences([trace.pieces.get(i, "") for i in ids])
    if len(spans) < _FEWEST_SENTENCES:
        return ()
    ruler = yardstick(model)
    states = sentence_states(model, trace.prompt.ids, ids, spans, cancel)
    cosines = ruler.likeness(states)
    least = ruler.mean + strictness * ruler.deviation
    return sentence_cycles(
        "meaning",
        spans,
        lambda i, j: float(cosines[i, j]),
        least,
        thresholds or LoopThresholds(),
    )
