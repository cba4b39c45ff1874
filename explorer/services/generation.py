"""Prompts and specs in, columns and traces out: what the page, the commands and Python share."""

from __future__ import annotations

import platform
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.metadata import PackageNotFoundError, version

from explorer.core import engine
from explorer.core.decoder import Decoder, Second
from explorer.core.errors import InvalidParams, NotCapable
from explorer.core.fair_lock import FairLock
from explorer.core.given import Forced, Given, Patient
from explorer.core.handle import ModelHandle
from explorer.core.loops import LoopThresholds
from explorer.core.noise import lane_keys
from explorer.core.recorder import LaneLabel, Recorder, RunFacts
from explorer.core.trace_schema import MAX_SEED_BITS, MAX_TOKENS, MAX_TOP
from explorer.core.turns import Turn
from explorer.core.types import Column, Prompt, StopReason, Terms, Trace
from explorer.core.watchers import LoopWatcher, StopStringWatcher
from explorer.decoders.spec import Chain, parse
from explorer.services import checks
from explorer.services.loading import load_model
from explorer.services.model_memory import ModelSize, estimate_need, free_memory, require_memory
from explorer.services.prompts import make_prompt

MAX_LANES = 8
MAX_ROWS = 64
RANDOM_SEED = -1
_TURNS = FairLock()
"""One run chooses at a time, whatever its model (`explorer.core.turns`)."""


@dataclass(frozen=True, slots=True)
class RunOptions:
    """How to run; see `explorer.core.engine.Request` for the terms.

    Attributes:
        max_new_tokens: most tokens a lane may take.
        seed: any integer; -1 draws one, and the one drawn is written in the traces.
        coupled: the same noise in all lanes.
        top: alternatives kept a token.
        stop_on_loop: end a lane once it loops.
        loop: what counts as a loop.
        stop_strings: end a lane once its text holds one of them.
        deadline_s: end all lanes after so many seconds; None sets no limit.
        ignore_eos: go on past the end mark.
        chat: put a prompt given as text into the model's chat template.
    """

    max_new_tokens: int = 128
    seed: int = 0
    coupled: bool = False
    top: int = 10
    stop_on_loop: bool = False
    loop: LoopThresholds = field(default_factory=LoopThresholds)
    stop_strings: tuple[str, ...] = ()
    deadline_s: float | None = None
    ignore_eos: bool = False
    chat: bool = False

    def __post_init__(self) -> None:
        """Check every value.

        Raises:
            InvalidParams: naming the first that cannot be used, and what could.
        """
        checked: dict[str, object] = {
            "max_new_tokens": checks.whole("max_new_tokens", self.max_new_tokens, 1, MAX_TOKENS),
            "seed": checks.whole("seed", self.seed, -(2**MAX_SEED_BITS), 2**MAX_SEED_BITS),
            "top": checks.whole("top", self.top, 1, MAX_TOP),
            "stop_strings": checks.texts("stop_strings", self.stop_strings),
        }
        for name in ("coupled", "stop_on_loop", "ignore_eos", "chat"):
            checks.flag(name, getattr(self, name))
        if self.deadline_s is not None:
            checked["deadline_s"] = checks.seconds("deadline_s", self.deadline_s)
        if not isinstance(self.loop, LoopThresholds):
            raise InvalidParams(
                f"loop must be LoopThresholds(…), got {checks.shown(self.loop)}.",
                "Leave it out for the usual ones.",
            )
        for name, value in checked.items():  # a frozen dataclass lets its own __post_init__ in
            object.__setattr__(self, name, value)

    def terms(self, given: int = 0) -> Terms:
        """What may end a lane, as traces state it; `given` tokens stand before the new ones."""
        return Terms(
            max_new_tokens=given + self.max_new_tokens,
            ignore_eos=self.ignore_eos,
            stop_strings=self.stop_strings,
            stop_on_loop=self.stop_on_loop,
            loop_max_period=self.loop.max_period,
            loop_min_copies=self.loop.min_copies,
            loop_min_tokens=self.loop.min_tokens,
        )


def library_versions() -> dict[str, str]:
    """Versions that numbers may depend on."""
    found = {"python": platform.python_version()}
    for name in ("torch", "transformers"):
        found[name] = version(name)
    try:
        found["explorer"] = version("generation-explorer")
    except PackageNotFoundError:
        found["explorer"] = "0.1.0"
    return found


class Run:
    """One run: iterate `columns()` as far as you like, then ask for `traces()`.

    Closing the iterator stops the compute; what was made stays.

    Args:
        model: a loaded model.
        prompt: text, ids, or a made `Prompt`.
        decoders: one spec a lane.
        options: how to run.
        cancel: set it from any thread to end the run within a token.
        second_models: models that specs name, by these names; others are loaded.

    Attributes:
        given: what the lanes begin with; forks set it. `options.max_new_tokens` counts what is
            forced.
    """

    given = Given()
    most_lanes = MAX_LANES

    def __init__(
        self,
        model: ModelHandle,
        prompt: str | Sequence[int] | Prompt,
        decoders: Sequence[str],
        options: RunOptions | None = None,
        *,
        cancel: threading.Event | None = None,
        second_models: Mapping[str, ModelHandle] | None = None,
    ) -> None:
        check_model(model)
        options = _options(options)
        if options.seed == RANDOM_SEED:
            options = replace(options, seed=secrets.randbelow(2**31))
        self.model, self.options = model, options
        self.chains = read_specs(decoders, self.most_lanes)
        self.prompt = make_prompt(model, prompt, chat=options.chat)
        self.cancel = cancel or threading.Event()
        self._begun = False
        self.on_prefill: Callable[[int, int], None] = lambda done, total: None
        specs = tuple(chain.canonical for chain in self.chains)
        self._noises = self.given.noises or lane_keys(specs, coupled=options.coupled)
        self._eos_ids = frozenset() if options.ignore_eos else model.tokenizer.eos_ids
        before = len(self.prompt.ids) + len(self.given.steps)
        engine.check_fits(model, before, options.max_new_tokens)
        self._check_memory()
        self._second_models = dict(second_models or {})
        self._contexts = tuple(self._context(chain.second) for chain in self.chains)
        self._decoders = tuple(self._decoder(i) for i in range(len(self.chains)))
        self.recorder = Recorder(
            model,
            self.prompt,
            [
                LaneLabel(
                    spec, self._noises[i], self._decoders[i].conclude, len(self.given.forced_of(i))
                )
                for i, spec in enumerate(specs)
            ],
            RunFacts(
                options.seed,
                self._eos_ids,
                library_versions(),
                options.loop,
                options.terms(len(self.given.steps)),
                self.given.steps,
            ),
        )

    def _decoder(self, lane: int) -> Decoder:
        decoder, forced = self.chains[lane].build(), self.given.forced_of(lane)
        return Forced(decoder, forced) if forced else decoder

    def _check_memory(self) -> None:
        """Refuse a run whose cache and logits do not fit beside the loaded model."""
        info, rows = self.model.info, sum(chain.build().width for chain in self.chains)
        tokens = len(self.prompt.ids) + self.options.max_new_tokens
        size = ModelSize(0, 4, info.kv_bytes_per_token, info.vocab_size)
        need = estimate_need(size, rows, tokens)
        require_memory(f"A run of {rows} rows by {tokens:,} tokens", need, free_memory(info.device))

    def _context(self, second: Second | None) -> engine.Context | None:
        """The second context of a lane, its model loaded and its prompt read as ids."""
        if second is None:
            return None
        if second.model and second.model not in self._second_models:
            self._second_models[second.model] = load_model(second.model)
        model = self._second_models[second.model] if second.model else self.model
        prompt = self.prompt
        if second.prompt is not None:
            prompt = make_prompt(model, second.prompt, chat=prompt.template == "chat")
        return engine.Context(f"{second.model}\x1f{second.prompt!r}", model, prompt.ids)

    def columns(self) -> Iterator[Column]:
        """Run, recording every column before it is given out.

        Raises:
            NotCapable: if it was asked for before: a second pass would mix two runs in one trace.
        """
        if self._begun:
            raise NotCapable("This run has begun already.", "Make a new Run for another.")
        self._begun = True
        for column in engine.generate(self.model, self._request()):
            self.recorder.add(column)
            yield column

    def traces(self) -> tuple[Trace, ...]:
        """One trace a lane, of everything made so far."""
        return self.recorder.traces()

    def _request(self) -> engine.Request:
        options = self.options
        lanes = tuple(
            engine.Lane(
                self._decoders[i],
                self._noises[i],
                self._watchers(i),
                self._contexts[i],
                chain.reads_layers,
                chain.canonical,
                chain.on_device and not self.given.forced_of(i),
            )
            for i, chain in enumerate(self.chains)
        )
        return engine.Request(
            prompt_ids=self.prompt.ids,
            lanes=lanes,
            max_new_tokens=options.max_new_tokens,
            seed=options.seed,
            eos_ids=self._eos_ids,
            top=options.top,
            interrupted=self._interrupt(),
            on_prefill=self.on_prefill,
            given=self.given.ids,
            turn=Turn(_TURNS),
        )

    def _watchers(self, lane: int) -> tuple[engine.Watcher, ...]:
        watchers: list[engine.Watcher] = []
        if self.options.stop_on_loop:
            watchers.append(LoopWatcher(self.options.loop))
        if self.options.stop_strings:
            watchers.append(StopStringWatcher(self.model.tokenizer, self.options.stop_strings))
        for watcher in watchers:
            for token_id in self.given.ids:
                watcher.push(token_id)
        forced = len(self.given.forced_of(lane))
        return tuple(Patient(w, forced) if forced else w for w in watchers)

    def _interrupt(self) -> Callable[[], StopReason | None]:
        limit = self.options.deadline_s
        deadline = None if limit is None else time.monotonic() + limit

        def interrupted() -> StopReason | None:
            if self.cancel.is_set():
                return StopReason.CANCELLED
            if deadline is not None and time.monotonic() >= deadline:
                return StopReason.DEADLINE
            return None

        return interrupted


def check_model(model: object) -> None:
    """Refuse what is no loaded model, its name for example.

    Raises:
        InvalidParams: with what to write.
    """
    if not hasattr(model, "open_batch"):
        raise InvalidParams(
            f"model must be a loaded model, got {checks.shown(model)}.",
            'Load it first: load_model("smollm2-135m").',
        )


def _options(options: RunOptions | None) -> RunOptions:
    if options is None:
        return RunOptions()
    if not isinstance(options, RunOptions):
        raise InvalidParams(
            f"options must be RunOptions(…), got {checks.shown(options)}.", "Leave it out."
        )
    return options


def read_specs(decoders: Sequence[str], most: int = MAX_LANES) -> tuple[Chain, ...]:
    """The lanes of a run, one a spec, at most so many; a bare string is one lane.

    Raises:
        UnknownName: for a stage that does not exist.
        InvalidParams: for what is no list of specs, or for too many lanes or rows.
    """
    if isinstance(decoders, str):
        decoders = [decoders]
    decoders = checks.texts("decoders", decoders)
    if not 1 <= len(decoders) <= most:
        raise InvalidParams(
            f"{len(decoders)} decoding methods were asked for.", f"A run takes 1 to {most}."
        )
    chains = tuple(parse(spec) for spec in decoders)
    rows = sum(chain.build().width for chain in chains)
    if rows > MAX_ROWS:
        raise InvalidParams(
            f"These lanes hold {rows} rows at once.", f"At most {MAX_ROWS}: make beams narrower."
        )
    return chains


def second_models(specs: Sequence[str]) -> tuple[str, ...]:
    """Names of the models that specs compare the run's own with, each once.

    Raises:
        InvalidParams, UnknownName: if a spec is wrong.
    """
    contexts = (parse(spec).second for spec in specs)
    return tuple(dict.fromkeys(c.model for c in contexts if c is not None and c.model))


def generate(
    model: ModelHandle,
    prompt: str | Sequence[int] | Prompt,
    decoders: Sequence[str] = ("greedy",),
    max_new_tokens: int = 128,
    seed: int = 0,
    options: RunOptions | None = None,
) -> tuple[Trace, ...]:
    """Continue a prompt under several decoding methods at once.

    Args:
        model: from `load_model`.
        prompt: text (empty means BOS) or token ids.
        decoders: specs, one a lane, such as "greedy" or "temperature:temperature=0.8+nucleus";
            a bare string is one lane.
        max_new_tokens: most tokens a lane may take.
        seed: decides every draw; -1 draws one.
        options: everything else; its own `max_new_tokens` and `seed` are overridden.

    Returns:
        One trace a spec, in order.

    Raises:
        InvalidParams: for a value that cannot be used, whatever its type.
    """
    options = replace(_options(options), max_new_tokens=max_new_tokens, seed=seed)
    run = Run(model, prompt, decoders, options)
    for _ in run.columns():
        pass
    return run.traces()


def stream(
    model: ModelHandle,
    prompt: str | Sequence[int] | Prompt,
    decoders: Sequence[str] = ("greedy",),
    max_new_tokens: int = 128,
    seed: int = 0,
    options: RunOptions | None = None,
) -> Iterator[Column]:
    """As `generate`, but yields every column as it is made; closing it stops the compute."""
    options = replace(_options(options), max_new_tokens=max_new_tokens, seed=seed)
    yield from Run(model, prompt, decoders, options).columns()
