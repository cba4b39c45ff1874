"""How fast is it: ratios of things run in turn, medians over several rounds.

Absolute times depend on the machine and on what else it does; a ratio of two things measured
one after the other, round by round, does not.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from explorer.core import lockstep, recorded_run
from explorer.core.deferred import torch
from explorer.core.distribution import entropy_and_varentropy, log_normalise, rank
from explorer.core.errors import NotCapable
from explorer.core.handle import Capability, ModelHandle
from explorer.core.kv_cache import cache_argument
from explorer.core.packed_linear import PackedLinear
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
CPU_LIMIT, GPU_LIMIT = 1 / 4, 1 / 15
"""Of the time of eight `generate` calls, one after another."""
_COPIED = 256 * 2**20
PROMPT = "The old lighthouse keeper opened the door and"


@dataclass(frozen=True, slots=True)
class Ratio:
    """One measured ratio.

    Attributes:
        name: what over what.
        median: of the rounds.
        lowest: of the rounds.
        highest: of the rounds.
        limit: what the project promises; the median must not exceed it. Infinite for no promise.
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
    """Wall seconds of one call, until its device has finished."""
    started = time.perf_counter()
    work()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - started


def step_bytes(module: Any, rows: int, length: int) -> int:
    """Bytes that a step of so many rows cannot but read: all weights once, and the cache.

    Args:
        module: a transformers model.
        rows: that advance together.
        length: tokens in each.
    """
    # Packed layers hold theirs in tensors that are no parameters: what they stand for counts.
    weights = sum(p.numel() * p.element_size() for p in module.parameters())
    packed = [m for m in module.modules() if isinstance(m, PackedLinear)]
    weights += sum(4 * m.in_features * m.out_features for m in packed)
    config = module.config.get_text_config(decoder=True)
    heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
    size = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    item = torch.empty((), dtype=module.dtype).element_size()
    return int(weights + 2 * config.num_hidden_layers * heads * size * rows * length * item)


def copy_bandwidth(device: torch.device, rounds: int = 5) -> float:
    """Bytes a second that a device reads, from copies of a tensor that fits in no cache."""
    source = torch.zeros(_COPIED, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    times = [timed(lambda: target.copy_(source)) for _ in range(rounds + 1)][1:]
    return _COPIED / statistics.median(times)


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
    ids = torch.tensor([list(prompt_ids)] * rows, device=module.device)
    cache, name = None, cache_argument(module)
    with torch.inference_mode():
        for _ in range(tokens):
            answer = module(input_ids=ids, **{name: cache}, use_cache=True, logits_to_keep=1)
            cache = getattr(answer, name)
            ids = answer.logits[:, -1].argmax(dim=-1, keepdim=True)


def generate_calls(module: Any, prompt_ids: Sequence[int], tokens: int) -> None:
    """Eight `generate` calls that return logits, and the same figures computed from them."""
    ids = torch.tensor([list(prompt_ids)], device=module.device)
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
    tokens under both laws, and the recorder. Where steps are recorded, a device measures while
    it does all else, and what the host does with the figures counts.
    """
    watch = _Stopwatch()
    # The loop's own names: what it calls is timed, wherever it was defined.
    places: tuple[tuple[Any, str], ...] = (
        (lockstep, "measure_block"),
        (lockstep, "measure_choices"),
        (recorded_run, "measures_of"),
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
    least = tokens * step_bytes(module, rows, len(prompt_ids) + tokens // 2)
    times["reading"] = [least / copy_bandwidth(module.device)] * rounds
    on_gpu = Capability.RECORDED in model.capabilities
    reading = "reading weights and cache once a step"
    return [
        _ratio("eight lanes with traces / bare loop of eight rows", times, "bare", 1.25),
        _ratio(
            "eight lanes with traces / eight generate calls",
            times,
            "generate",
            GPU_LIMIT if on_gpu else CPU_LIMIT,
        ),
        # On a GPU the host writes down while the device is ahead: it costs no time of the run.
        _share("measuring and recording / whole run", shares, math.inf if on_gpu else 0.10),
        _ratio(f"bare loop / {reading}", times, "reading", math.inf, "bare"),
        _ratio(f"eight lanes with traces / {reading}", times, "reading", math.inf),
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
