"""Networks of the latent spaces small enough for tests: random weights, saved and loaded."""

from __future__ import annotations

from pathlib import Path

import torch

from explorer.latent.checkpoints import Config, Network, load_network, new_network, save_network
from explorer.latent.learned import LearnedSpace
from explorer.latent.nets import Shape, initialise
from explorer.latent.space import Words

VOCABULARY = tuple("abcdefghijk")


def saved(folder: Path, kind: str, dimensions: int = 2, seed: int = 0) -> Path:
    shape = Shape(
        kind=kind,
        vocab_size=len(VOCABULARY) + 1,
        max_words=6,
        dimensions=dimensions,
        embedding=16,
        hidden=24,
        heads=2,
    )
    net = new_network(shape)
    initialise(net, seed)
    with torch.no_grad():  # wider than at the start of a training, so that points differ
        for weight in net.parameters():
            weight.mul_(3.0)
    box = {"low": (-1.0,) * dimensions, "high": (1.0,) * dimensions}
    save_network(folder / kind, net, Config(language="toy", shape=shape, **box))
    return folder / kind


def loaded(folder: Path, kind: str, dimensions: int = 2, seed: int = 0) -> Network:
    return load_network(saved(folder, kind, dimensions, seed))[0]


def space_of(folder: Path, kind: str, dimensions: int = 2) -> LearnedSpace:
    return LearnedSpace(*load_network(saved(folder, kind, dimensions)), Words(VOCABULARY))
