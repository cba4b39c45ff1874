"""The catalogue as plain data: what `decoders --json`, the editor and the README read."""

from __future__ import annotations

from dataclasses import asdict

from explorer.core.decoder import StageInfo
from explorer.core.params import describe
from explorer.decoders import CATALOG
from explorer.decoders.families import FAMILIES
from explorer.decoders.spec import parse


def catalog_json() -> list[dict[str, object]]:
    """Every decoder and processor with its parameters, bounds, defaults and paper."""
    return [_entry(info) for info in CATALOG.items()]


def _entry(info: StageInfo) -> dict[str, object]:
    params = []
    for field in describe(info.params):
        entry = asdict(field)
        entry["neutral"] = info.neutral.get(field.name)
        params.append(entry)
    return {
        "name": info.name,
        "title": info.title,
        "aliases": list(CATALOG.aliases_of(info.name)),
        "family": info.family,
        "heading": FAMILIES[info.family],
        "kind": info.kind,
        "summary": info.summary,
        "look_for": info.look_for,
        "paper": info.source,
        "url": paper_url(info.source),
        "formula": info.formula,
        "example": parse(info.name).canonical,
        "neutral": dict(info.neutral),
        "keeps_argmax": info.keeps_argmax,
        "reads_second_context": info.second is not None,
        "reads_layers": info.layers,
        "draws": info.draws,
        "idle": [asdict(rule) for rule in info.idle],
        "params": params,
    }


def paper_url(source: str) -> str:
    """Where a source that names an arXiv paper can be read; "" for others.

    >>> paper_url("Lan et al., Momentum Decoding, arXiv:2212.02175")
    'https://arxiv.org/abs/2212.02175'
    """
    _, found, identifier = source.partition("arXiv:")
    return f"https://arxiv.org/abs/{identifier.split(',')[0].split(';')[0]}" if found else ""


def catalog_table() -> str:
    """The README's tables of decoders, one a family, in Markdown."""
    parts = []
    for family, heading in FAMILIES.items():
        parts += ["", f"**{heading}**", "", "| name | what it does | source |", "|---|---|---|"]
        parts += [
            f"| [`{info.name}`](docs/decoders.md#{info.name}) | {info.summary} |"
            f" {_source(info.source)} |"
            for info in CATALOG.items()
            if info.family == family
        ]
    return "\n".join(parts[1:])


def _source(source: str) -> str:
    url = paper_url(source)
    return f"[{source}]({url})" if url else source
