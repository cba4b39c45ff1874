"""Continuations to be read by eye, as Markdown for a model card."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from explorer.core.detokenize import text_of
from explorer.core.distribution import inverse_cdf, log_normalise
from explorer.core.handle import ModelHandle
from explorer.core.loops import find_loops
from explorer.core.noise import uniform
from explorer.processors.nucleus import nucleus

PROMPTS = (
    "Once upon a time there was a little girl named",
    "Once upon a time, in a big forest, there lived a",
    "One day, a boy named Tim went to the park and",
    "The old king had three sons, and the youngest",
    "There was once a poor woodcutter who",
    "A fox met a crow under a tree and said,",
    "Lily was sad because she had lost her",
    "The dragon opened one eye and",
    "It was raining, so Anna and her brother",
    "In the middle of the night the cat heard",
    "Grandma gave Sam a red box. Inside the box",
    "The little boat sailed far away until",
    '"Please help me," said the mouse.',
    "Every morning the baker",
    "The princess did not want to marry, so",
    "Long ago, when animals could talk,",
    "Ben found a shiny stone and",
    "The wind blew the hat off the head of",
    "Two friends were walking along the river when",
    "At last the giant came home and",
)
"""Openings in the model's own domain."""


def continuations(model: ModelHandle, tokens: int, p: float | None, seed: int) -> Iterator[str]:
    """One continuation a prompt: greedy where p is None, else nucleus sampling."""
    for number, prompt in enumerate(PROMPTS):
        ids = model.tokenizer.encode(prompt)
        batch = model.open_batch()
        *_, logits = batch.prefill(ids)
        made: list[int] = []
        room = model.info.context_length - len(ids) if model.info.context_length else tokens
        for step in range(min(tokens, room)):
            assert not isinstance(logits, int)
            if p is None:
                token_id = int(logits[0].argmax())
            else:
                law = log_normalise(nucleus(logits, p))[0]
                token_id = inverse_cdf(law, uniform(seed, "samples", number, step))
            made.append(token_id)
            if token_id in model.tokenizer.eos_ids:
                break
            logits = batch.step([token_id])
        yield _line(model, prompt, made)


def _line(model: ModelHandle, prompt: str, made: Sequence[int]) -> str:
    loops = find_loops(made)
    note = f" *(loop of {loops[-1].period} from token {loops[-1].onset})*" if loops else ""
    ended = " ∎" if made and made[-1] in model.tokenizer.eos_ids else ""
    body = [i for i in made if i not in model.tokenizer.eos_ids]
    text = " ".join(text_of(model.tokenizer, body).split("\n"))
    return f"- **{prompt}**{text}{ended}{note}"


def samples_page(model: ModelHandle, *, tokens: int = 120, p: float = 0.95, seed: int = 1) -> str:
    """The greedy and the sampled continuations, one list each; ∎ is the model's own end."""
    greedy = "\n".join(continuations(model, tokens, None, seed))
    sampled = "\n".join(continuations(model, tokens, p, seed))
    return f"### Greedy\n\n{greedy}\n\n### Nucleus, p = {p:g}, seed {seed}\n\n{sampled}\n"
