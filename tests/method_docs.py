"""docs/decoders.md and its pictures, from the catalogue and one real law (`make docs`)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape

from example_law import BEST, ENTROPY, PROMPT, PictureTokenizer, ids_of, logprobs

from explorer.core.decoder import Decoder, Processor, StageInfo, StepView
from explorer.core.params import allowed, describe
from explorer.decoders import CATALOG
from explorer.decoders.families import FAMILIES
from explorer.decoders.spec import Stage, parse, written_value
from explorer.services.catalog_view import paper_url

DOCS = Path(__file__).parent.parent / "docs"
SHOWN = 16
UNIFORM = 0.37
"""The number every pictured draw is made with."""


@dataclass(frozen=True)
class Setting:
    """How a method is pictured.

    Attributes:
        spec: with what parameters.
        said: pieces that stand already after the prompt.
        words: what to say of it under the picture.
    """

    spec: str
    said: tuple[str, ...] = ()
    words: str = ""


SAID = ("“ coffee” was said twice and “ tea” once", (" coffee", " tea", " coffee"))
SETTINGS: Mapping[str, Setting] = {
    "temperature": Setting("temperature:temperature=0.5"),
    "nucleus": Setting("nucleus:p=0.6"),
    "top_k": Setting("top_k:k=5"),
    "top_a": Setting("top_a:a=0.2"),
    "eta": Setting("eta:epsilon=0.05"),
    "epsilon": Setting("epsilon:epsilon=0.01"),
    "locally_typical": Setting("locally_typical:mass=0.3"),
    "xtc": Setting("xtc:probability=1,threshold=0.1"),
    "mirostat": Setting("mirostat:tau=2"),
    "logit_bias": Setting('logit_bias:bias=" tea:2| coffee:-2"'),
    "banned_phrases": Setting('banned_phrases:phrases=" coffee"'),
    "suppressed": Setting('suppressed:containing="e"'),
    "forced": Setting('forced:begin=" green"'),
    "constrained_beam": Setting('constrained_beam:phrases=" green",width=4'),
    "latent_point": Setting('latent_point:point="0.37"'),
    "repetition_penalty": Setting("repetition_penalty", SAID[1], SAID[0]),
    "presence_penalty": Setting("presence_penalty:penalty=1", SAID[1], SAID[0]),
    "frequency_penalty": Setting("frequency_penalty:penalty=1", SAID[1], SAID[0]),
    "no_repeat_ngram": Setting(
        "no_repeat_ngram:n=2", (" hot", " coffee", " hot"), "“ hot coffee hot” was said"
    ),
    "dry": Setting(
        "dry:multiplier=2",
        (" fresh", " hot", " coffee", " fresh", " hot"),
        "“ fresh hot coffee fresh hot” was said",
    ),
    "momentum": Setting("momentum:alpha=0.5", (" coffee", " tea", " coffee"), SAID[0]),
}
NO_PICTURE: Mapping[str, str] = {
    "length_decay": "it changes the end mark only, and only once the text is long.",
    "min_length": "it changes the end mark only.",
    "grammar": "what it cuts is decided by the grammar and the text so far.",
    "classifier_free_guidance": "it needs the law of a second context beside this one.",
    "contrastive_decoding": "it needs the law of a second context beside this one.",
    "mixture": "it needs the law of a second context beside this one.",
    "product_of_experts": "it needs the law of a second context beside this one.",
    "contrastive_exploration": "it needs the law of a second context beside this one.",
    "product_smc": "it needs the law of a second context beside this one.",
    "dola": "it needs the hidden states behind the law.",
    "contrastive_search": "it needs the hidden states behind the law.",
}


def view_after(said: Sequence[str]) -> StepView:
    """The law as a step, after some tokens were said; no token of the prompt has one of its ids."""
    law = logprobs().unsqueeze(0)
    history = [40_000, *ids_of(*said)]
    return StepView(
        logits=law.clone(),
        logprobs=law,
        histories=(history,),
        prompt_length=1,
        uniforms=(UNIFORM,),
        eos_ids=PictureTokenizer.eos_ids,
        steps_left=40,
        tokenizer=PictureTokenizer(),
    )


def stage_of(spec: str) -> Stage:
    chain = parse(spec)
    return chain.chooser if chain.explicit_chooser else chain.processors[0]


def after(stage: Stage, view: StepView) -> tuple[list[float], list[int]]:
    """Probabilities after a method, and the tokens it took."""
    made = stage.info.build(stage.params) if stage.info.kind == "processor" else None
    if made is not None:
        process: Processor = made  # type: ignore[assignment]
        return process(view.logits, view)[0].softmax(-1).tolist(), []
    decoder: Decoder = stage.info.build(stage.params, [])  # type: ignore[call-arg,assignment]
    move = decoder.advance(view)
    # Several rows: the mean of the laws their tokens came from.
    return move.logprobs.exp().mean(dim=0).tolist(), list(move.token_ids)


BAR, GAP, HIGH, LEFT = 11, 9, 96, 34


def picture(name: str) -> str:
    """The law before (grey) and after (colour) a method; taken tokens carry a dot."""
    setting = SETTINGS.get(name, Setting(name))
    view = view_after(setting.said)
    before = view.logprobs[0].exp().tolist()
    later, taken = after(stage_of(setting.spec), view)
    columns = [
        [law[:SHOWN][i] if i < SHOWN else math.fsum(law[SHOWN:]) for i in range(SHOWN + 1)]
        for law in (before, later)
    ]
    top = max(0.4, *columns[0], *columns[1])
    step = 2 * BAR + GAP
    width, base = LEFT + (SHOWN + 1) * step + 4, 14 + HIGH
    paths = ["".join(_bar(LEFT + i * step + k * BAR, p / top, base) for i, p in enumerate(column))
             for k, column in enumerate(columns)]  # fmt: skip
    labels = [piece.strip() or "␣" for piece, _ in BEST[:SHOWN]] + ["others"]
    texts = "".join(
        f'<text x="{LEFT + i * step + 13}" y="{base + 8}" '
        f'transform="rotate(60 {LEFT + i * step + 9} {base + 8})">{escape(label)}</text>'
        for i, label in enumerate(labels)
    )
    dots = "".join(_dot(min(i, SHOWN), columns[1], top, base) for i in sorted(set(taken)))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {base + 52}" '
        f'font-family="sans-serif" font-size="10">'
        f'<rect width="100%" height="100%" fill="#fff"/>'
        f'<g fill="#555"><text x="2" y="20">{top:.0%}</text><text x="2" y="{base}">0%</text>'
        f"{texts}</g>"
        f'<path fill="#b9b9b9" d="{paths[0]}"/><path fill="#4a47c9" d="{paths[1]}"/>'
        f'<g fill="#d55e00">{dots}</g></svg>\n'
    )


def _dot(column: int, law: Sequence[float], top: float, base: int) -> str:
    x, y = LEFT + column * (2 * BAR + GAP) + 16, base - 5 - _high(law[column], top)
    return f'<circle cx="{x}" cy="{y}" r="3"/>'


def _high(probability: float, top: float) -> int:
    return round(HIGH * probability / top)


def _bar(x: int, share: float, base: int) -> str:
    high = round(HIGH * share)
    return f"M{x} {base}v-{high}h{BAR - 1}v{high}z" if high else ""


def section(info: StageInfo) -> str:
    """One method in Markdown."""
    aliases = CATALOG.aliases_of(info.name)
    parts = [
        f"### {info.name}",
        f"**{info.title}.** {info.summary}",
        f"```math\n{info.formula}\n```",
    ]
    setting = SETTINGS.get(info.name, Setting(info.name))
    if info.name in NO_PICTURE:
        parts.append(f"*No picture: {NO_PICTURE[info.name]}*")
    else:
        shown = f"`{stage_of(setting.spec).canonical}`"
        where = f", where {setting.words}" if setting.words else ""
        what = "the dots are the tokens it takes" if info.kind == "chooser" else "before and after"
        parts.append(f"![{info.title}: {what}](img/{info.name}.svg)\n\n{shown}{where}")
    parts.append(f"**Look for:** {info.look_for}")
    fields = describe(info.params)
    if fields:
        rows = [
            f"| `{f.name}` | {_cell(written_value(f, f.default))} | {_cell(allowed(f))} "
            f"| {_cell(f.description)} |"
            for f in fields
        ]
        parts.append(
            "| parameter | default | allowed | meaning |\n|---|---|---|---|\n" + "\n".join(rows)
        )
    url = paper_url(info.source)
    paper = f"[{info.source}]({url})" if url else info.source
    names = f" Also called {', '.join(f'`{alias}`' for alias in aliases)}." if aliases else ""
    needs = (
        " Reads a second context."
        if info.second
        else " Reads hidden states."
        if info.layers
        else ""
    )
    parts.append(f"Source: {paper}.{names}{needs}")
    return "\n\n".join(parts)


def _cell(text: str) -> str:
    return text.replace("\\", "\\\\").replace("|", "\\|")


def page() -> str:
    """docs/decoders.md."""
    parts = [
        "# Decoding methods",
        "<!-- generated by `make docs` from the catalogue: edit the stages, not this file -->",
        "Every method with its formula, what it does to one real law, and what to look for. z are "
        "logits, p is the law a stage reads, q the one it leaves; H is the entropy in nats. "
        "Stages run in the order written; [the README](../README.md) says how a chain is spelled.",
        f"The pictures are of one law: SmolLM2-135M-Instruct after “{PROMPT}”, its {SHOWN} "
        f"likeliest tokens and all others together (entropy {ENTROPY:.2f} nats), grey before and "
        "blue after the method with the parameters given below it. Of all but 60 tokens only the "
        "sum was stored; they are drawn as a power of their rank. Draws are made with "
        f"u = {UNIFORM}; dots are what a chooser takes, several where it holds several "
        "rows, and blue is then the mean of the laws these came from.",
    ]
    for family, heading in FAMILIES.items():
        members = [info for info in CATALOG.items() if info.family == family]
        links = " · ".join(f"[{info.name}](#{info.name})" for info in members)
        parts += [f"## {heading}", links, *(section(info) for info in members)]
    return "\n\n".join(parts) + "\n"


def files() -> dict[Path, str]:
    """Every generated file under docs/ and what it holds."""
    pictured = [name for name in CATALOG if name not in NO_PICTURE]
    return {DOCS / "decoders.md": page()} | {
        DOCS / "img" / f"{name}.svg": picture(name) for name in pictured
    }
