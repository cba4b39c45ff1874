"""Languages and their spaces as the page names them, and what is to be said of a sentence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from explorer.core.errors import ExplorerError, InvalidParams
from explorer.latent.judge import Verdict
from explorer.latent.kinds import AUTOENCODERS, Kind
from explorer.latent.language import LANGUAGES, language
from explorer.latent.laws import Reordered
from explorer.latent.meaning import meaning_order
from explorer.latent.planes import Floats
from explorer.latent.space import ArielSpace, Reading, Space
from explorer.latent.spaces import (
    ariel_title,
    has_word_law,
    learned_bounds,
    load_space,
    spaces,
    word_vectors,
)
from explorer.services import checks
from explorer.services.asked import text, whole
from explorer.services.latent.tongues import MARK, MODEL_SIZES, TONGUES
from explorer.services.settings import DEFAULT_MODEL, SHIPPED_MODEL

KEPT_SENTENCES = 50_000
MODELS = (SHIPPED_MODEL, DEFAULT_MODEL)
"""Models whose continuations have a space on the page."""
FIRST_PROMPT = "Once upon a time"


@dataclass(frozen=True, slots=True)
class Ref:
    """Which space is meant.

    Attributes:
        language: its name.
        space: its name.
        dimensions: of the space.
        order: of the vocabulary, "alphabet" or "meaning"; only AriEL's boxes follow it.
    """

    language: str
    space: str
    dimensions: int
    order: str = "alphabet"


def ref_of(asked: Mapping[str, Any]) -> Ref:
    """The space a question is about.

    Raises:
        InvalidParams: for a field that is missing or of the wrong type.
    """
    order = asked.get("order", "alphabet")
    if order not in ("alphabet", "meaning"):
        raise InvalidParams(
            f"The order of words is {checks.shown(order)}.", "Use alphabet or meaning."
        )
    spoken = text(asked, "language")
    if MARK in spoken:
        raise InvalidParams(f"{checks.shown(spoken)} is no language.", "Choose one of the page's.")
    if spoken not in LANGUAGES and spoken in MODELS:
        spoken = TONGUES.named(spoken, text(asked, "prompt", 2_000) if "prompt" in asked else "")
    return Ref(spoken, text(asked, "space"), whole(asked, "dimensions", 1, 64), order)


def open_space(ref: Ref) -> Space:
    """The space, loaded once.

    Raises:
        ExplorerError: for one that is not here.
    """
    space = TONGUES.space(ref.language, ref.space, ref.dimensions)
    if ref.order == "alphabet":
        return space
    if ref.order not in orders(ref.language, ref.space) or not isinstance(space, ArielSpace):
        raise InvalidParams(
            f"The words of {space.title} have no order by meaning.",
            "Only AriEL's boxes follow an order of the words.",
        )
    return _by_meaning(ref)


@lru_cache(maxsize=64)
def _by_meaning(ref: Ref) -> ArielSpace[Any]:
    space = load_space(ref.language, ref.space, ref.dimensions)
    assert isinstance(space, ArielSpace)
    laws = Reordered(space.ariel.laws, _meaning(ref.language), recent=4096)
    return ArielSpace(
        laws,
        space.words,
        ref.dimensions,
        name=space.name,
        title=f"{space.title}, words by meaning",
        max_words=space.ariel.max_tokens,
    )


@lru_cache(maxsize=8)
def _meaning(spoken: str) -> tuple[int, ...]:
    return meaning_order(word_vectors(spoken))


def worlds() -> list[dict[str, Any]]:
    """Every language with its spaces, for the page's boxes; the models' tongues come last."""
    shipped = [world for name in LANGUAGES if (world := _world(name))]
    return [*shipped, *(map(_model_world, MODELS) if TONGUES.models is not None else ())]


def _model_world(name: str) -> dict[str, Any]:
    """What a model says after a prompt: nothing is loaded for this."""
    ariel = {
        "name": "ariel",
        "title": f"AriEL over {name}",
        "paper": ArielSpace.paper,
        "sizes": list(MODEL_SIZES),
        "prior": ArielSpace.prior,
        "orders": ["alphabet"],
        "bounds": {},
        "boxes": True,
    }
    return {
        "name": name,
        "title": f"what {name} says",
        "words": 0,
        "judged": False,
        "prompt": FIRST_PROMPT,
        "spaces": [ariel],
    }


def _world(name: str) -> dict[str, Any] | None:
    try:
        spoken = language(name)
        known = spaces(spoken)
        found = [_about(name, space, sizes) for space, sizes in known.items()]
    except ExplorerError:
        return None  # its files are not shipped: the page offers what is here
    if not found:
        return None
    return {
        "name": name,
        "title": spoken.title,
        "words": len(spoken.vocabulary),
        "judged": spoken.judge is not None,
        "prompt": None,
        "spaces": found,
    }


def _about(spoken: str, name: str, sizes: Sequence[int]) -> dict[str, Any]:
    # No weights are read for this: it is asked for before the page is there.
    learned = AUTOENCODERS.get(name)
    kind = learned or Kind(ariel_title(spoken, name), ArielSpace.paper, ArielSpace.prior)
    return {
        "name": name,
        "title": kind.title,
        "paper": kind.paper,
        "sizes": list(sizes),
        "prior": kind.prior,
        "orders": list(orders(spoken, name)),
        "bounds": _bounds(spoken, name, sizes) if learned else {},
        "boxes": learned is None,
    }


def orders(spoken: str, name: str) -> tuple[str, ...]:
    """The orders of the vocabulary that a space can be cut in; by meaning where one is known."""
    is_cut = name in ("ariel", "ariel_lm")
    return ("alphabet", "meaning") if is_cut and has_word_law(spoken) else ("alphabet",)


def _bounds(spoken: str, name: str, sizes: Sequence[int]) -> dict[int, dict[str, list[float]]]:
    """Where the box of each size begins and ends, for the sliders."""
    found = {}
    for size in sizes:
        low, high = learned_bounds(spoken, name, size)
        found[size] = {"low": low, "high": high}
    return found


@lru_cache(maxsize=KEPT_SENTENCES)
def verdict(spoken: str, words: tuple[str, ...]) -> Verdict | None:
    """What the judge says; None where the language has none."""
    judge = TONGUES.language(spoken).judge
    return None if judge is None else judge.judge(words)


@lru_cache(maxsize=KEPT_SENTENCES)
def facts(spoken: str, words: tuple[str, ...], ended: bool = True) -> dict[str, Any]:
    """A sentence as a row of the page.

    Args:
        spoken: name of the language.
        words: of the sentence.
        ended: False where no end came: such a one is not valid.

    Returns:
        `text`, `words` their number, `valid` (None where nothing decides that), `novel` (None
        where that is not known), `bits` (surprisal under the language's word law, or the model's;
        None where that forbids it; missing where there is none), `kind` (question, statement or
        none) and `rule` (the sentence's own, if it is judged).
    """
    tongue = TONGUES.language(spoken)
    judged = verdict(spoken, words)
    text = tongue.join(words)
    found = {
        "text": text,
        "words": len(words),
        "valid": None if judged is None else judged.valid and ended,
        "novel": tongue.is_novel(words) if len(tongue.seen) else None,
        "kind": kind_of(text, judged),
        "rule": judged.rules[1].replace("_", " ") if judged and len(judged.rules) > 1 else "",
    }
    if reference_space(spoken) is not None:
        found["bits"] = surprisal_bits(spoken, words, ended)
    return found


def read(space: Space, ref: Ref, points: Floats) -> tuple[list[Reading], list[dict[str, Any]]]:
    """What points [n, d] say, and the row of each.

    A model's points are read one by one: its laws along a text are still at hand for the row.
    """
    if ref.language in LANGUAGES:
        readings = space.decode(points) if len(points) else []
        return readings, [facts(ref.language, r.words, r.ended) for r in readings]
    readings, rows = [], []
    for point in points:
        [reading] = space.decode(point[None])
        readings.append(reading)
        rows.append(facts(ref.language, reading.words, reading.ended))
    return readings, rows


def kind_of(text: str, judged: Verdict | None) -> str:
    """What sort of sentence it is: by the rule that writes it, else by its last mark."""
    if judged is None:
        return "question" if text.rstrip().endswith("?") else "statement"
    if not judged.valid:
        return "none"
    return judged.rules[0]


def surprisal_bits(spoken: str, words: tuple[str, ...], ended: bool = True) -> float | None:
    """-log2 of the sentence's probability under the law that AriEL has of its language."""
    reference = reference_space(spoken)
    if reference is None:
        return None
    try:
        ids = reference.ids(words) if words else ()
        found = reference.ariel.box(ids, ended=ended).bits
    except InvalidParams:
        return None  # impossible under that law
    return round(found, 2)


def reference_space(spoken: str) -> ArielSpace[Any] | None:
    """AriEL of the language: its trained word model where there is one, else the grammar."""
    if spoken in LANGUAGES:
        return _shipped_reference(spoken)
    return TONGUES.voice(spoken).space(1) if MARK in spoken else None


@lru_cache(maxsize=8)
def _shipped_reference(spoken: str) -> ArielSpace[Any] | None:
    known = spaces(spoken)
    for name in ("ariel_lm", "ariel"):
        if name in known:
            space = load_space(spoken, name, 2)
            if isinstance(space, ArielSpace):
                return space
    return None
