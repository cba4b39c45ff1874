"""The training loop: next-token cross-entropy, resumable, the same twice on a CPU."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional

from explorer.core.progress import Progress, quiet
from explorer.training.config import Pace, Schedule
from explorer.training.schedule import rate_at
from explorer.training.windows import Mixture

SAVE_EVERY = 100

_MODEL = "model "

Forward = Callable[[Tensor], Tensor]
"""Token ids [windows, context] to logits [windows, context, vocab]."""


class Objective(Protocol):
    """What is made small."""

    def __call__(self, step: int) -> tuple[Tensor, Mapping[str, Tensor]]:
        """The loss at a step, and figures for the curve ("loss" among them), all scalars.

        A function of the step and the weights alone, so that a run can be taken up again.
        """


def next_token_loss(forward: Forward, batch: Tensor) -> Tensor:
    """Mean surprisal in nats of tokens 2 … n of each window [windows, n] given those before."""
    logits = forward(batch[:, :-1])
    targets = batch[:, 1:].to(logits.device)
    return functional.cross_entropy(logits.float().flatten(0, 1), targets.flatten())


def next_tokens(forward: Forward, mixture: Mixture, schedule: Schedule, seed: int) -> Objective:
    """The mean surprisal of the next token on the windows of each step.

    Args:
        forward: ids to logits of the model.
        mixture: what is read.
        schedule: how many windows of which length.
        seed: of the windows.
    """
    windows, context = schedule.windows, schedule.context

    def objective(step: int) -> tuple[Tensor, Mapping[str, Tensor]]:
        batch = mixture.batch(seed=seed, step=step, windows=windows, context=context)
        loss = next_token_loss(forward, batch)
        return loss, {"loss": loss}

    return objective


class Optimisers:
    """Muon for the weight matrices, AdamW for embeddings and norms.

    Source: Jordan et al., "Muon: An optimizer for hidden layers in neural networks", 2024; the
    implementation is torch's.
    """

    def __init__(self, model: nn.Module, pace: Pace) -> None:
        named = [(n, p) for n, p in model.named_parameters() if p.requires_grad]
        matrices = [p for n, p in named if p.ndim == 2 and "embed" not in n and "lm_head" not in n]
        chosen = {id(p) for p in matrices}
        others = [p for _, p in named if id(p) not in chosen]
        self._rates = (pace.matrix_rate, pace.vector_rate)
        self._all = (
            torch.optim.Muon(
                matrices,
                lr=pace.matrix_rate,
                momentum=0.95,
                nesterov=True,
                weight_decay=pace.weight_decay,
            ),
            torch.optim.AdamW(others, lr=pace.vector_rate, betas=(0.9, 0.95), weight_decay=0.0),
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
        objective: what is made small.
        pace: how long, how fast.
        folder: where the checkpoint and the curve are kept.
        tokens: read a step, for the curve.
    """

    def __init__(
        self,
        model: nn.Module,
        objective: Objective,
        pace: Pace,
        *,
        folder: Path,
        tokens: int,
    ) -> None:
        self.model, self._objective, self._pace = model, objective, pace
        self._folder, self._tokens = folder, tokens
        self._optimisers = Optimisers(model, pace)
        self.step = 0
        if self.checkpoint.exists():
            self._take_up()

    @property
    def checkpoint(self) -> Path:
        """Model, optimisers and step; of this machine, not shipped."""
        return self._folder / "checkpoint.safetensors"

    @property
    def curve(self) -> Path:
        """One JSON line every ten steps: step, loss and what else there is, tokens a second."""
        return self._folder / "curve.jsonl"

    def run(self, progress: Progress = quiet) -> None:
        """Go on to the last step."""
        self.step_until(self._pace.steps, progress)

    def step_until(self, last: int, progress: Progress = quiet) -> None:
        """Go on to a step and keep a checkpoint there."""
        self.model.train()
        figures: list[dict[str, float]] = []
        started = time.perf_counter()
        while self.step < last:
            figures.append(self._one_step())
            self.step += 1
            if self.step % 10 == 0 or self.step == last:
                seconds = time.perf_counter() - started
                self._note(figures, len(figures) * self._tokens / seconds)
                figures, started = [], time.perf_counter()
                progress("Training", self.step / self._pace.steps)
            if self.step % SAVE_EVERY == 0 or self.step == last:
                self._save()

    def _one_step(self) -> dict[str, float]:
        pace = self._pace
        loss, figures = self._objective(self.step)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self._optimisers.step(
            rate_at(self.step, steps=pace.steps, warmup=pace.warmup, decay=pace.decay)
        )
        return {name: float(value.detach()) for name, value in figures.items()}

    def _note(self, figures: list[dict[str, float]], rate: float) -> None:
        means = {name: sum(f[name] for f in figures) / len(figures) for name in figures[0]}
        line = {"step": self.step, **{name: round(mean, 4) for name, mean in means.items()}}
        with self.curve.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line | {"tokens_per_s": round(rate)}) + "\n")

    def _take_up(self) -> None:
        saved = load_file(self.checkpoint)
        self.step = int(saved.pop("step"))
        model = {k.removeprefix(_MODEL): v for k, v in saved.items() if k.startswith(_MODEL)}
        self.model.load_state_dict(model, strict=False)  # tied weights are stored once
        self._optimisers.load({k: v for k, v in saved.items() if not k.startswith(_MODEL)})
        self._cut_curve()

    def _cut_curve(self) -> None:
        """Leave out what was run behind the checkpoint, which is run again."""
        if self.curve.exists():
            lines = self.curve.read_text("utf-8").splitlines(keepends=True)
            kept = [line for line in lines if (step := _step_of(line)) and step <= self.step]
            self.curve.write_text("".join(kept), "utf-8")

    def _save(self) -> None:
        """Whole or not at all: written beside and moved into place."""
        draft = self.checkpoint.with_suffix(".new")
        parameters = {_MODEL + n: p.detach() for n, p in self.model.named_parameters()}
        state = {**parameters, **self._optimisers.state(), "step": torch.tensor(self.step)}
        save_file({name: tensor.contiguous() for name, tensor in state.items()}, draft)
        draft.replace(self.checkpoint)


def _step_of(line: str) -> int:
    """The step of a line of the curve; 0 for one that was not written to its end."""
    try:
        return int(json.loads(line)["step"])
    except ValueError:
        return 0
