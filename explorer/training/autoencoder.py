"""Training the networks of the latent spaces: plan, objective, export."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from explorer.core.progress import Progress, quiet
from explorer.latent.checkpoints import (
    Config,
    Network,
    load_network,
    new_network,
    save_network,
)
from explorer.latent.language import SEEN, WORDS
from explorer.latent.nets import Shape, initialise
from explorer.latent.word_lm import WordModel
from explorer.training.config import Pace, read_section
from explorer.training.loop import Objective, Training
from explorer.training.sentences import Sentences, read_sentences


class Batches(Pace):
    """The pace, and what is read at a step.

    Attributes:
        rows: sentences a step.
    """

    rows: int = Field(default=256, ge=1)


class Variation(BaseModel):
    """What only the variational network has: see `latent.vae`."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    free_nats: float = Field(default=8.0, ge=0)
    anneal: float = Field(default=0.4, ge=0, le=1)
    hidden_words: float = Field(default=0.25, ge=0, lt=1)


class SentencePlan(BaseModel):
    """All that decides what comes out.

    Attributes:
        language: "toy" or "dialogue".
        kind: of network.
        dimensions: of the code; 0 for a language model.
        max_words: longest sentence.
        seed: of weights, batches and draws.
        embedding: see `latent.nets.Shape`.
        hidden: the same.
        layers: the same.
        heads: the same.
        variation: for a variational network.
        schedule: the loop.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    language: str = Field(pattern="^(toy|dialogue)$")
    kind: str
    dimensions: int = Field(default=0, ge=0, le=1024)
    max_words: int = Field(default=20, ge=1, le=500)
    seed: int = Field(default=0, ge=0)
    embedding: int = 128
    hidden: int = 256
    layers: int = 2
    heads: int = 4
    variation: Variation = Variation()
    schedule: Batches

    @property
    def name(self) -> str:
        """Of the folder: kind and dimensions."""
        return f"{self.kind}-{self.dimensions}" if self.dimensions else self.kind

    def shape(self, sentences: Sentences) -> Shape:
        """The network's shape for a language of sentences."""
        return Shape(
            kind=self.kind,
            vocab_size=len(sentences.words),
            max_words=self.max_words,
            dimensions=self.dimensions,
            embedding=self.embedding,
            hidden=self.hidden,
            layers=self.layers,
            heads=self.heads,
        )


def objective_of(net: Network, sentences: Sentences, plan: SentencePlan) -> Objective:
    """The network's own loss on the batch of each step, in nats a word.

    Draws (codes, hidden words) are functions of the seed and the step, as batches are.
    """
    schedule = plan.schedule

    def objective(step: int) -> tuple[Tensor, Mapping[str, Tensor]]:
        ids = sentences.batch(seed=plan.seed, step=step, rows=schedule.rows)
        random = torch.Generator().manual_seed(plan.seed * 1_000_003 + step)
        loss, figures = net.loss(ids, step / schedule.steps, random)
        return loss / sentences.mean_tokens, {"loss": loss, **figures}

    return objective


def training_of(plan: SentencePlan, work: Path) -> tuple[Training, Sentences]:
    """A training in its own folder below the work folder, taken up where it stopped.

    Raises:
        InvalidParams: if the work folder holds no prepared sentences.
    """
    sentences = read_sentences(work)
    options = plan.variation.model_dump() if plan.kind == "vae" else None
    net = new_network(plan.shape(sentences), options)
    initialise(net, plan.seed)
    folder = work / plan.name
    folder.mkdir(exist_ok=True)
    tokens = round(plan.schedule.rows * sentences.mean_tokens)
    objective = objective_of(net, sentences, plan)
    return Training(net, objective, plan.schedule, folder=folder, tokens=tokens), sentences


def train(path: Path, work: Path, out: Path | None, progress: Progress = quiet) -> str:
    """Train by a plan to its last step, and write the model folder if one is named.

    Args:
        path: of the plan.
        work: the folder of prepared sentences.
        out: the folder of a language's models; the model gets a folder in it.
        progress: told how far it is.

    Returns:
        What was done, in one line.
    """
    plan = read_section(path, SentencePlan)
    training, sentences = training_of(plan, work)
    training.run(progress)
    if out is not None:
        folder = out / plan.name
        _export(training, sentences, plan, folder, work / plan.name / "draft")
        (folder / "training.toml").write_bytes(path.read_bytes())
        shutil.copyfile(training.curve, folder / "curve.jsonl")
        shutil.copyfile(work / SEEN, out / SEEN)
        if plan.language != "toy":
            shutil.copyfile(work / WORDS, out / WORDS)
    return f"{plan.language} {plan.name}: {training.step} steps"


def _export(
    training: Training, sentences: Sentences, plan: SentencePlan, folder: Path, draft: Path
) -> None:
    """Write a model folder, whole: its box is measured on a draft beside the checkpoint."""
    config = Config(
        language=plan.language,
        shape=plan.shape(sentences),
        low=(0.0,) * plan.dimensions,
        high=(0.0,) * plan.dimensions,
        steps=training.step,
    )
    if plan.dimensions:
        save_network(draft, training.model, config)
        net, _ = load_network(draft)  # the codes of the weights as they are shipped
        low, high = code_box(net, sentences)
        box = {"low": tuple(low.tolist()), "high": tuple(high.tolist())}
        config = config.model_copy(update=box)
    save_network(folder, training.model, config)


def code_box(
    net: Network, sentences: Sentences, block: int = 1024
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Least and greatest code of the training sentences, each [dimensions]."""
    assert not isinstance(net, WordModel)
    order = np.argsort(sentences.lengths, kind="stable")
    lows, highs = [], []
    with torch.no_grad():
        for first in range(0, len(order), block):
            codes = net.codes(sentences.rows(order[first : first + block]))
            lows.append(codes.amin(0))
            highs.append(codes.amax(0))
    return torch.stack(lows).amin(0).numpy(), torch.stack(highs).amax(0).numpy()
