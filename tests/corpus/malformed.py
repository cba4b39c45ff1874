"""Trace files that are none, each with what must be said of it: made from one whole trace."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

Case = tuple[str, bytes, str]
"""A name, the bytes of the file, and what the message must hold."""

PLACE = "bad.jsonl, line 1"


def at(data: Any, path: str) -> tuple[Any, Any]:
    """The container and the key that a dotted path names."""
    *before, last = path.split(".")
    for part in before:
        data = data[int(part) if isinstance(data, list) else part]
    return data, int(last) if isinstance(data, list) else last


def cases(whole: str) -> Iterator[Case]:
    """All of them, from the line of a whole trace with at least two tokens."""

    def edited(edit: Callable[[Any], object]) -> bytes:
        data = json.loads(whole)
        edit(data)
        return json.dumps(data).encode()

    def put(path: str, value: Any) -> bytes:
        def edit(data: Any) -> None:
            holder, key = at(data, path)
            holder[key] = value

        return edited(edit)

    def drop(path: str) -> bytes:
        def edit(data: Any) -> None:
            holder, key = at(data, path)
            del holder[key]

        return edited(edit)

    text = whole.encode()
    yield from _no_json(text)
    for path in (
        "model", "tokenizer", "versions", "prompt", "decoder", "seed", "noise", "batch_rows",
        "stop_reason", "text", "tokens", "loops", "timing", "pieces", "model.digest",
        "model.vocab_size", "prompt.ids", "noise.lane", "tokens.id", "tokens.piece",
        "tokens.top_ids", "tokens.rank",
    ):  # fmt: skip
        yield f"without {path}", drop(path), f"{PLACE}: {path}: Field required"
    yield "without schema", drop("schema"), f"{PLACE} has schema None"
    for path in ("extra", "model.extra", "prompt.extra", "noise.extra", "tokens.extra"):
        yield f"with {path}", put(path, 1), f"{PLACE}: {path}: Extra inputs are not permitted"
    for path, value, said in VALUES:
        yield f"{path} = {str(value)[:30]!r}", put(path, value), said
    for column in ("piece", "surprisal", "entropy", "rank", "support_size", "top_ids"):
        yield (
            f"short {column}",
            edited(lambda data, column=column: data["tokens"][column].pop()),
            f"tokens.{column} has",
        )
    yield (
        "uneven top",
        edited(lambda data: data["tokens"]["top_logprobs"][1].pop()),
        "tokens.top_* differ in length at token 1",
    )
    yield "name twice", text.replace(b'"seed":', b'"seed":9,"seed":'), "'seed' stands twice"
    yield "token name twice", text.replace(b'"rank":', b'"rank":[],"rank":'), "'rank' stands twice"


def _no_json(text: bytes) -> Iterator[Case]:
    yield "half", text[: len(text) // 2], "is not whole JSON"
    yield "no end", text[:-1], "is not whole JSON"
    yield "two on a line", text + text, "is not whole JSON: Extra data"
    yield "comma behind", text + b",", "is not whole JSON: Extra data"
    yield "single quotes", text.replace(b'"', b"'"), "is not whole JSON"
    yield "comment", b"// " + text, "is not whole JSON"
    yield "nothing but a word", b"hello", "is not whole JSON"
    yield "byte order mark", b"\xef\xbb\xbf" + text, "is not whole JSON: Unexpected UTF-8 BOM"
    yield "UTF-16", text.decode().encode("utf-16"), "is not UTF-8"
    yield "pickle", b"\x80\x04\x95\x10\x00\x00\x00\x00", "is not UTF-8"
    yield "old pickle", b"cos\nsystem\n(S'true'\ntR.", "is not whole JSON"
    yield "gzip", b"\x1f\x8b\x08\x00" + b"\x99" * 40, "is not UTF-8"
    yield "zeros", b"\0" * 400, "is not whole JSON"
    yield "null", b"null", "has schema None"
    yield "a number", b"7", "has schema None"
    yield "a list of traces", b"[" + text + b"]", "has schema None"
    yield "lists in lists", b"[" * 100_000, "is nested more than 16 deep"
    yield "objects in objects", b'{"a":' * 5_000, "is nested more than 16 deep"
    yield "a huge number", text.replace(b'"seed":', b'"seed":' + b"9" * 5_000), "not whole JSON"
    yield "NaN", text.replace(b'"surprisal":[', b'"surprisal":[NaN,'), "NaN is no finite number"
    yield "infinity", text.replace(b'"entropy":[', b'"entropy":[-Infinity,'), "-Infinity is no"
    yield "a leading zero", text.replace(b'"seed":', b'"seed":0'), "is not whole JSON"
    yield "control character", text.replace(b'"decoder":"', b'"decoder":"\x01'), "control char"
    yield "half a character", text.replace(b'"decoder":"', b'"decoder":"\xe4'), "is not UTF-8"


WHOLE, NUMBER = "valid integer", "valid number"
VALUES: tuple[tuple[str, Any, str], ...] = (
    ("schema", "explorer.trace/9", "has schema 'explorer.trace/9'"),
    ("schema", 1, "has schema 1"),
    ("schema", ["explorer.trace/1"], "has schema ["),
    ("schema", "x" * 500, "…"),
    ("seed", "4", f"seed: Input should be a {WHOLE}"),
    ("seed", 4.0, f"seed: Input should be a {WHOLE}"),
    ("seed", True, f"seed: Input should be a {WHOLE}"),
    ("seed", None, f"seed: Input should be a {WHOLE}"),
    ("seed", 2**300, "seed: "),
    ("decoder", 5, "decoder: Input should be a valid string"),
    ("decoder", "x" * 70_000, "decoder: String should have at most 65536 characters"),
    ("decoder", "\ud800", "decoder: "),
    ("text", None, "text: Input should be a valid string"),
    ("stop_reason", "bored", "stop_reason: Input should be 'eos'"),
    ("stop_reason", "", "stop_reason: "),
    ("batch_rows", -1, "batch_rows: Input should be greater than or equal to 0"),
    ("batch_rows", "1", f"batch_rows: Input should be a {WHOLE}"),
    ("noise.coupled", 1, "noise.coupled: Input should be a valid boolean"),
    ("noise", [], "noise: Input should be a valid dictionary"),
    ("model", "smollm2", "model: Input should be a valid dictionary"),
    ("model.vocab_size", -3, "model.vocab_size: Input should be greater"),
    ("versions", {"torch": 2}, "versions.torch: Input should be a valid string"),
    ("timing", {"prefill_s": "fast"}, f"timing.prefill_s: Input should be a {NUMBER}"),
    ("prompt.ids", "1,2", "prompt.ids: Input should be a valid list"),
    ("prompt.ids", [-1], "prompt.ids.0: Input should be greater than or equal to 0"),
    ("prompt.ids", [2**40], "prompt.ids.0: Input should be less than or equal to"),
    ("prompt.text", 3, "prompt.text: Input should be a valid string"),
    ("tokens", [], "tokens: Input should be a valid dictionary"),
    ("tokens.id.0", "7", f"tokens.id.0: Input should be a {WHOLE}"),
    ("tokens.id.0", 1.5, f"tokens.id.0: Input should be a {WHOLE}"),
    ("tokens.id.0", False, f"tokens.id.0: Input should be a {WHOLE}"),
    ("tokens.id.1", None, f"tokens.id.1: Input should be a {WHOLE}"),
    ("tokens.surprisal.0", "1.5", f"tokens.surprisal.0: Input should be a {NUMBER}"),
    ("tokens.surprisal.0", True, f"tokens.surprisal.0: Input should be a {NUMBER}"),
    ("tokens.entropy.0", None, f"tokens.entropy.0: Input should be a {NUMBER}"),
    ("tokens.entropy", {"0": 1}, "tokens.entropy: Input should be a valid list"),
    ("tokens.rank.0", -1, "tokens.rank.0: Input should be greater than or equal to 0"),
    ("tokens.piece.0", 9, "tokens.piece.0: Input should be a valid string"),
    ("tokens.piece.0", "x" * 5_000, "tokens.piece.0: String should have at most 4096"),
    ("tokens.top_ids.0", 5, "tokens.top_ids.0: Input should be a valid list"),
    ("tokens.top_ids.0.0", [[1]], f"tokens.top_ids.0.0: Input should be a {WHOLE}"),
    ("tokens.top_logprobs.0.0", "-inf", "tokens.top_logprobs.0.0"),
    ("tokens.notes", [{}], "tokens.notes has 1 entries"),
    ("tokens.rows", [0], "tokens.rows has 1 entries"),
    ("loops", {}, "loops: Input should be a valid list"),
    ("loops", [{"onset": 0, "period": 0, "copies": 3}], "loops.0.period: Input should be gre"),
    ("loops", [{"onset": 0, "period": 1}], "loops.0.copies: Field required"),
    ("pieces", {"x": "a"}, "'x' is no token id"),
    ("pieces", {"-1": "a"}, "'-1' is no token id"),
    ("pieces", {"1_0": "a"}, "'1_0' is no token id"),
    ("pieces", {"٣": "a"}, "'٣' is no token id"),
    ("pieces", {"9" * 40: "a"}, "is no token id"),
    ("pieces", ["a"], "pieces: Input should be a valid dictionary"),
    ("hypotheses", [{}], "hypotheses.0.score: Field required"),
    ("terms", {}, "terms.max_new_tokens: Field required"),
    ("terms", {"max_new_tokens": 0}, "terms.max_new_tokens: Input should be greater"),
    ("terms", {"max_new_tokens": 4, "patience": 1}, "terms.patience: Extra inputs"),
    ("given", 10**6, "given is 1000000, tokens.id has"),
    ("special", ["a"], "special.0: "),
    ("branch", "b1", "branch: Input should be a valid dictionary"),
    ("branch", {"id": "b1"}, "branch.parent: Field required"),
    ("branch", {"id": "", "parent": None, "at": 0, "name": "", "note": ""}, "branch.id: "),
    ("branch", {"id": "b", "parent": "a", "at": -1, "name": "", "note": ""}, "branch.at: "),
    ("bytes", {"1": "xyz"}, "bytes.1: String should match pattern"),
    ("bytes", {"1": "e"}, "bytes.1: String should match pattern"),
)
