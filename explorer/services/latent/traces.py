"""A sample as traces: what every word of a point's sentence was chosen from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from hashlib import sha256
from typing import Any

import numpy as np
import torch
from torch import Tensor

from explorer.core.distribution import one_hot
from explorer.core.measure import Place, measure_block, measure_choices
from explorer.core.types import ModelInfo, Noise, NoteValue, Prompt, StopReason, TokenStep, Trace
from explorer.decoders.spec import parse
from explorer.latent.law import Law
from explorer.latent.learned import LearnedSpace
from explorer.latent.planes import Floats
from explorer.latent.space import ArielSpace, Reading
from explorer.services.generation import library_versions
from explorer.services.latent.samples import Sample
from explorer.services.latent.worlds import Ref, open_space

WordsSpace = ArielSpace[Any] | LearnedSpace
TOP = 10
BLOCK = 128
END = 0


def sample_traces(sample: Sample) -> Iterator[Trace]:
    """One trace a decoded point, in order; a few hundred laws are held at a time.

    The model is the space: `latent/LANGUAGE/NAME-DIMENSIONS`. AriEL's decoder is `latent_point`
    at the point, an autoencoder's is `greedy`, whose law the point decides; the coordinates
    stand in the notes of the first token as z1, z2, …. The end of a sentence is a token, too.
    """
    space = _words_space(sample.ref)
    info, digest = _model_of(sample.ref)
    versions = library_versions()
    for first in range(0, len(sample.readings), BLOCK):
        readings = sample.readings[first : first + BLOCK]
        points = sample.points[first : first + len(readings)]
        for number, (point, reading, logits) in enumerate(
            zip(points, readings, _laws(space, points, readings), strict=True), first
        ):
            ids = [*space.words.ids(reading.words, 1000)] if reading.words else []
            ids += [END] * reading.ended
            words = space.words.by_id
            yield Trace(
                lane=0,
                model=info,
                tokenizer_digest=digest,
                versions=versions,
                prompt=Prompt("", (), "none"),
                decoder=_decoder(space, point),
                seed=sample.seed,
                noise=Noise(f"point {number}"),
                batch_rows=1,
                stop_reason=StopReason.EOS if reading.ended else StopReason.MAX_NEW_TOKENS,
                text="".join(f" {word}" for word in reading.words),
                steps=_steps(ids, logits, point, is_greedy=not isinstance(space, ArielSpace)),
                pieces={i: f" {words[i]}" if i != END else "" for i in dict.fromkeys(ids)},
                loops=(),
                timing={},
                special=(END,) if reading.ended else (),
            )


def _words_space(ref: Ref) -> WordsSpace:
    space = open_space(ref)
    assert isinstance(space, (ArielSpace, LearnedSpace)), "all spaces of the page hold words"
    return space


def _laws(space: WordsSpace, points: Floats, readings: Sequence[Reading]) -> list[Tensor]:
    """Logits [words, and the end where it came; vocab] of every reading."""
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
    name = f"latent/{ref.language}/{ref.space}-{ref.dimensions}"
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
