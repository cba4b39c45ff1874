"""The paper's table: what uniform points of each space say, and whether sentences come back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile

import numpy as np

from explorer.core.errors import InvalidParams
from explorer.core.intervals import Figure, covered, pooled, wilson
from explorer.core.progress import Progress, quiet
from explorer.latent.automaton import Automaton, Weighting
from explorer.latent.language import SHIPPED, Language
from explorer.latent.laws import Place
from explorer.latent.learned import LearnedSpace
from explorer.latent.sampling import is_held_out, samples
from explorer.latent.space import ArielSpace, Points, Reading, Space, Words
from explorer.latent.spaces import ANY_SIZE, load_space, spaces, word_model
from explorer.latent.toy import toy_grammar

DIMENSIONS = (2, 16)
"""The sizes that every space has."""

TURNS = "turns.txt"
HELD_SEED = 1
"""Of the draw that held-out sentences of the toy language come from; training used 0."""

FIGURES = {
    "valid": "valid: points whose sentence the judge accepts",
    "unique": "unique: different sentences over points",
    "novel": "novel: points whose sentence no training sentence is",
    "valid_unique": "valid and unique: different valid sentences over points",
    "valid_novel": "valid and novel: points whose sentence is both",
    "usual": "usual: points whose sentence surprises the word model, by word, no more than 95 % "
    "of the held-out sentences do (AriEL has that model's law)",
    "rules": "rules: rules of the grammar that the valid sentences use",
    "vocabulary": "vocabulary: words of the language that the sentences use",
    "reconstructed": "reconstructed: held-out sentences that come back from their point (float64)",
    "exact": "exact: held-out sentences that come back from their exact point (fractions; AriEL)",
    "tokens": "tokens: words and ends of held-out sentences that come back in their place",
    "predicted": "predicted: words and ends that are the likeliest, given the point and what "
    "stands before them",
}
"""What is counted, for people, in the order of the table."""


@dataclass(frozen=True, slots=True)
class Row:
    """One space, sampled in one way.

    Attributes:
        name: of the space.
        title: the same, for people.
        dimensions: of the space.
        how: "uniform" in the box, or "prior".
        figures: by the names of `FIGURES`; those that are not defined are missing.
    """

    name: str
    title: str
    dimensions: int
    how: str
    figures: dict[str, Figure]


@dataclass(frozen=True, slots=True)
class Table:
    """The rows of one language.

    Attributes:
        language: its name.
        points: decoded a row.
        held_out: sentences that were to come back.
        bundled: True where these are the project's own turns, not held-out data.
        seed: of the points.
        rows: AriEL first, then as `spaces` has them.
    """

    language: str
    points: int
    held_out: int
    bundled: bool
    seed: int
    rows: tuple[Row, ...]


def drawn(space: Space, count: int, how: str, seed: int) -> Points:
    """Points [count, dimensions]: "uniform" in the space's box, or from its "prior".

    Raises:
        InvalidParams: for another way, or no points.
    """
    if how not in ("uniform", "prior"):
        raise InvalidParams(f"Points cannot be drawn '{how}'.", "Use 'uniform' or 'prior'.")
    if count < 1:
        raise InvalidParams(f"{count} points cannot be drawn.", "Ask for 1 or more.")
    random = np.random.default_rng((seed, space.dimensions))
    shape = (count, space.dimensions)
    if how == "prior" and space.prior == "gaussian":
        return random.standard_normal(shape)
    return space.low + (space.high - space.low) * random.random(shape)


def held_out_sentences(spoken: Language, count: int = 1000) -> list[tuple[str, ...]]:
    """Sentences that no shipped model was trained on, each once.

    Of the toy language `count` ones, drawn; of dialogue the turns that come with the project, as
    many as there are.
    """
    if spoken.name != "toy":
        lines = (SHIPPED / spoken.name / TURNS).read_text("utf-8").splitlines()
        turns = dict.fromkeys(spoken.split(line) for line in lines)
        return [turn for turn in turns if spoken.is_novel(turn)][:count]
    found: dict[tuple[str, ...], None] = {}
    for sentence in samples(Automaton(toy_grammar(), Weighting.RULES), HELD_SEED, 200 * count):
        if is_held_out(sentence):
            found[sentence] = None
            if len(found) == count:
                break
    return list(found)


def read_turns(spoken: Language, lines: Sequence[str]) -> list[tuple[str, ...]]:
    """Typed sentences as words, each once; what no space has a place for is left out.

    That is what is too long, holds an unknown word, or is no sentence to the judge.

    Raises:
        InvalidParams: if none is left.
    """
    known = frozenset(spoken.vocabulary)
    found = dict.fromkeys(words for line in lines if (words := spoken.split(line)))
    kept = [words for words in found if known.issuperset(words)]
    kept = [words for words in kept if len(words) <= spoken.most_words]
    if spoken.judge is not None:
        kept = [words for words in kept if spoken.judge.judge(words).valid]
    if not kept:
        raise InvalidParams(
            f"Of {len(found)} sentences none is one of the {spoken.name} language.",
            f"Give one a line, in its words, of at most {spoken.most_words} words.",
        )
    return kept


def sampling_figures(spoken: Language, readings: Sequence[Reading]) -> dict[str, Figure]:
    """What the sentences of many points are worth."""
    n = len(readings)
    words = [reading.words for reading in readings]
    fresh = [spoken.is_novel(sentence) for sentence in words]
    found = {
        "unique": covered(([sentence] for sentence in words), n),
        "novel": wilson(sum(fresh), n),
        "vocabulary": covered(words, len(spoken.vocabulary)),
    }
    if spoken.judge is None:
        return found
    verdicts = {sentence: spoken.judge.judge(sentence) for sentence in set(words)}
    # A sentence that was cut off is none, whatever its words.
    valid = [verdicts[r.words].valid and r.ended for r in readings]
    good = [sentence for sentence, fits in zip(words, valid, strict=True) if fits]
    rules = spoken.judge.grammar.rule_names
    return found | {
        "valid": wilson(sum(valid), n),
        "valid_unique": covered(
            ([s] if fits else [] for s, fits in zip(words, valid, strict=True)), n
        ),
        "valid_novel": wilson(sum(a and b for a, b in zip(valid, fresh, strict=True)), n),
        "rules": covered((verdicts[s].rules for s in good), len(rules))
        if good
        else Figure(0.0, 0.0, 0.0, len(rules)),
    }


def return_figures(space: Space, sentences: Sequence[tuple[str, ...]]) -> dict[str, Figure]:
    """Whether held-out sentences come back from their points in float64, and their words too."""
    readings = space.decode(space.encode(sentences))
    same = [r.ended and r.words == s for r, s in zip(readings, sentences, strict=True)]
    hits = [_in_place(reading, s) for reading, s in zip(readings, sentences, strict=True)]
    sizes = [len(sentence) + 1 for sentence in sentences]
    found = {
        "reconstructed": wilson(sum(same), len(sentences)),
        "tokens": pooled(hits, sizes),
    }
    if isinstance(space, LearnedSpace):
        told, _ = space.told(sentences)
        found["predicted"] = pooled([int(hit.sum()) for hit in told], sizes)
    else:
        # A point of AriEL holds the words up to where its digits end, and none behind.
        begun = [_from_the_first(r, s) for r, s in zip(readings, sentences, strict=True)]
        found["predicted"] = pooled(begun, sizes)
    return found


def usual_figure(
    spoken: Language, readings: Sequence[Reading], sentences: Sequence[tuple[str, ...]]
) -> Figure:
    """The share of points whose sentences are as usual as held-out ones, where no judge decides.

    The word model judges, that is the law of AriEL itself: this says how far the other spaces
    leave what was learned from the same data, and is no fair race with AriEL.
    """
    net, words = word_model(spoken.name), Words(spoken.vocabulary)
    most = max(spoken.most_words, *(len(r.words) for r in readings))
    limit = np.quantile(net.surprisals([words.ids(s, most) for s in sentences]), 0.95)
    rows = [words.ids(r.words, most) if r.words else () for r in readings]
    return wilson(int((net.surprisals(rows) <= limit).sum()), len(rows))


def exactly(space: ArielSpace[Place], sentences: Sequence[tuple[str, ...]]) -> Figure:
    """The share of sentences that come back from their exact points."""
    ariel = space.ariel
    ids = [space.ids(sentence) for sentence in sentences]
    found = ariel.decode_many([ariel.encode(each) for each in ids])
    same = sum(d.ended and d.tokens == own for d, own in zip(found, ids, strict=True))
    return wilson(same, len(sentences))


def measure(
    spoken: Language,
    *,
    points: int = 10_000,
    seed: int = 0,
    held_out: Sequence[tuple[str, ...]] | None = None,
    progress: Progress = quiet,
) -> Table:
    """The table of one language.

    Args:
        spoken: the language.
        points: decoded a row.
        seed: of the points.
        held_out: sentences that are to come back; the language's own where None is given.
        progress: told how far it is.

    Raises:
        InvalidParams: for no points, or a sentence that a space has no place for.
    """
    sentences = list(held_out_sentences(spoken) if held_out is None else held_out)
    found: list[Row] = []
    loaded = [load_space(spoken, name, d) for name, d in _named(spoken)]
    for number, space in enumerate(loaded):
        progress(f"{spoken.name}: {space.name} of {space.dimensions}", number / len(loaded))
        returned = return_figures(space, sentences)
        if isinstance(space, ArielSpace):
            returned["exact"] = exactly(space, sentences)
        for how in ("uniform", "prior") if space.prior == "gaussian" else ("uniform",):
            readings = space.decode(drawn(space, points, how, seed))
            figures = sampling_figures(spoken, readings) | returned
            if spoken.judge is None:
                figures["usual"] = usual_figure(spoken, readings, sentences)
            ordered = {name: figures[name] for name in FIGURES if name in figures}
            found.append(Row(space.name, space.title, space.dimensions, how, ordered))
    bundled = held_out is None and spoken.name != "toy"
    return Table(spoken.name, points, len(sentences), bundled, seed, tuple(found))


def _named(spoken: Language) -> Iterator[tuple[str, int]]:
    for name, sizes in spaces(spoken).items():
        for d in DIMENSIONS if sizes == ANY_SIZE else sizes:
            yield name, d


def _in_place(reading: Reading, sentence: Sequence[str]) -> int:
    """Words and the end that stand where they should."""
    ended = reading.ended and len(reading.words) == len(sentence)
    return sum(a == b for a, b in zip(reading.words, sentence, strict=False)) + ended


def _from_the_first(reading: Reading, sentence: Sequence[str]) -> int:
    """Words and the end up to the first wrong one."""
    pairs = zip(reading.words, sentence, strict=False)
    begun = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
    return begun + (begun == len(sentence) == len(reading.words) and reading.ended)
