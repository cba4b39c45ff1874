"""A prompt as a model reads it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from explorer.core.errors import InvalidParams
from explorer.core.handle import ModelHandle
from explorer.core.types import Prompt
from explorer.services import checks


def make_prompt(model: ModelHandle, prompt: str | Sequence[int] | Prompt, *, chat: bool) -> Prompt:
    """A prompt as the model reads it; an empty text means BOS.

    Raises:
        InvalidParams: for a prompt that is neither text nor token ids, a chat prompt to a model
            without a chat template, or an empty prompt to a tokenizer with no begin or end mark.
    """
    if isinstance(prompt, Prompt):
        return replace(prompt, ids=checks.token_ids("the prompt", prompt.ids))
    if not isinstance(prompt, str):
        return Prompt("", checks.token_ids("the prompt", prompt), "none")
    checks.text("The prompt", prompt)
    tokenizer = model.tokenizer
    if chat:
        if not tokenizer.has_chat_template:
            raise InvalidParams(f"{model.info.id} has no chat template.", "Use raw completion.")
        return Prompt(prompt, tuple(tokenizer.encode_chat(prompt)), "chat")
    ids = tokenizer.encode(prompt)
    if not ids:
        if tokenizer.bos_id is None:
            raise InvalidParams(
                f"The prompt is empty and {model.info.id} has no begin mark.", "Type something."
            )
        ids = [tokenizer.bos_id]
    return Prompt(prompt, tuple(ids), "raw")
