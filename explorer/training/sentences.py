"""Sentences as arrays of ids in a work folder, and which of them are read at which step."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from explorer.core.deferred import torch
from explorer.core.errors import InvalidParams
from explorer.core.progress import Progress, quiet
from explorer.latent.automaton import Automaton, Weighting
from explorer.latent.language import SEEN, WORDS, digest_of
from explorer.latent.nets import END
from explorer.latent.sampling import is_held_out, samples
from explorer.latent.space import Words
from explorer.latent.toy import MAX_WORDS, toy_grammar

if TYPE_CHECKING:
    from torch import Tensor

HELD_OUT = "held_out.txt"
ARRAY = "sentences.npy"
POOL = 4
"""Batches drawn at once and shared out by length, so that rows are filled up little."""

Sentence = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Sentences:
    """What the networks of a language are trained on.

    Attributes:
        ids: uint16 [sentences, most words], filled up with END.
        lengths: words of each.
        words: ids and words.
        held_out: sentences that are kept apart.
    """

    ids: NDArray[np.uint16]
    lengths: NDArray[np.int64]
    words: Words
    held_out: tuple[Sentence, ...]

    @property
    def mean_tokens(self) -> float:
        """Words a sentence, and its end."""
        return float(self.lengths.mean()) + 1

    def batch(self, *, seed: int, step: int, rows: int) -> Tensor:
        """Ids int64 [rows, longest + 1] of one step: a function of the seed and the step."""
        random = np.random.default_rng((seed, step // POOL))
        pool = random.integers(len(self.ids), size=rows * POOL)
        pool = pool[np.argsort(self.lengths[pool], kind="stable")]
        place = int(random.permutation(POOL)[step % POOL])
        return self.rows(pool[place * rows : (place + 1) * rows])

    def rows(self, chosen: NDArray[np.int64]) -> Tensor:
        """Some sentences as int64 [n, longest + 1], each followed by END."""
        width = int(self.lengths[chosen].max()) if len(chosen) else 0
        ids = np.zeros((len(chosen), width + 1), np.int64)
        ids[:, :width] = self.ids[chosen, :width]
        return torch.from_numpy(ids)


def split_sentences(
    found: Iterable[Sentence], held_share: float
) -> tuple[list[Sentence], list[Sentence]]:
    """(training, held out, each of these once), by the digest of the words."""
    kept: list[Sentence] = []
    held: dict[Sentence, None] = {}
    for sentence in found:
        if is_held_out(sentence, held_share):
            held[sentence] = None
        else:
            kept.append(sentence)
    return kept, list(held)


def write_sentences(
    folder: Path, words: Sequence[str], kept: Sequence[Sentence], held: Sequence[Sentence]
) -> None:
    """Fill a work folder: the array, the held-out sentences, the words, the digests."""
    folder.mkdir(parents=True, exist_ok=True)
    ids = Words(words)
    most = max(map(len, kept))
    array = np.full((len(kept), most), END, np.uint16)
    for row, sentence in enumerate(kept):
        array[row, : len(sentence)] = ids.ids(sentence, most)
    np.save(folder / ARRAY, array)
    seen = np.array(sorted({digest_of(sentence) for sentence in kept}), np.uint64)
    np.save(folder / SEEN, seen)
    (folder / WORDS).write_text("".join(f"{word}\n" for word in words), "utf-8")
    (folder / HELD_OUT).write_text("".join(" ".join(s) + "\n" for s in held), "utf-8")


def read_sentences(folder: Path) -> Sentences:
    """What `write_sentences` wrote.

    Raises:
        InvalidParams: if the folder holds no prepared sentences.
    """
    try:
        ids: NDArray[np.uint16] = np.load(folder / ARRAY, allow_pickle=False)
        words = (folder / WORDS).read_text("utf-8").split()
        held = (folder / HELD_OUT).read_text("utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise InvalidParams(
            f"{folder} holds no prepared sentences: {error}.",
            "Run `python -m explorer.training toy` or `dialogue` first.",
        ) from error
    lengths = (ids != END).sum(1).astype(np.int64)
    return Sentences(ids, lengths, Words(words), tuple(tuple(line.split()) for line in held))


def prepare_toy(
    folder: Path, *, count: int, seed: int, held_share: float = 0.1, progress: Progress = quiet
) -> None:
    """Draw sentences of the toy language by the weights of its rules, and write them.

    Rules are followed by their weights, not sentences drawn alike: nearly all sentences are as
    long as can be, and of few kinds. Repeats stay, so that what is learned is the law.

    Args:
        folder: the work folder.
        count: sentences drawn.
        seed: of the draw.
        held_share: of the sentences.
        progress: told how far it is.
    """
    automaton = Automaton(toy_grammar(), Weighting.RULES)
    found = _told(samples(automaton, seed, count), count, progress)
    kept, held = split_sentences(found, held_share)
    assert max(map(len, kept)) <= MAX_WORDS
    write_sentences(folder, automaton.grammar.vocabulary, kept, held)


def _told(
    sentences: Iterable[Sentence], count: int, progress: Callable[[str, float | None], None]
) -> Iterable[Sentence]:
    for number, sentence in enumerate(sentences, 1):
        if number % 1000 == 0:
            progress("Drawing sentences", number / count)
        yield sentence
