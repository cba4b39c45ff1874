"""What can be checked of a trace without its laws: which model, texts, noise key, stops, loops."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

from explorer.core.detokenize import is_partial, piece, text_of
from explorer.core.errors import ExplorerError
from explorer.core.handle import ModelHandle, Tokenizer
from explorer.core.loops import LoopThresholds, find_loops
from explorer.core.recorder import PROMPT_PIECES
from explorer.core.trace_schema import TraceEntry
from explorer.core.types import Loop, StopReason, TokenStep, Trace
from explorer.core.watchers import LoopWatcher, StopStringWatcher
from explorer.decoders.spec import parse
from explorer.services.prompts import make_prompt
from explorer.services.scoring import is_scored, windows_of
from explorer.services.verify.findings import Failed, Findings, Mismatch

TEMPLATES = ("raw", "chat", "none")
_INTERRUPTED = (StopReason.CANCELLED, StopReason.DEADLINE)


def check_entry(entry: TraceEntry) -> None:
    """See that a line agrees with itself: `tokens.piece` and `pieces` say the same.

    Raises:
        Failed: with the first token where they do not.
    """
    for tokens in (entry.tokens, *(h.tokens for h in entry.hypotheses)):
        for i, (token_id, shown) in enumerate(zip(tokens.id, tokens.piece, strict=True)):
            known = entry.pieces.get(token_id)
            if known is None:
                raise Failed(Mismatch("pieces", f"without token id {token_id}", repr(shown), i))
            if known != shown:
                raise Failed(Mismatch("tokens.piece", repr(shown), repr(known), i, known))


def check_model(trace: Trace, model: ModelHandle, found: Findings) -> None:
    """See that the trace is of this model and tokenizer.

    Raises:
        Failed: with the first that differs: digests, width, or the prompt's ids.
    """
    said, info = trace.model, model.info
    _same("model.digest", said.digest, info.digest)
    _same("tokenizer.digest", trace.tokenizer_digest, model.tokenizer.digest)
    _same("model.vocab_size", said.vocab_size, info.vocab_size)
    for name in ("context_length", "parameters"):
        if getattr(said, name) and getattr(info, name):
            _same(f"model.{name}", getattr(said, name), getattr(info, name))
    for name in ("dtype", "device"):
        if getattr(said, name) != getattr(info, name):
            found.notes.append(
                f"made in {name} {getattr(said, name)}, run in {getattr(info, name)}"
            )
    _check_ids(trace, model)
    found.checked.append("model and tokenizer")
    if trace.prompt.template == "none":
        return
    if trace.prompt.template not in TEMPLATES:
        shown = repr(trace.prompt.template[:60])
        raise Failed(Mismatch("prompt.template", shown, " or ".join(TEMPLATES)))
    try:
        wanted = make_prompt(model, trace.prompt.text, chat=trace.prompt.template == "chat").ids
    except ExplorerError as error:
        found.lacks(f"the prompt's ids: {error}")
        return
    _same("prompt.ids", list(trace.prompt.ids), list(wanted))
    found.checked.append("prompt")


def _check_ids(trace: Trace, model: ModelHandle) -> None:
    """See that the model can read the trace at all."""
    if not trace.prompt.ids:
        raise Failed(Mismatch("prompt.ids", "empty", "at least one id"))
    width, context = model.info.vocab_size, model.info.context_length
    rows = [trace.steps, *(h.steps for h in trace.hypotheses)]
    for ids in (trace.prompt.ids, *([s.token_id for s in steps] for steps in rows)):
        wrong = next((token_id for token_id in ids if token_id >= width), None)
        if wrong is not None:
            raise Failed(Mismatch("tokens.id", str(wrong), f"below {width}"))
    windows = windows_of(trace.decoder)
    longest = len(trace.prompt.ids) + max(len(steps) for steps in rows)
    reads = longest if windows is None else windows.size
    if context and reads > context:
        raise Failed(Mismatch("tokens.id", f"{reads} tokens to read", f"at most {context}"))


def check_texts(trace: Trace, tokenizer: Tokenizer, found: Findings) -> None:
    """See that every piece and every text is what its ids stand for.

    Raises:
        Failed: with the first that is not.
    """
    shown = set(trace.token_ids) | {c.token_id for s in trace.steps for c in (*s.top, *s.extra)}
    missing = sorted(shown - set(trace.pieces))
    if missing:
        raise Failed(Mismatch("pieces", f"without token id {missing[0]}", "one entry a token"))
    for token_id, said in trace.pieces.items():
        _same(f"pieces.{token_id}", said, piece(tokenizer, token_id))
    _same("text", trace.text, text_of(tokenizer, trace.token_ids))
    for i, hypothesis in enumerate(trace.hypotheses):
        ids = [step.token_id for step in hypothesis.steps]
        _same(f"hypotheses.{i}.text", hypothesis.text, text_of(tokenizer, ids))
    for token_id, data in trace.partial.items():
        _same(f"bytes.{token_id}", data.hex(), tokenizer.token_bytes(token_id).hex())
    for token_id in trace.special:
        if not tokenizer.is_special(token_id):
            raise Failed(Mismatch("special", f"with token id {token_id}", "control marks only"))
    if trace.terms is not None:  # older files list neither
        whole = [i for i in trace.pieces if is_partial(tokenizer.token_bytes(i))]
        _same("bytes", sorted(trace.partial), sorted(whole))
        marks = [i for i in trace.pieces if tokenizer.is_special(i)]
        _same("special", sorted(trace.special), sorted(marks))
        last = set(trace.prompt.ids[-PROMPT_PIECES:])
        _same("pieces", sorted(last - set(trace.pieces)), [])
    found.checked.append("pieces and texts")


def check_noise(trace: Trace, found: Findings) -> None:
    """See that the noise is keyed as this lane's is, and that the spec is the canonical one.

    Raises:
        Failed: if not.
    """
    if is_scored(trace.decoder):
        _same("noise.lane", trace.noise.lane, "")
        return
    try:
        chain = parse(trace.decoder)
    except ExplorerError as error:
        raise Failed(
            Mismatch("decoder", trace.decoder[:200], f"a spec this version knows: {error}")
        ) from None
    _same("decoder", trace.decoder, chain.canonical)
    lane = trace.noise.lane
    if trace.noise.coupled:
        _same("noise.lane", lane, "")
    elif lane != trace.decoder and not re.fullmatch(
        re.escape(trace.decoder) + r"#[1-9]\d*", lane, re.ASCII
    ):
        raise Failed(Mismatch("noise.lane", repr(lane[:200]), repr(trace.decoder)))
    if chain.is_deterministic:
        found.notes.append("draws nothing: the seed changes nothing here")
    found.checked.append("spec and noise key")


def check_stop(trace: Trace, tokenizer: Tokenizer, found: Findings) -> None:
    """See that the lane stopped where its terms say, for the reason it states, with its loops.

    Raises:
        Failed: if not.
    """
    _check_loops(trace, found)
    if is_scored(trace.decoder):
        return
    ends = frozenset() if trace.terms and trace.terms.ignore_eos else tokenizer.eos_ids
    for step in trace.steps[trace.given : -1]:
        if step.token_id in ends and trace.terms is not None:
            mark = trace.pieces.get(step.token_id, "")
            raise Failed(
                Mismatch("tokens.id", "an end mark", "no end before the end", step.index, mark)
            )
    if not trace.steps:
        return
    reason, ended = trace.stop_reason, trace.steps[-1].token_id in ends
    if trace.terms is None:
        if not ended and reason is StopReason.EOS and not trace.hypotheses:
            raise Failed(Mismatch("stop_reason", "eos", "another: no end mark stands last"))
        found.lacks("why it stopped: the file does not say what the run allowed")
        return
    _check_reason(trace, tokenizer, found, ended=ended)


def _check_reason(trace: Trace, tokenizer: Tokenizer, found: Findings, *, ended: bool) -> None:
    terms, reason = trace.terms, trace.stop_reason
    assert terms is not None
    if len(trace.steps) > terms.max_new_tokens:
        raise Failed(
            Mismatch("terms.max_new_tokens", str(terms.max_new_tokens), f"{len(trace.steps)}")
        )
    searches = bool(trace.hypotheses) or parse(trace.decoder).build().width > 1
    loop_at, string_at = _first_stops(trace, tokenizer)
    last = len(trace.steps) - 1
    wanted: list[StopReason] = []
    if ended:
        wanted = [StopReason.EOS]
    elif not searches:
        for kind, place in ((StopReason.LOOP, loop_at), (StopReason.STOP_STRING, string_at)):
            if place is not None and place < last:
                raise Failed(
                    Mismatch(
                        "tokens.id",
                        f"{len(trace.steps)} tokens",
                        f"an end by {kind} at token {place}",
                    )
                )
            wanted += [kind] if place == last else []
        if not wanted and len(trace.steps) == terms.max_new_tokens:
            wanted = [StopReason.MAX_NEW_TOKENS]
        wanted = wanted[:1]
    if searches and not ended:  # a search may show a row that ended before the others
        return  # running it again says why it stopped
    if not wanted:
        wanted = list(_INTERRUPTED)
        found.notes.append("was interrupted from outside, which leaves no proof")
    if reason not in wanted:
        names = " or ".join(str(kind) for kind in wanted)
        raise Failed(Mismatch("stop_reason", str(reason), names))
    found.checked.append("stop reason")


def _first_stops(trace: Trace, tokenizer: Tokenizer) -> tuple[int | None, int | None]:
    """Where a loop and a stop string would first end the lane, by its terms."""
    terms = trace.terms
    assert terms is not None
    loops = LoopWatcher(_thresholds(trace)) if terms.stop_on_loop else None
    strings = StopStringWatcher(tokenizer, terms.stop_strings) if terms.stop_strings else None
    at: list[int | None] = []
    for watcher in (loops, strings):
        first = None
        for i, token_id in enumerate(trace.token_ids if watcher is not None else ()):
            assert watcher is not None
            stops = watcher.push(token_id) is not None
            if stops and first is None and i >= trace.given:
                first = i
        at.append(first)
    return at[0], at[1]


def _thresholds(trace: Trace) -> LoopThresholds:
    terms = trace.terms
    if terms is None:
        return LoopThresholds()
    return LoopThresholds(terms.loop_max_period, terms.loop_min_copies, terms.loop_min_tokens)


def _check_loops(trace: Trace, found: Findings) -> None:
    wanted = find_loops(trace.token_ids, _thresholds(trace))
    if trace.loops != wanted:
        if trace.terms is None and not is_scored(trace.decoder):
            found.lacks("its loops: the file does not say what counts as one")
            return
        raise Failed(Mismatch("loops", _loops(trace.loops), _loops(wanted)))
    found.checked.append("loops")


def _loops(loops: Sequence[Loop]) -> str:
    return (
        "; ".join(f"period {x.period} from token {x.onset}, {x.copies:.6g} copies" for x in loops)
        or "none"
    )


def check_shown(trace: Trace) -> None:
    """See that a search shows the first of its rows.

    Raises:
        Failed: if not; a lane saved while it runs may show one that goes on.
    """
    if not trace.hypotheses or trace.stop_reason in _INTERRUPTED:
        return
    first = tuple(step.token_id for step in trace.hypotheses[0].steps)
    if first != trace.token_ids:
        raise Failed(Mismatch("tokens.id", "another row", "the first of the hypotheses"))


def check_places(steps: Sequence[TokenStep]) -> None:
    """See that rows of a search hang together as far as one row shows it.

    Raises:
        Failed: where a step is no child of the one before it.
    """
    for before, step in pairwise(steps):
        if step.parent_row != before.row:
            raise Failed(
                Mismatch("tokens.parent_rows", str(step.parent_row), str(before.row), step.index)
            )


def _same(name: str, found: object, expected: object) -> None:
    if found != expected:
        raise Failed(Mismatch(name, _shown(found), _shown(expected)))


def _shown(value: object) -> str:
    text = value if isinstance(value, str) and value.startswith("sha256:") else repr(value)
    return text if len(text) <= 200 else f"{text[:200]}…"
