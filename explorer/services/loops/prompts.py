"""Prompts to ask for loops with: those that come with the project, or a file's."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from explorer.core.errors import InvalidParams

MAX_PROMPTS = 2_000
_BUNDLED = Path(__file__).resolve().parents[3] / "assets" / "loops" / "prompts.jsonl"


@dataclass(frozen=True, slots=True)
class LoopPrompt:
    """One prompt.

    Attributes:
        text: what the model continues.
        kind: "story", "list", "code", "dialogue", "encyclopaedic"; "" where a file says none.
    """

    text: str
    kind: str = ""


@cache
def bundled_prompts() -> tuple[LoopPrompt, ...]:
    """The 42 prompts written for this experiment, kinds in turn."""
    return parse_prompts(_BUNDLED.read_text(encoding="utf-8"), "prompts.jsonl")


def parse_prompts(text: str, name: str) -> tuple[LoopPrompt, ...]:
    r"""One prompt a line: plain text, or a JSON object with "text" and, if it likes, "kind".

    Empty lines are left out, and so is a prompt that stood before.

    Args:
        text: of the file.
        name: of the file, for messages.

    Raises:
        InvalidParams: for no prompt, too many, or an object without a text, by its line.

    >>> parse_prompts('Once upon\n{"text": "1.\\n2.", "kind": "list"}\n', "mine.jsonl")
    (LoopPrompt(text='Once upon', kind=''), LoopPrompt(text='1.\n2.', kind='list'))
    """
    found: dict[str, LoopPrompt] = {}
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            prompt = _prompt(line.rstrip("\r"), f"line {number} of '{name}'")
            found.setdefault(prompt.text, prompt)
    if not 1 <= len(found) <= MAX_PROMPTS:
        raise InvalidParams(
            f"'{name}' holds {len(found):,} prompts.", f"Write 1 to {MAX_PROMPTS:,}, one a line."
        )
    return tuple(found.values())


def _prompt(line: str, where: str) -> LoopPrompt:
    data: object = None
    if line.startswith(('{"text"', '{"kind"')):
        # a prompt may itself be code or JSON: only these beginnings are ours
        try:
            data = json.loads(line)
        except (ValueError, RecursionError):
            raise InvalidParams(f"{where} is no JSON object.", 'Write {"text": "…"}.') from None
    if data is None:
        return LoopPrompt(line)
    text = data.get("text") if isinstance(data, dict) else None
    kind = data.get("kind", "") if isinstance(data, dict) else ""
    if not isinstance(text, str) or not text or not isinstance(kind, str):
        raise InvalidParams(f"{where} has no text.", 'Write {"text": "…", "kind": "story"}.')
    return LoopPrompt(text, kind)
