"""Sequential Monte Carlo: particles that are weighed, and copied or dropped by their weight."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from jaxtyping import Float

from explorer.core.decoder import Decoder, Leaf, Move, Processor, StepView, Verdict
from explorer.core.deferred import torch
from explorer.core.distribution import inverse_cdf
from explorer.core.noise import derived

if TYPE_CHECKING:
    from torch import Tensor

Place = tuple[int, int]


def effective_size(log_weights: Sequence[float]) -> float:
    """1 / sum of the squared normalised weights: how many particles the weights are worth.

    >>> round(effective_size([math.log(w) for w in (0.1, 0.4, 0.3, 0.2)]), 4)
    3.3333
    """
    weights = normalised(log_weights)
    return 1 / sum(w * w for w in weights)


def normalised(log_weights: Sequence[float]) -> list[float]:
    """Weights that sum to one."""
    highest = max(log_weights)
    weights = [math.exp(w - highest) for w in log_weights]
    total = sum(weights)
    return [w / total for w in weights]


def systematic(weights: Sequence[float], u: float) -> list[int]:
    """Indices of a systematic resampling: positions (u + k) / K on the cumulative weights.

    >>> systematic([0.1, 0.4, 0.3, 0.2], 0.5)
    [1, 1, 2, 3]
    """
    indices, cumulative, i = [], weights[0], 0
    for k in range(len(weights)):
        position = (u + k) / len(weights)
        while cumulative <= position and i < len(weights) - 1:
            i += 1
            cumulative += weights[i]
        indices.append(i)
    return indices


def log_mean(log_values: Sequence[float]) -> float:
    """Log of the mean of exp of the values."""
    highest = max(log_values)
    return highest + math.log(sum(math.exp(v - highest) for v in log_values) / len(log_values))


@dataclass(slots=True)
class _Particle:
    """One of the population: its row in the view while it lives, its log-weight, its end."""

    row: int | None
    log_weight: float = 0.0
    place: Place = (-1, 0)


class ParticleDecoder(Decoder):
    """What samplers of a law over whole texts share.

    At each step every living particle is weighed by the normaliser of its proposal, which
    depends on its prefix alone; then, where the effective size has fallen below `threshold`
    times the particles, the population is resampled; then each draws its token. Finished
    particles keep their weight and take part in the resampling, so a text that ended early is
    not lost. There is no resampling for the last token: the particles leave with their weights.

    The log-evidence is the log of the normaliser of the target, estimated without bias (of its
    exponential) by the product of mean weights between resamplings.

    Args:
        particles: how many.
        threshold: share of the particles; 0 never resamples.
        processors: change p before anything else.
    """

    def __init__(
        self, particles: int, threshold: float, processors: Sequence[Processor] = ()
    ) -> None:
        self.width = particles
        self._threshold = threshold
        self._processors = tuple(processors)
        self._population = [_Particle(0) for _ in range(particles)]
        self._log_evidence = 0.0
        self._drawn = 0.5

    @abstractmethod
    def target(self, view: StepView) -> Float[Tensor, "rows vocab"]:
        """Unnormalised log of the proposal of each row; its normaliser is the weight."""

    @property
    def log_evidence(self) -> float:
        """Estimate of the log of the target's normaliser, of all steps so far."""
        return self._log_evidence + log_mean([p.log_weight for p in self._population])

    def advance(self, view: StepView) -> Move:
        """Choose."""
        step = len(view.histories[0]) - view.prompt_length
        base = view.uniforms[0]
        self._drawn = derived(base, "particle taken")
        scores = self.target(view)
        exact = scores.cpu().double()
        normalisers = exact.logsumexp(dim=-1)
        law = (exact - normalisers.unsqueeze(-1)).float().to(scores.device)
        for particle in self._population:
            if particle.row is not None:
                particle.log_weight += float(normalisers[particle.row])
        resampled = self._resample(derived(base, "resampling"), last=view.steps_left == 1)
        living = [p for p in self._population if p.row is not None]
        parents = [p.row for p in living if p.row is not None]
        tokens = [
            inverse_cdf(law[row], derived(base, f"particle {i}")) for i, row in enumerate(parents)
        ]
        notes, row = [], 0
        weights = normalised([p.log_weight for p in self._population])
        weight_of = {id(p): w for p, w in zip(self._population, weights, strict=True)}
        for i, (particle, token_id) in enumerate(zip(living, tokens, strict=True)):
            particle.place = (step, i)
            notes.append(self._note(weight_of[id(particle)], resampled=resampled))
            if token_id in view.eos_ids:
                particle.row = None
            else:
                particle.row, row = row, row + 1
        return Move(
            parents=tuple(parents),
            token_ids=tuple(tokens),
            logprobs=law[parents],
            scores=tuple(weight_of[id(p)] for p in living),
            done=row == 0,
            notes=tuple(notes),
        )

    def _note(self, weight: float, *, resampled: bool) -> dict[str, float | bool]:
        return {
            "weight": round(weight, 6),
            "effective_size": round(effective_size([p.log_weight for p in self._population]), 3),
            "resampled": resampled,
            "log_evidence": round(self.log_evidence, 6),
        }

    def _resample(self, u: float, *, last: bool) -> bool:
        log_weights = [p.log_weight for p in self._population]
        if last or effective_size(log_weights) >= self._threshold * self.width:
            return False
        self._log_evidence += log_mean(log_weights)
        chosen = systematic(normalised(log_weights), u)
        self._population = [
            _Particle(self._population[i].row, 0.0, self._population[i].place) for i in chosen
        ]
        return True

    def conclude(self, leaves: Sequence[Leaf]) -> Sequence[Verdict | None]:
        """Final weights; the lane's text is a draw by them, a row outside is dropped."""
        weights = normalised([p.log_weight for p in self._population])
        held: dict[Place, float] = {}
        for particle, weight in zip(self._population, weights, strict=True):
            held[particle.place] = held.get(particle.place, 0.0) + weight
        inside = [leaf.place for leaf in leaves if leaf.place in held]
        if not inside:
            return [Verdict(leaf.score or 0.0) for leaf in leaves]
        masses = torch.tensor([held[place] for place in inside], dtype=torch.float64)
        first = inside[inverse_cdf(masses.log(), self._drawn)]
        return [
            Verdict(
                held[leaf.place],
                {
                    "weight": round(held[leaf.place], 6),
                    "log_evidence": round(self.log_evidence, 6),
                },
                first=leaf.place == first,
            )
            if leaf.place in held
            else None
            for leaf in leaves
        ]
