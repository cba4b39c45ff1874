"""What a model will make of a prompt: how many tokens it reads, and what to mind."""

from __future__ import annotations

from dataclasses import dataclass

from explorer.core.handle import ModelHandle
from explorer.render.palette import format_count


@dataclass(frozen=True, slots=True)
class PromptReport:
    """What the model will make of a prompt.

    Attributes:
        tokens: how many it will read; None while the model is not loaded.
        template_text: the text as it will be tokenised.
        bos: "yes", "no" or "" where it is not known.
        warnings: sentences.
    """

    tokens: int | None
    template_text: str
    bos: str
    warnings: tuple[str, ...]


def report_on(
    handle: ModelHandle | None, prompt: str, template: str, max_new_tokens: int
) -> PromptReport:
    """Count a prompt and look for what its writer may not know.

    Args:
        handle: the model; None while it is not loaded.
        prompt: as typed.
        template: "raw" or "chat".
        max_new_tokens: asked for.
    """
    warnings = []
    if prompt != prompt.rstrip(" ") and template == "raw":
        warnings.append(
            "The prompt ends with a space. Most tokenizers put the space in front of the "
            "next word, so the model meets an unusual token here: delete it if unsure."
        )
    if handle is None:
        return PromptReport(None, prompt, "", tuple(warnings))
    tokenizer = handle.tokenizer
    if template == "chat" and not tokenizer.has_chat_template:
        warnings.append(f"{handle.info.id} has no chat template: use raw completion.")
        return PromptReport(None, prompt, "", tuple(warnings))
    text = tokenizer.chat_text(prompt) if template == "chat" else prompt
    ids = tokenizer.encode_chat(prompt) if template == "chat" else tokenizer.encode(prompt)
    if not prompt and template == "raw":
        ids = ids or [tokenizer.bos_id] if tokenizer.bos_id is not None else []
        warnings.append("The prompt is empty: the model starts from its begin mark (BOS).")
    limit = handle.info.context_length
    if limit and len(ids) + max_new_tokens > limit:
        warnings.append(
            f"{format_count(len(ids), 'token')} and {max_new_tokens:,} new ones exceed the "
            f"{limit:,} that {handle.info.id} reads: shorten one of them."
        )
    bos = "yes" if ids and ids[0] == tokenizer.bos_id else "no"
    return PromptReport(len(ids), text, bos, tuple(warnings))
