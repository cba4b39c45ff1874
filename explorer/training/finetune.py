"""Fine-tuning a copy: the model that is given stays as it is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from explorer.core.deferred import torch, transformers
from explorer.core.errors import InvalidParams
from explorer.core.models import HFModel

if TYPE_CHECKING:
    from torch import Tensor, nn
    from transformers import PreTrainedModel

_IGNORED = -100


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a copy is trained: Adam at a constant rate on whole texts.

    Attributes:
        epochs: passes over all texts.
        learning_rate: of Adam.
        batch: texts a step.
        weight_decay: decoupled; 0 for none.
        clip: largest norm of a step's gradient.
    """

    epochs: int
    learning_rate: float
    batch: int = 8
    weight_decay: float = 0.0
    clip: float = 1.0


@dataclass(frozen=True, slots=True)
class Step:
    """One step of training.

    Attributes:
        number: from 1.
        of: how many there will be.
        loss: mean surprisal of the step's tokens before it, nats.
    """

    number: int
    of: int
    loss: float


def trainable_copy(handle: object) -> PreTrainedModel:
    """A copy of a model's weights in float32 that can be trained.

    Layers that were laid out for inference are laid out as usual again.

    Raises:
        InvalidParams: for a model that is none of transformers'.
    """
    if not isinstance(handle, HFModel):
        raise InvalidParams(
            "This model cannot be trained.", "Choose tiny or another one with weights of its own."
        )
    source = handle.model
    with torch.random.fork_rng(devices=[]):  # transformers draws weights, which are overwritten
        made: Any = type(source)(source.config)
    made = made.float()
    with torch.no_grad():
        for name, parameter in made.named_parameters():
            parameter.copy_(_weight(source, name))
    made.to(source.device)
    assert isinstance(made, transformers.PreTrainedModel)
    return made


def _weight(source: nn.Module, name: str) -> Tensor:
    path, _, last = name.rpartition(".")
    value: Tensor = getattr(source.get_submodule(path), last)
    return value.detach().float()


def tune(
    model: PreTrainedModel,
    texts: Sequence[Sequence[int]],
    recipe: Recipe,
    seed: int,
    begins: Sequence[int] | None = None,
) -> Iterator[Step]:
    """Train a model in place, a step an item; whoever stops asking stops the training.

    Args:
        model: from `trainable_copy`.
        texts: ids; the first of each is only read. At least one text of two tokens.
        recipe: how.
        seed: order of the texts, drawn anew in every epoch.
        begins: one a text: the place of the first token that is learnt, those before are only
            read; None learns all but the first of each.

    Raises:
        InvalidParams: for no text to learn from.
    """
    firsts = [1] * len(texts) if begins is None else [max(1, begin) for begin in begins]
    rows = [
        (list(text), first) for text, first in zip(texts, firsts, strict=True) if len(text) > first
    ]
    if not rows:
        raise InvalidParams("There is no text to learn from.", "Give one of two tokens at least.")
    optimiser = torch.optim.AdamW(
        model.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay
    )
    steps = -(-len(rows) // recipe.batch)
    draw = torch.Generator().manual_seed(seed)
    model.train()
    for epoch in range(recipe.epochs):
        order = torch.randperm(len(rows), generator=draw).tolist()
        for k in range(steps):
            group = [rows[i] for i in order[k * recipe.batch :][: recipe.batch]]
            loss = mean_loss(model, [row for row, _ in group], [first for _, first in group])
            optimiser.zero_grad(set_to_none=True)
            torch.autograd.backward(loss)
            torch.nn.utils.clip_grad_norm_(model.parameters(), recipe.clip)
            optimiser.step()
            yield Step(epoch * steps + k + 1, recipe.epochs * steps, float(loss.detach()))
    model.train(False)


def mean_loss(
    model: PreTrainedModel, rows: Sequence[Sequence[int]], begins: Sequence[int] | None = None
) -> Tensor:
    """Mean surprisal, nats, of all tokens of some texts but their first ones.

    Args:
        model: whose.
        rows: ids; at least one text.
        begins: one a text, at least 1: the place of the first token that counts.
    """
    longest = max(map(len, rows))
    filled = [[*row, *[0] * (longest - len(row))] for row in rows]
    targets = [
        [*[_IGNORED] * (first - 1), *row[first:], *[_IGNORED] * (longest - len(row))]
        for row, first in zip(rows, begins or [1] * len(rows), strict=True)
    ]
    # What is filled up stands at the right, where no token before it can see it.
    logits = model(input_ids=torch.tensor(filled, device=model.device)).logits[:, :-1]
    wanted = torch.tensor(targets, device=logits.device)
    return torch.nn.functional.cross_entropy(
        logits.float().flatten(0, 1), wanted.flatten(), ignore_index=_IGNORED
    )
