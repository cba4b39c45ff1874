"""Forks: from any token of a trace, other lanes go on under the same or another decoder.

Ids are primary: what is shared is taken over as ids, and only what a person types becomes ids by
the tokenizer. What was there before stays as it is; a fork is a trace of its own whose `given`
says how many of its first tokens nobody drew, and it can be proven like any other.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from explorer.core.engine import check_fits
from explorer.core.errors import InvalidParams
from explorer.core.given import Given, as_given
from explorer.core.handle import ModelHandle
from explorer.core.loops import LoopThresholds
from explorer.core.noise import lane_keys
from explorer.core.types import Noise, TokenStep, Trace
from explorer.decoders.spec import Chain, parse
from explorer.services import checks
from explorer.services.generation import MAX_ROWS, Run, RunOptions, check_model
from explorer.services.scoring import is_scored, score

MAX_FORKS = 64
_USUAL_TOKENS = 128


@dataclass(frozen=True, slots=True)
class Way:
    """One way to go on.

    Attributes:
        forced: ids taken first, whatever the decoder would; () leaves the choice to it.
        text: or a text, typed by a person.
        decoder: a spec; "" for the one of the trace.
        count: how many continuations, each with a luck of its own.
    """

    forced: tuple[int, ...] = ()
    text: str = ""
    decoder: str = ""
    count: int = 1


@dataclass(frozen=True, slots=True)
class ForkOptions:
    """How to go on.

    Attributes:
        max_new_tokens: most tokens after the shared ones, what is forced included; None for as
            many as the trace's own run allowed.
        known: traces whose luck is taken, besides the one that is forked: a way that would repeat
            one of them gets another.
        cancel: ends the runs.
        second_models: models that specs name, by these names; others are loaded.
        most_top: alternatives kept a token, where the trace has more; None for as many as it has.
    """

    max_new_tokens: int | None = None
    known: tuple[Trace, ...] = ()
    cancel: threading.Event | None = None
    second_models: Mapping[str, ModelHandle] | None = None
    most_top: int | None = None


class ForkRun(Run):
    """A run that goes on from tokens that stand there.

    Args:
        given: them.
        model: as for `Run`.
        trace: whose prompt it is.
        decoders: one spec a lane; more lanes than a run from a prompt may have.
        options: as for `Run`.
        fork: what ends it, and the models it compares with.
    """

    most_lanes = MAX_ROWS

    def __init__(
        self,
        given: Given,
        model: ModelHandle,
        trace: Trace,
        decoders: Sequence[str],
        options: RunOptions,
        fork: ForkOptions,
    ) -> None:
        self.given = given
        super().__init__(
            model,
            trace.prompt,
            decoders,
            options,
            cancel=fork.cancel,
            second_models=fork.second_models,
        )


def fork_runs(
    model: ModelHandle,
    trace: Trace,
    at: int,
    ways: Sequence[Way],
    options: ForkOptions | None = None,
) -> tuple[ForkRun, ...]:
    """Runs that go on from a point of a trace; all lanes of a run share one forward a step.

    The prefix they share is read once a run. One run holds all ways, unless they are more than
    its rows, or read hidden states after forced tokens: those have a run each.

    Args:
        model: the one that made the trace.
        trace: what to fork; it stays as it is.
        at: tokens of it that are shared, 0 to all of them.
        ways: at least one.
        options: how to go on.

    Raises:
        InvalidParams: for a point that is none of the trace's, a model that is not its own, a
            token that is none of the model's, or too many ways.
        NotCapable: if the result does not fit the model's context.
    """
    options = options or ForkOptions()
    ways = [_with_ids(model, way) for way in ways]
    _check(model, trace, at, ways)
    forced = max(len(way.forced) for way in ways)
    tokens = _tokens(trace, at, forced, options.max_new_tokens)
    check_fits(model, len(trace.prompt.ids) + at, tokens)
    lanes = _lanes(trace, at, ways, options.known)
    return tuple(_run(model, trace, at, group, tokens, options) for group in _groups(lanes))


def fork(
    model: ModelHandle, trace: Trace, at: int, way: Way, options: ForkOptions | None = None
) -> tuple[Trace, ...]:
    """Continuations from a point of a trace, run to their ends; `fork_runs` has the terms."""
    made: list[Trace] = []
    for run in fork_runs(model, trace, at, [way], options):
        for _ in run.columns():
            pass
        made += run.traces()
    return tuple(made)


def _with_ids(model: ModelHandle, way: Way) -> Way:
    """A way whose text has become ids: the only text that ever does."""
    if not way.text:
        return replace(way, forced=checks.token_ids("what is forced", way.forced))
    if way.forced:
        raise InvalidParams("A fork takes tokens or a text, not both.", "Leave one out.")
    ids = tuple(model.tokenizer.encode_continuation(checks.text("The text", way.text)))
    if not ids:
        raise InvalidParams("The text to go on with holds no token.", "Type something.")
    return replace(way, forced=ids)


def _run(
    model: ModelHandle,
    trace: Trace,
    at: int,
    group: Sequence[_Lane],
    tokens: int,
    options: ForkOptions,
) -> ForkRun:
    steps, forced = as_given(trace, at), tuple(lane.forced for lane in group)
    if group[0].chain.reads_layers and forced[0]:
        # Their hidden states must lie among those of the prompt.
        steps += _measured(model, trace, at, forced[0])
        tokens, forced = max(1, tokens - len(forced[0])), ()
    given = Given(steps, forced, tuple(lane.noise for lane in group))
    specs = [lane.chain.canonical for lane in group]
    return ForkRun(given, model, trace, specs, _options(trace, tokens, options.most_top), options)


@dataclass(frozen=True, slots=True)
class _Lane:
    chain: Chain
    forced: tuple[int, ...]
    noise: Noise


def _check(model: ModelHandle, trace: Trace, at: int, ways: Sequence[Way]) -> None:
    check_model(model)
    checks.whole("at", at, 0, len(trace.steps))
    if model.info.digest != trace.model.digest:
        raise InvalidParams(
            f"This trace was made by {trace.model.id} ({trace.model.digest[:19]}…), and"
            f" {model.info.id} has other weights.",
            "Load the model that made it.",
        )
    total = sum(checks.whole("count", way.count, 1, MAX_FORKS) for way in ways)
    if not 1 <= total <= MAX_FORKS:
        raise InvalidParams(f"{total} continuations were asked for.", f"Take 1 to {MAX_FORKS}.")
    ends = frozenset() if trace.terms and trace.terms.ignore_eos else model.tokenizer.eos_ids
    for token_id in trace.token_ids[:at]:
        if token_id in ends:
            raise InvalidParams(
                "The text ends before this point, so nothing can follow.", "Fork before its end."
            )
    for way in ways:
        for place, token_id in enumerate(way.forced):
            checks.whole("A token id", token_id, 0, model.info.vocab_size - 1)
            if token_id in ends and place + 1 < len(way.forced):
                raise InvalidParams(
                    "The text to go on with holds an end mark.", "Nothing can follow one."
                )


def _tokens(trace: Trace, at: int, forced: int, wanted: int | None) -> int:
    if wanted is not None:
        return checks.whole("max_new_tokens", wanted, max(1, forced))
    most = _USUAL_TOKENS if trace.terms is None else trace.terms.max_new_tokens - at
    return max(most, forced + 1, 1)


def _options(trace: Trace, tokens: int, most_top: int | None = None) -> RunOptions:
    top = max((len(step.top) for step in trace.steps), default=0) or 10
    top = top if most_top is None else min(top, most_top)
    terms = trace.terms
    if terms is None:
        return RunOptions(max_new_tokens=tokens, seed=trace.seed, top=top)
    return RunOptions(
        max_new_tokens=tokens,
        seed=trace.seed,
        top=top,
        stop_on_loop=terms.stop_on_loop,
        loop=LoopThresholds(terms.loop_max_period, terms.loop_min_copies, terms.loop_min_tokens),
        stop_strings=terms.stop_strings,
        ignore_eos=terms.ignore_eos,
    )


def _lanes(trace: Trace, at: int, ways: Sequence[Way], known: Iterable[Trace]) -> list[_Lane]:
    """One lane a continuation, each with a noise key that nothing with its beginning has.

    The first of a way has the luck of the trace if it can: so what differs is what was forced.
    """
    taken = [(t.decoder, t.noise.lane, t.token_ids) for t in (trace, *known)]
    lanes = []
    for way in ways:
        spec = way.decoder or trace.decoder
        if is_scored(spec):
            raise InvalidParams("Given text was made by no decoder.", "Name one to go on with.")
        chain = parse(spec)
        start = (*trace.token_ids[:at], *way.forced)
        for noise in _noises(trace, chain, way.count, start, taken):
            taken.append((chain.canonical, noise.lane, start))
            lanes.append(_Lane(chain, way.forced, noise))
    return lanes


def _noises(
    trace: Trace,
    chain: Chain,
    count: int,
    start: tuple[int, ...],
    taken: Sequence[tuple[str, str, tuple[int, ...]]],
) -> list[Noise]:
    """Keys under which this decoder has not gone on from this beginning."""
    spec = chain.canonical
    used = {lane for other, lane, ids in taken if other == spec and ids[: len(start)] == start}
    own = trace.noise
    if trace.decoder != spec:
        (own,) = lane_keys((spec,), coupled=trace.noise.coupled)
    numbered = (Noise(spec if i == 1 else f"{spec}#{i}") for i in itertools.count(1))
    fresh = (noise for noise in itertools.chain([own], numbered) if noise.lane not in used)
    found: list[Noise] = []
    for noise in fresh:
        if noise.lane not in {other.lane for other in found}:
            found.append(noise)
        if len(found) == count:
            break
    return found


def _groups(lanes: Sequence[_Lane]) -> list[list[_Lane]]:
    groups: list[list[_Lane]] = []
    rows = 0
    for lane in lanes:
        width = lane.chain.build().width
        fits = groups and rows + width <= MAX_ROWS
        if _stands_alone(lane):
            groups.insert(0, [lane])
        elif fits and not _stands_alone(groups[-1][0]):
            groups[-1].append(lane)
            rows += width
        else:
            groups.append([lane])
            rows = width
    return groups


def _stands_alone(lane: _Lane) -> bool:
    """True for a lane whose forced tokens become part of what all lanes of its run share."""
    return lane.chain.reads_layers and bool(lane.forced)


def _measured(
    model: ModelHandle, trace: Trace, at: int, forced: Sequence[int]
) -> tuple[TokenStep, ...]:
    """Forced tokens under the model's law, numbered after the shared ones."""
    before = (*trace.prompt.ids, *trace.token_ids[:at])
    top = _options(trace, 1).top
    scored = score(model, forced, prompt=before, top=top)
    return tuple(replace(step, index=step.index + at) for step in as_given(scored, len(forced)))
