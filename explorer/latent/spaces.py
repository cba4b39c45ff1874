"""Which spaces there are, and loading them."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from explorer.core.catalog import did_you_mean
from explorer.core.errors import InvalidParams, UnknownName
from explorer.latent.automaton import Automaton, Weighting
from explorer.latent.checkpoints import CONFIG, load_network, read_config
from explorer.latent.kinds import AUTOENCODERS, LAW
from explorer.latent.language import SHIPPED, Language, language
from explorer.latent.laws import GrammarLaws
from explorer.latent.learned import LearnedSpace
from explorer.latent.points import MAX_DIMENSIONS
from explorer.latent.space import ArielSpace, Space, Words
from explorer.latent.toy import MAX_WORDS, toy_grammar
from explorer.latent.word_laws import WordLaws

if TYPE_CHECKING:
    from explorer.latent.word_lm import WordModel

ANY_SIZE = tuple(range(1, MAX_DIMENSIONS + 1))


def spaces(spoken: str | Language) -> dict[str, tuple[int, ...]]:
    """The spaces of a language that can be loaded: names, and the dimensions each has.

    Raises:
        UnknownName: for another language.
        ModelUnavailable: if the language's files are not here.
    """
    spoken = language(spoken) if isinstance(spoken, str) else spoken
    found: dict[str, tuple[int, ...]] = {"ariel": ANY_SIZE} if spoken.name == "toy" else {}
    folder = SHIPPED / spoken.name
    if has_word_law(spoken.name):
        found["ariel_lm" if spoken.name == "toy" else "ariel"] = ANY_SIZE
    for name in AUTOENCODERS:
        sizes = [
            int(path.parent.name.rpartition("-")[2]) for path in folder.glob(f"{name}-*/{CONFIG}")
        ]
        if sizes:
            found[name] = tuple(sorted(sizes))
    return found


def load_space(spoken: str | Language, name: str, dimensions: int) -> Space:
    """One space; the same object at every call.

    Raises:
        UnknownName: with the nearest right name.
        InvalidParams: for dimensions it does not have, with those it has.
        ModelUnavailable: if its files are damaged or not here.
    """
    spoken = language(spoken) if isinstance(spoken, str) else spoken
    known = spaces(spoken)
    if name not in known:
        near = did_you_mean(name, known)
        guess = f" Did you mean '{near}'?" if near else ""
        raise UnknownName(
            f"The {spoken.name} language has no space '{name}'.{guess}",
            f"Available: {', '.join(known)}.",
        )
    sizes = known[name]
    if isinstance(dimensions, bool) or dimensions not in sizes:
        said = f"1 to {sizes[-1]}" if sizes == ANY_SIZE else " or ".join(map(str, sizes))
        raise InvalidParams(
            f"The space '{name}' of {dimensions!r} dimensions is not here.",
            f"Use {said} dimensions.",
        )
    return _load(spoken.name, name, dimensions)


def learned_bounds(spoken: str, name: str, dimensions: int) -> tuple[list[float], list[float]]:
    """Where the box of a learned space begins and ends; its weights are not read for it.

    Raises:
        ModelUnavailable: if its files are damaged or not here.
    """
    config = read_config(SHIPPED / spoken / f"{name}-{dimensions}")
    return list(config.low), list(config.high)


def ariel_title(spoken: str, name: str) -> str:
    """What an AriEL space is called."""
    is_grammar = spoken == "toy" and name == "ariel"
    return "AriEL, the grammar's law" if is_grammar else "AriEL, a trained law"


@cache
def _grammar_laws() -> GrammarLaws:
    return GrammarLaws(Automaton(toy_grammar(), Weighting.RULES))


@cache
def word_model(spoken: str) -> WordModel:
    """A language's trained model of words.

    Raises:
        ModelUnavailable: if it is damaged or not here.
    """
    from explorer.latent.word_lm import WordModel  # noqa: PLC0415  # with torch

    net, _ = load_network(SHIPPED / spoken / LAW)
    assert isinstance(net, WordModel)
    return net


@cache
def word_laws(spoken: str) -> WordLaws:
    """The laws of that model.

    Raises:
        ModelUnavailable: as `word_model`.
    """
    return WordLaws(word_model(spoken))


def has_word_law(spoken: str) -> bool:
    """Whether a language has a trained model of words."""
    return (SHIPPED / spoken / LAW / CONFIG).exists()


def word_vectors(spoken: str) -> NDArray[np.float64]:
    """What the trained model of words reads each word as: [ids, width], the end first.

    Raises:
        ModelUnavailable: if it is damaged or not here.
    """
    from explorer.latent.word_lm import WordModel  # noqa: PLC0415  # with torch

    net, _ = load_network(SHIPPED / spoken / LAW)
    assert isinstance(net, WordModel)
    found: NDArray[np.float64] = net.writer.embed.detach().double().numpy()
    return found


@cache
def _load(spoken: str, name: str, dimensions: int) -> Space:
    words = Words(language(spoken).vocabulary)
    if name not in ("ariel", "ariel_lm"):
        folder = SHIPPED / spoken / f"{name}-{dimensions}"
        return LearnedSpace(*load_network(folder), words)
    if spoken == "toy" and name == "ariel":
        title = ariel_title(spoken, name)
        return ArielSpace(_grammar_laws(), words, dimensions, title=title, max_words=MAX_WORDS)
    laws = word_laws(spoken)
    return ArielSpace(laws, words, dimensions, name=name, title=ariel_title(spoken, name))
