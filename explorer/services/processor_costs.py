"""What each processor costs: milliseconds for 8 rows of 49,152 on one thread."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

from explorer.core.decoder import Processor, StageInfo, StepView
from explorer.core.deferred import torch
from explorer.core.distribution import log_normalise
from explorer.core.handle import Tokenizer
from explorer.processors import ALL

ROWS, VOCAB, HISTORY = 8, 49_152, 200
LIMIT_MS = 2.0

_EXAMPLES = {
    "banned_phrases": {"phrases": "#17|#29"},
    "suppressed": {"containing": "#17|#29"},
    "logit_bias": {"bias": "#17:2|#29:-2"},
    "forced": {"end": True},
}
"""Values under which a stage that is idle by default has something to do."""


@dataclass(frozen=True, slots=True)
class Cost:
    """The price of one processor.

    Attributes:
        name: of the processor.
        milliseconds: median over the calls.
        within: at most `LIMIT_MS`.
    """

    name: str
    milliseconds: float

    @property
    def within(self) -> bool:
        """True where it keeps the limit."""
        return self.milliseconds <= LIMIT_MS


def processor_costs(tokenizer: Tokenizer, calls: int = 9) -> Iterator[Cost]:
    """Time every processor that needs neither hidden states nor a grammar.

    Args:
        tokenizer: for stages that name texts.
        calls: timed calls of each, after one that is not.
    """
    view = _view(tokenizer)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        for info in ALL:
            if not info.layers and info.name != "grammar":
                yield Cost(info.name, _median_ms(info, view, calls))
    finally:
        torch.set_num_threads(threads)


def _view(tokenizer: Tokenizer) -> StepView:
    noise = torch.Generator().manual_seed(0)
    # A Zipf law of exponent 1.5 and some noise, shuffled: much like a language model's.
    ranks = torch.arange(1, VOCAB + 1).float()
    sorted_logits = -1.5 * ranks.log() + torch.randn(ROWS, VOCAB, generator=noise) * 0.3
    logits = sorted_logits[:, torch.randperm(VOCAB, generator=noise)].contiguous()
    histories = torch.randint(0, VOCAB, (ROWS, HISTORY), generator=noise).tolist()
    return StepView(
        logits=logits,
        logprobs=log_normalise(logits),
        histories=tuple(histories),
        prompt_length=20,
        uniforms=(0.1,) * ROWS,
        eos_ids=frozenset({0}),
        tokenizer=tokenizer,
        second_logits=logits.roll(3, dims=-1),
    )


def _median_ms(info: StageInfo, view: StepView, calls: int) -> float:
    values = info.params.model_validate(_EXAMPLES.get(info.name, {}))
    process = cast(Processor, info.build(values))
    times = []
    for _ in range(calls + 1):
        started = time.perf_counter()
        process(view.logits, view)
        times.append((time.perf_counter() - started) * 1000)
    return statistics.median(times[1:])
