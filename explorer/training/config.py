"""The plain file a training is described by."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from explorer.core.errors import InvalidParams


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class TextSource(_Section):
    """One text file of the corpus.

    Attributes:
        name: in tables and figures.
        path: below the data folder; `.gz` is unpacked.
        layout: how documents are told apart: "marks" (a line `<|endoftext|>`), "json" (a list
            of strings or of objects with a text), "runs" (paragraphs have a blank line between
            them, documents have none).
        weight: share of the training windows, relative to the others.
        held_out: one document in this many is kept for measuring; 0 keeps none.
        measure_as: held-out documents of all sources with the same word are measured together.
    """

    name: str
    path: str
    layout: str = Field(default="marks", pattern="^(marks|json|runs)$")
    weight: float = Field(default=1.0, ge=0)
    held_out: int = Field(default=0, ge=0)
    measure_as: str = ""


class ModelShape(_Section):
    """A Llama without surprises: tied embeddings, no biases."""

    vocab_size: int = Field(default=4096, ge=300, le=65_000)
    hidden_size: int = Field(default=256, ge=16)
    intermediate_size: int = Field(default=768, ge=16)
    num_hidden_layers: int = Field(default=6, ge=1)
    num_attention_heads: int = Field(default=8, ge=1)
    num_key_value_heads: int = Field(default=4, ge=1)
    max_position_embeddings: int = Field(default=512, ge=16)
    rope_theta: float = Field(default=10_000.0, gt=1)


class Pace(_Section):
    """How long, how fast.

    Attributes:
        steps: optimiser steps.
        warmup: steps in which the rate climbs from zero.
        decay: share of the steps, at the end, in which it falls to zero.
        matrix_rate: learning rate of the weight matrices (Muon).
        vector_rate: learning rate of embeddings and norms (AdamW).
        weight_decay: of the matrices.
    """

    steps: int = Field(ge=1)
    warmup: int = Field(default=50, ge=0)
    decay: float = Field(default=0.3, ge=0, le=1)
    matrix_rate: float = Field(default=0.02, gt=0)
    vector_rate: float = Field(default=0.003, gt=0)
    weight_decay: float = Field(default=0.05, ge=0)


class Schedule(Pace):
    """The pace, and what is read at a step.

    Attributes:
        windows: sequences a step.
        context: tokens a sequence.
    """

    windows: int = Field(default=16, ge=1)
    context: int = Field(default=512, ge=8)


class TrainingPlan(_Section):
    """All that decides what comes out.

    Attributes:
        name: of the model.
        seed: of weights and windows.
        text: the corpus.
        model: the shape.
        schedule: the loop.
    """

    name: str
    seed: int = 0
    text: tuple[TextSource, ...]
    model: ModelShape = ModelShape()
    schedule: Schedule


def read_plan(path: Path) -> TrainingPlan:
    """Read the plan of a language model such as `tiny`.

    Raises:
        InvalidParams: naming the file, the entry and what is wrong with it.
    """
    return read_section(path, TrainingPlan)


Section = TypeVar("Section", bound=BaseModel)


def read_section(path: Path, kind: type[Section]) -> Section:
    """Read a plan of any kind.

    Raises:
        InvalidParams: naming the file, the entry and what is wrong with it.
    """
    try:
        return kind.model_validate(tomllib.loads(path.read_text("utf-8")))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InvalidParams(f"{path} cannot be read as a training plan: {error}.") from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise InvalidParams(f"{path}: {place}: {first['msg']}.") from error
