"""A sample as traces: what every word of a point's sentence was chosen from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import numpy as np

from explorer.core.deferred import torch
from explorer.core.distribution import one_hot
from explorer.core.measure import Place, measure_block, measure_choices
from explorer.core.types import ModelInfo, Noise, NoteValue, Prompt, StopReason, TokenStep, Trace
from explorer.decoders.spec import parse
from explorer.latent.language import LANGUAGES
from explorer.latent.law import Law
from explorer.latent.learned import LearnedSpace
from explorer.latent.model_space import Voice
from explorer.latent.planes import Floats
from explorer.latent.space import ArielSpace, Reading, Words
from explorer.services.generation import library_versions
from explorer.services.latent.samples import Sample
from explorer.services.latent.tongues import MARK, TONGUES
from explorer.services.latent.worlds import Ref, open_space

if TYPE_CHECKING:
    from torch import Tensor

WordsSpace = ArielSpace[Any] | LearnedSpace
TOP = 10
MOST_LOGITS = 200_000
"""Readings whose laws are held at once, times the words of the language."""
END = 0


def sample_traces(sample: Sample) -> Iterator[Trace]:
    """One trace a decoded point, in order; a few hundred laws are held at a time.

    The model is the space: `latent/LANGUAGE/NAME-DIMENSIONS`. AriEL's decoder is `latent_point`
    at the point, an autoencoder's is `greedy`, whose law the point decides; the coordinates
    stand in the notes of the first token as z1, z2, …. The end of a sentence is a token, too.
    Of a language model's sample the prompt stands in front.
    """
    space = _words_space(sample.ref)
    spoken = _spoken(sample.ref)
    info, digest = _model_of(sample.ref)
    versions = library_versions()
    size = max(1, MOST_LOGITS // len(space.words))
    for first in range(0, len(sample.readings), size):
        readings = sample.readings[first : first + size]
        points = sample.points[first : first + len(readings)]
        for number, (point, reading, logits) in enumerate(
            zip(points, readings, _laws(space, spoken, points, readings), strict=True), first
        ):
            ids = [*space.words.ids(reading.words, 1000)] if reading.words else []
            ids += [spoken.end] * reading.ended
            yield Trace(
                lane=0,
                model=info,
                tokenizer_digest=digest,
                versions=versions,
                prompt=spoken.prompt,
                decoder=_decoder(space, point),
                seed=sample.seed,
                noise=Noise(f"point {number}"),
                batch_rows=1,
                stop_reason=StopReason.EOS if reading.ended else StopReason.MAX_NEW_TOKENS,
                text=spoken.joined(reading.words),
                steps=_steps(ids, logits, point, is_greedy=not isinstance(space, ArielSpace)),
                pieces=spoken.pieces(ids),
                loops=(),
                timing={},
                special=(spoken.end,) if reading.ended else (),
            )


def _words_space(ref: Ref) -> WordsSpace:
    space = open_space(ref)
    assert isinstance(space, (ArielSpace, LearnedSpace)), "all spaces of the page hold words"
    return space


@dataclass(frozen=True)
class _Spoken:
    """How the sentences of a language are written.

    Attributes:
        words: names by id.
        end: the token that ends a sentence.
        prompt: what stands in front.
        voice: the model that speaks; None for the project's own languages.
    """

    words: Words
    end: int
    prompt: Prompt
    voice: Voice | None

    def joined(self, words: Sequence[str]) -> str:
        """The text of a sentence: the pieces of its words."""
        if self.voice is None:
            return "".join(f" {word}" for word in words)
        return self.voice.words.join(words)

    def pieces(self, ids: Sequence[int]) -> dict[int, str]:
        """The text of each token."""
        ones = {i: self.words.words([i]) for i in dict.fromkeys(ids)}
        return {i: "" if i == self.end else self.joined(one) for i, one in ones.items()}


def _spoken(ref: Ref) -> _Spoken:
    words = _words_space(ref).words
    if ref.language in LANGUAGES:
        return _Spoken(words, END, Prompt("", (), "none"), None)
    voice = TONGUES.voice(ref.language)
    prompt = Prompt(voice.prompt, voice.prompt_ids, "raw" if voice.prompt_ids else "none")
    return _Spoken(words, voice.laws.end_id, prompt, voice)


def _laws(
    space: WordsSpace, spoken: _Spoken, points: Floats, readings: Sequence[Reading]
) -> list[Tensor]:
    """Logits [words, and the end where it came; vocab] of every reading."""
    if spoken.voice is not None:
        laws, words = spoken.voice.laws, spoken.words
        rows = [words.ids(r.words, 1000) if r.words else () for r in readings]
        return [laws.read(ids, ended=r.ended) for ids, r in zip(rows, readings, strict=True)]
    if isinstance(space, LearnedSpace):
        return space.laws_at(points, readings)
    return [_ariel_laws(space, reading) for reading in readings]


def _ariel_laws(space: ArielSpace[Any], reading: Reading) -> Tensor:
    place, rows = space.ariel.laws.start, []
    ids = space.words.ids(reading.words, 1000) if reading.words else ()
    for number in range(len(ids) + reading.ended):
        rows.append(_dense(space.ariel.laws.laws([place])[0], len(space.words)))
        if number < len(ids):
            place = space.ariel.laws.after(place, ids[number])
    return torch.from_numpy(np.stack(rows)) if rows else torch.empty((0, len(space.words)))


def _dense(law: Law, size: int) -> Floats:
    """Log-probabilities of all tokens, -inf for those that the law leaves out. [vocab]."""
    edges = np.array([int(number) / law.total for number in law.cumulative])
    found = np.full(size, -np.inf)
    found[law.ids] = np.log(np.diff(edges))
    return found


def _steps(
    ids: Sequence[int], logits: Tensor, point: Floats, *, is_greedy: bool
) -> tuple[TokenStep, ...]:
    if not ids:
        return ()
    block = measure_block(logits, TOP)
    sampling = one_hot(block.logprobs, torch.tensor(ids)) if is_greedy else block.logprobs
    chosen = measure_choices(block, range(len(ids)), ids, sampling)
    coordinates: dict[str, NoteValue] = {f"z{k + 1}": float(z) for k, z in enumerate(point)}
    return tuple(
        measures.step(Place(0, 0, 0, index, token_id, notes={} if index else coordinates))
        for index, (token_id, measures) in enumerate(zip(ids, chosen, strict=True))
    )


def _decoder(space: WordsSpace, point: Floats) -> str:
    """AriEL reads its point; the greedy choice of an autoencoder has it in its law."""
    if not isinstance(space, ArielSpace):
        return "greedy"
    exact = " ".join(f"{n}/{d}" for n, d in (float(z).as_integer_ratio() for z in point))
    return parse(f'latent_point:point="{exact}"').canonical


@lru_cache(maxsize=64)
def _model_of(ref: Ref) -> tuple[ModelInfo, str]:
    """The space as a model, and the digest of its words."""
    space = _words_space(ref)
    words = sha256("\n".join(space.words.by_id).encode()).hexdigest()
    name = f"latent/{ref.language.partition(MARK)[0]}/{ref.space}-{ref.dimensions}"
    if ref.order != "alphabet":
        name += f"-{ref.order}"
    return (
        ModelInfo(
            id=name,
            revision="",
            digest="",
            dtype="float64",
            device="cpu",
            vocab_size=len(space.words),
            context_length=0,
            source="this project's own files",
        ),
        f"sha256:{words}",
    )
