"""Lanes that can only be proven by running them again: searches, and what reads hidden states.

Which row a search keeps depends on rows that a trace does not hold, so the engine runs the lane
from its prompt and seed, and the whole result is compared.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from explorer.core import engine
from explorer.core.errors import NotCapable, NumericalFailure
from explorer.core.handle import ModelHandle
from explorer.core.loops import LoopThresholds
from explorer.core.recorder import LaneLabel, Recorder, RunFacts
from explorer.core.types import StopReason, Terms, TokenStep, Trace
from explorer.core.watchers import LoopWatcher, StopStringWatcher
from explorer.decoders.spec import Chain
from explorer.services.verify.findings import Failed, Findings, Mismatch

_INTERRUPTED = (StopReason.CANCELLED, StopReason.DEADLINE)
_COARSE = 0.01
"""Past this tolerance, nats, a search may take another way by rounding alone."""
_LOOSE = 10.0


def check_rerun(
    trace: Trace,
    chain: Chain,
    model: ModelHandle,
    second: engine.Context | None,
    nats: float,
    found: Findings,
) -> None:
    """Run a lane again and compare.

    Args:
        trace: what it made.
        chain: its decoder.
        model: the model; the trace is known to be its.
        second: the second context it compares with.
        nats: how far a log-probability may differ.
        found: told what could not be proven.

    Raises:
        Failed: with the first difference that rounding does not explain.
    """
    again = _run(trace, chain, model, second)
    if again is None:
        found.lacks("its choices: the file does not say how many tokens the run allowed")
        return
    if len(trace.hypotheses) < len(again.hypotheses) and trace.stop_reason in _INTERRUPTED:
        found.lacks("its choices: it was saved while it ran, with its complete rows only")
        return
    try:
        _compare(trace, again, nats)
    except Failed as fault:
        if not _is_tie(trace, again, nats):
            raise
        index = fault.mismatch.index
        where = "" if index is None else f" from token {index} on"
        found.borderline += 1
        found.lacks(
            f"its choices{where}: run again, it takes another way, and the two tie by rounding"
        )
        return
    found.checked.append("every choice, by running the lane again")


def longest(trace: Trace) -> int:
    """Tokens of the longest row."""
    return max(len(trace.steps), *(len(h.steps) for h in trace.hypotheses), 0)


def _run(
    trace: Trace, chain: Chain, model: ModelHandle, second: engine.Context | None
) -> Trace | None:
    terms = trace.terms
    if terms is None and trace.stop_reason in (StopReason.MAX_NEW_TOKENS, *_INTERRUPTED):
        terms = Terms(longest(trace))
    if terms is None:
        return None
    decoder, given = chain.build(), trace.steps[: trace.given]
    thresholds = LoopThresholds(terms.loop_max_period, terms.loop_min_copies, terms.loop_min_tokens)
    ends = frozenset() if terms.ignore_eos else model.tokenizer.eos_ids
    label = LaneLabel(trace.decoder, trace.noise, decoder.conclude)
    facts = RunFacts(trace.seed, ends, {}, thresholds, terms, given)
    recorder = Recorder(model, trace.prompt, [label], facts)
    made, wanted, begun = trace.given, longest(trace), False

    def interrupted() -> StopReason | None:
        """Where the lane was interrupted, it is again; never while the prompt is read."""
        is_over = begun and made + 1 >= wanted and trace.stop_reason in _INTERRUPTED
        return trace.stop_reason if is_over else None

    request = engine.Request(
        prompt_ids=trace.prompt.ids,
        lanes=(
            engine.Lane(
                decoder,
                trace.noise,
                watchers(trace, model, terms, thresholds),
                second,
                chain.reads_layers,
            ),
        ),
        max_new_tokens=max(1, terms.max_new_tokens - trace.given),
        seed=trace.seed,
        eos_ids=ends,
        top=len(trace.steps[0].top) if trace.steps else 1,
        interrupted=interrupted,
        given=tuple(step.token_id for step in given),
    )
    try:
        for column in engine.generate(model, request):
            recorder.add(column)
            made, begun = column.index + 1, True
    except NotCapable as error:
        raise Failed(
            Mismatch("terms.max_new_tokens", str(terms.max_new_tokens), f"less: {error.message}")
        ) from None
    except NumericalFailure:
        pass  # the lane ended as cancelled, as it did then
    return recorder.traces()[0]


def watchers(
    trace: Trace, model: ModelHandle, terms: Terms, thresholds: LoopThresholds
) -> tuple[engine.Watcher, ...]:
    """What watched the lane's rows, with the given tokens behind it."""
    found: list[engine.Watcher] = []
    if terms.stop_on_loop:
        found.append(LoopWatcher(thresholds))
    if terms.stop_strings:
        found.append(StopStringWatcher(model.tokenizer, terms.stop_strings))
    for watcher in found:
        for step in trace.steps[: trace.given]:
            watcher.push(step.token_id)
    return tuple(found)


def _compare(trace: Trace, again: Trace, nats: float) -> None:
    _compare_rows("tokens", trace.steps, again.steps, trace, again, nats)
    if trace.stop_reason != again.stop_reason:
        raise Failed(Mismatch("stop_reason", str(trace.stop_reason), str(again.stop_reason)))
    count, wanted = len(trace.hypotheses), len(again.hypotheses)
    if count != wanted:
        raise Failed(Mismatch("hypotheses", f"{count} rows", f"{wanted} rows"))
    for i, (said, made) in enumerate(zip(trace.hypotheses, again.hypotheses, strict=True)):
        name = f"hypotheses.{i}"
        _compare_rows(f"{name}.tokens", said.steps, made.steps, trace, again, nats)
        bound = score_bound(made.score, len(made.steps), nats)
        if not abs(said.score - made.score) <= bound:
            raise Failed(
                Mismatch(f"{name}.score", f"{said.score}", f"{made.score}", tolerance=bound)
            )
        if said.finished != made.finished:
            raise Failed(Mismatch(f"{name}.finished", str(said.finished), str(made.finished)))


def score_bound(score: float, tokens: int, nats: float) -> float:
    """How far the score of a row may differ: a sum over its tokens, rounded up or down each."""
    return nats * max(0.3, math.sqrt(tokens) / 16) + 1e-6 * abs(score)


def _compare_rows(
    name: str,
    said: Sequence[TokenStep],
    made: Sequence[TokenStep],
    trace: Trace,
    again: Trace,
    nats: float,
) -> None:
    for a, b in zip(said, made, strict=False):
        shown = trace.pieces.get(a.token_id, "")
        for field in ("token_id", "row", "parent_row", "support_size"):
            x, y = getattr(a, field), getattr(b, field)
            if x != y and not (field == "support_size" and _on_the_border(x, b, nats)):
                column = {"token_id": "id", "row": "rows", "parent_row": "parent_rows"}
                other = f" {again.pieces.get(y, '')!r}" if field == "token_id" else ""
                raise Failed(
                    Mismatch(
                        f"{name}.{column.get(field, field)}", str(x), f"{y}{other}", a.index, shown
                    )
                )
        _compare_numbers(name, a, b, shown, nats)
        _compare_laws(name, a, b, shown, nats)
    if len(said) != len(made):
        raise Failed(Mismatch(name, f"{len(said)} tokens", f"{len(made)} tokens"))


def _on_the_border(said: int, made: TokenStep, nats: float) -> bool:
    """True where a support may differ by tokens that lie on the border of a cut.

    Where all tokens of the law are listed, none lies there unseen.
    """
    listed = {c.token_id for c in (*made.top, *made.extra) if c.sampling_logprob > -math.inf}
    support = made.support_size
    return len(listed) < support and abs(said - support) <= 1 + nats * max(said, support)


def _compare_laws(name: str, a: TokenStep, b: TokenStep, shown: str, nats: float) -> None:
    """The sampling law of the tokens that both list."""
    bound = _LOOSE * score_bound(0.0, 1, nats)
    same_support = a.support_size == b.support_size
    for prefix, mine in (("top", a.top), ("extra", a.extra)):
        known = {c.token_id: c.sampling_logprob for c in (*b.top, *b.extra)}
        for c in mine:
            x, y = c.sampling_logprob, known.get(c.token_id)
            if y is None or x == y or abs(x - y) <= bound:
                continue
            if math.isinf(x) != math.isinf(y) and not same_support:
                continue  # on the border of a cut
            field = f"{name}.{prefix}_sampling_logprobs"
            raise Failed(Mismatch(field, f"{x:.6f}", f"{y:.6f}", a.index, shown, bound))


def _compare_numbers(name: str, a: TokenStep, b: TokenStep, shown: str, nats: float) -> None:
    pairs: list[tuple[str, float, float]] = [
        ("sampling_surprisal", a.sampling_surprisal, b.sampling_surprisal),
        ("sampling_entropy", a.sampling_entropy, b.sampling_entropy),
    ]
    if (a.score is None) != (b.score is None):
        raise Failed(Mismatch(f"{name}.scores", str(a.score), str(b.score), a.index, shown))
    if a.score is not None and b.score is not None:
        pairs.append(("scores", a.score, b.score))
    if set(a.notes) != set(b.notes):
        raise Failed(
            Mismatch(f"{name}.notes", str(sorted(a.notes)), str(sorted(b.notes)), a.index, shown)
        )
    for key, value in b.notes.items():
        mine = a.notes[key]
        if isinstance(value, float) and isinstance(mine, (int, float)):
            pairs.append((f"notes.{key}", float(mine), value))
        elif mine != value:
            raise Failed(Mismatch(f"{name}.notes.{key}", repr(mine), repr(value), a.index, shown))
    for field, x, y in pairs:
        bound = _LOOSE * score_bound(y, a.index + 1 if field != "sampling_entropy" else 1, nats)
        if x != y and not abs(x - y) <= bound:
            raise Failed(Mismatch(f"{name}.{field}", f"{x:.6f}", f"{y:.6f}", a.index, shown, bound))


def _is_tie(trace: Trace, again: Trace, nats: float) -> bool:
    """True where the two results differ by no more than rounding can bring about."""
    if trace.token_ids == again.token_ids and len(trace.hypotheses) == len(again.hypotheses):
        rows = [(h.steps, o.steps) for h, o in zip(trace.hypotheses, again.hypotheses, strict=True)]
        if all([s.token_id for s in a] == [s.token_id for s in b] for a, b in rows):
            return False  # the same rows with other figures
    if nats > _COARSE:
        return True
    if not trace.hypotheses or not again.hypotheses:
        return False
    return all(
        abs(h.score - o.score) <= score_bound(o.score, len(o.steps), nats)
        for h, o in zip(trace.hypotheses, again.hypotheses, strict=False)
    ) and len(trace.hypotheses) == len(again.hypotheses)
