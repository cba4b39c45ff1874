"""The training loop: next-token cross-entropy, resumable, the same twice on a CPU."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional

from explorer.core.progress import Progress, quiet
from explorer.training.config import Schedule
from explorer.training.schedule import rate_at
from explorer.training.windows import Mixture

SAVE_EVERY = 100

_MODEL = "model "

Forward = Callable[[Tensor], Tensor]
"""Token ids [windows, context] to logits [windows, context, vocab]."""


def next_token_loss(forward: Forward, batch: Tensor) -> Tensor:
    """Mean surprisal in nats of tokens 2 … n of each window [windows, n] given those before."""
    logits = forward(batch[:, :-1])
    return functional.cross_entropy(logits.float().flatten(0, 1), batch[:, 1:].flatten())


class Optimisers:
    """Muon for the weight matrices, AdamW for embeddings and norms.

    Source: Jordan et al., "Muon: An optimizer for hidden layers in neural networks", 2024; the
    implementation is torch's.
    """

    def __init__(self, model: nn.Module, schedule: Schedule) -> None:
        named = [(n, p) for n, p in model.named_parameters() if p.requires_grad]
        matrices = [p for n, p in named if p.ndim == 2 and "embed" not in n and "lm_head" not in n]
        chosen = {id(p) for p in matrices}
        others = [p for _, p in named if id(p) not in chosen]
        self._rates = (schedule.matrix_rate, schedule.vector_rate)
        self._all = (
            torch.optim.Muon(
                matrices,
                lr=schedule.matrix_rate,
                momentum=0.95,
                nesterov=True,
                weight_decay=schedule.weight_decay,
            ),
            torch.optim.AdamW(others, lr=schedule.vector_rate, betas=(0.9, 0.95), weight_decay=0.0),
        )

    def step(self, share: float) -> None:
        """One step at a share of the full rates; gradients are cleared."""
        for optimiser, rate in zip(self._all, self._rates, strict=True):
            for group in optimiser.param_groups:
                group["lr"] = rate * share
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)

    def state(self) -> dict[str, Tensor]:
        """All tensors of all optimisers, by "number/parameter/name"."""
        return {
            f"{i}/{parameter}/{name}": torch.as_tensor(value)
            for i, optimiser in enumerate(self._all)
            for parameter, state in optimiser.state_dict()["state"].items()
            for name, value in state.items()
        }

    def load(self, saved: Mapping[str, Tensor]) -> None:
        """Take up what `state` gave; rates and the like stay those of the plan."""
        for i, optimiser in enumerate(self._all):
            state: dict[int, dict[str, Tensor]] = {}
            for key, value in saved.items():
                number, parameter, name = key.split("/")
                if int(number) == i:
                    state.setdefault(int(parameter), {})[name] = value
            groups = optimiser.state_dict()["param_groups"]
            optimiser.load_state_dict({"state": state, "param_groups": groups})


class Training:
    """A run that can be stopped and taken up again at any hundredth step.

    Args:
        model: trained in place.
        forward: ids to logits of that model.
        mixture: what is read.
        schedule: how.
        seed: of the windows.
        folder: where the checkpoint and the curve are kept.
    """

    def __init__(
        self,
        model: nn.Module,
        forward: Forward,
        mixture: Mixture,
        schedule: Schedule,
        *,
        seed: int,
        folder: Path,
    ) -> None:
        self.model, self._forward, self._mixture = model, forward, mixture
        self._schedule, self._seed, self._folder = schedule, seed, folder
        self._optimisers = Optimisers(model, schedule)
        self.step = 0
        if self.checkpoint.exists():
            self._take_up()

    @property
    def checkpoint(self) -> Path:
        """Model, optimisers and step; of this machine, not shipped."""
        return self._folder / "checkpoint.safetensors"

    @property
    def curve(self) -> Path:
        """One JSON line every ten steps: step, loss (nats a token), tokens a second."""
        return self._folder / "curve.jsonl"

    def run(self, progress: Progress = quiet) -> None:
        """Go on to the last step."""
        self.step_until(self._schedule.steps, progress)

    def step_until(self, last: int, progress: Progress = quiet) -> None:
        """Go on to a step and keep a checkpoint there."""
        schedule = self._schedule
        self.model.train()
        losses: list[float] = []
        started = time.perf_counter()
        while self.step < last:
            losses.append(self._one_step())
            self.step += 1
            if self.step % 10 == 0 or self.step == last:
                tokens = len(losses) * schedule.windows * schedule.context
                self._note(sum(losses) / len(losses), tokens / (time.perf_counter() - started))
                losses, started = [], time.perf_counter()
                progress("Training", self.step / schedule.steps)
            if self.step % SAVE_EVERY == 0 or self.step == last:
                self._save()

    def _one_step(self) -> float:
        schedule = self._schedule
        batch = self._mixture.batch(
            seed=self._seed, step=self.step, windows=schedule.windows, context=schedule.context
        )
        device = next(self.model.parameters()).device
        loss = next_token_loss(self._forward, batch.to(device))
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self._optimisers.step(
            rate_at(self.step, steps=schedule.steps, warmup=schedule.warmup, decay=schedule.decay)
        )
        return float(loss.detach())

    def _note(self, loss: float, rate: float) -> None:
        line = {"step": self.step, "loss": round(loss, 4), "tokens_per_s": round(rate)}
        with self.curve.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")

    def _take_up(self) -> None:
        saved = load_file(self.checkpoint)
        self.step = int(saved.pop("step"))
        model = {k.removeprefix(_MODEL): v for k, v in saved.items() if k.startswith(_MODEL)}
        self.model.load_state_dict(model, strict=False)  # tied weights are stored once
        self._optimisers.load({k: v for k, v in saved.items() if not k.startswith(_MODEL)})

    def _save(self) -> None:
        """Whole or not at all: written beside and moved into place."""
        draft = self.checkpoint.with_suffix(".new")
        parameters = {_MODEL + n: p.detach() for n, p in self.model.named_parameters()}
        state = {**parameters, **self._optimisers.state(), "step": torch.tensor(self.step)}
        save_file({name: tensor.contiguous() for name, tensor in state.items()}, draft)
        draft.replace(self.checkpoint)
