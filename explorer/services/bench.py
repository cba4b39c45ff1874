"""How fast is it: ratios of things run in turn, medians over several rounds.

Absolute times depend on the machine and on what else it does; a ratio of two things measured
one after the other, round by round, does not.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from explorer.core import engine
from explorer.core.distribution import entropy_and_varentropy, log_normalise, rank
from explorer.core.errors import NotCapable
from explorer.core.handle import ModelHandle
from explorer.core.kv_cache import cache_argument
from explorer.core.recorder import Recorder
from explorer.services.generation import Run, RunOptions

EIGHT_LANES = (
    "greedy",
    "ancestral",
    "temperature:temperature=0.8",
    "top_k:k=50",
    "nucleus:p=0.95",
    "min_p:p=0.05",
    "locally_typical:mass=0.95",
    "momentum",
)
PROMPT = "The old lighthouse keeper opened the door and"


@dataclass(frozen=True, slots=True)
class Ratio:
    """One measured ratio.

    Attributes:
        name: what over what.
        median: of the rounds.
        lowest: of the rounds.
        highest: of the rounds.
        limit: what the project promises; the median must not exceed it.
        figures: medians that make it, seconds.
    """

    name: str
    median: float
    lowest: float
    highest: float
    limit: float
    figures: dict[str, float]

    @property
    def holds(self) -> bool:
        """True where the promise is kept."""
        return self.median <= self.limit


def timed(work: Callable[[], object]) -> float:
    """Wall seconds of one call."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def explorer_run(model: ModelHandle, tokens: int) -> Run:
    """Eight lanes with full traces, to the end."""
    options = RunOptions(max_new_tokens=tokens, seed=7, ignore_eos=True)
    run = Run(model, PROMPT, EIGHT_LANES, options)
    for _ in run.columns():
        pass
    run.traces()
    return run


def bare_loop(module: Any, prompt_ids: Sequence[int], rows: int, tokens: int) -> None:
    """What anyone would write: eight rows, one forward a token, argmax, nothing recorded."""
    ids = torch.tensor([list(prompt_ids)] * rows)
    cache, name = None, cache_argument(module)
    with torch.inference_mode():
        for _ in range(tokens):
            answer = module(input_ids=ids, **{name: cache}, use_cache=True, logits_to_keep=1)
            cache = getattr(answer, name)
            ids = answer.logits[:, -1].argmax(dim=-1, keepdim=True)


def generate_calls(module: Any, prompt_ids: Sequence[int], tokens: int) -> None:
    """Eight `generate` calls that return logits, and the same figures computed from them."""
    ids = torch.tensor([list(prompt_ids)])
    settings: tuple[dict[str, Any], ...] = (
        {"do_sample": False},
        {"do_sample": True, "top_k": 0},
        {"do_sample": True, "top_k": 0, "temperature": 0.8},
        {"do_sample": True, "top_k": 50},
        {"do_sample": True, "top_k": 0, "top_p": 0.95},
        {"do_sample": True, "top_k": 0, "min_p": 0.05},
        {"do_sample": True, "top_k": 0, "typical_p": 0.95},
        {"do_sample": False},
    )
    for setting in settings:
        answer = module.generate(
            ids,
            attention_mask=torch.ones_like(ids),
            max_new_tokens=tokens,
            min_new_tokens=tokens,
            output_logits=True,
            output_scores=True,
            return_dict_in_generate=True,
            pad_token_id=0,
            **setting,
        )
        made = answer.sequences[0, ids.shape[1] :]
        for kind in (answer.logits, answer.scores):
            laws = log_normalise(torch.cat(kind))
            entropy_and_varentropy(laws)
            rank(laws, made)
            laws.gather(-1, made.unsqueeze(-1))
            laws.topk(10, dim=-1)


class _Stopwatch:
    """Adds up the time spent inside functions that it stands in for."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def around(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def timed_function(*args: Any, **kwargs: Any) -> Any:
            started = time.perf_counter()
            try:
                return function(*args, **kwargs)
            finally:
                self.seconds += time.perf_counter() - started

        return timed_function


def recording_share(model: ModelHandle, tokens: int) -> tuple[float, float]:
    """Seconds spent on measuring and recording, and on the whole run.

    All of it counts: log-softmax, entropy and top-K of the block, the measures of the chosen
    tokens under both laws, and the recorder.
    """
    watch = _Stopwatch()
    # The engine's own names: what it calls is timed, wherever it was defined.
    places: tuple[tuple[Any, str], ...] = (
        (engine, "measure_block"),
        (engine, "measure_choices"),
        (Recorder, "add"),
    )
    originals = [getattr(owner, name) for owner, name in places]
    for (owner, name), original in zip(places, originals, strict=True):
        setattr(owner, name, watch.around(original))
    try:
        whole = timed(lambda: explorer_run(model, tokens))
    finally:
        for (owner, name), original in zip(places, originals, strict=True):
            setattr(owner, name, original)
    return watch.seconds, whole


def bench(
    model: ModelHandle, tokens: int = 64, rounds: int = 5, progress: Callable[[], object] = int
) -> list[Ratio]:
    """Measure the three promises.

    Args:
        model: a transformers model on this machine.
        tokens: new tokens a lane.
        rounds: how often everything is run, in turn, after one warm-up.
        progress: called after every round.

    Raises:
        NotCapable: for a model that is no transformers module.
    """
    module = getattr(model, "model", None)
    if module is None:
        raise NotCapable("The benchmark needs a transformers model.", "Use smollm2-135m.")
    prompt_ids = model.tokenizer.encode(PROMPT)
    rows = len(EIGHT_LANES)
    times: dict[str, list[float]] = {"explorer": [], "bare": [], "generate": []}
    shares: list[tuple[float, float]] = []
    for warm in range(rounds + 1):
        ours = timed(lambda: explorer_run(model, tokens))
        bare = timed(lambda: bare_loop(module, prompt_ids, rows, tokens))
        calls = timed(lambda: generate_calls(module, prompt_ids, tokens))
        share = recording_share(model, tokens)
        progress()
        if warm == 0:
            continue
        for name, value in zip(times, (ours, bare, calls), strict=True):
            times[name].append(value)
        shares.append(share)
    return [
        _ratio("eight lanes with traces / bare loop of eight rows", times, "bare", 1.25),
        _ratio("eight lanes with traces / eight generate calls", times, "generate", 0.25),
        _share("measuring and recording / whole run", shares, 0.10),
    ]


def _ratio(
    name: str, times: dict[str, list[float]], theirs: str, limit: float, ours: str = "explorer"
) -> Ratio:
    ratios = [a / b for a, b in zip(times[ours], times[theirs], strict=True)]
    figures = {key: round(statistics.median(times[key]), 3) for key in (ours, theirs)}
    return Ratio(
        name,
        round(statistics.median(ratios), 3),
        round(min(ratios), 3),
        round(max(ratios), 3),
        limit,
        figures,
    )


def _share(name: str, shares: list[tuple[float, float]], limit: float) -> Ratio:
    times = {"recording": [s for s, _ in shares], "whole": [w for _, w in shares]}
    return _ratio(name, times, "whole", limit, ours="recording")
