"""The loss of DITTO: each repetition is to be likelier by a factor below 1 than the one before.

Source: Xu et al., "Learning to Break the Loop", arXiv:2206.02369 (DITTO), and the authors' code.
Oracle: the authors' code (golden numbers, tests/labs/test_lab_ditto.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from explorer.core.deferred import torch
from explorer.labs.ditto.pseudo_data import Pseudo

if TYPE_CHECKING:
    from torch import Tensor

Form = Literal["nl", "nl_clip", "mse"]
"""-log(1 - |d|), -log(1 - max(0, d)), 3 d^2, for d = p - gamma * p of the copy before."""
_LEAST = 1e-20


def ditto_loss(
    probabilities: Tensor, texts: Sequence[Pseudo], gamma: float, form: Form = "nl"
) -> tuple[Tensor, int]:
    """The summed loss, and the number of penalised tokens that it is divided by.

    What is compared with is the probability at the same place of the copy before, through which
    no gradient flows. Penalised are the places from the second copy on; as in the authors' code
    places are those of what is read, so the token that opens the second copy, which is said at
    the last place of the first, is none of them. The form "mse" alone takes all places, and draws
    those that are not penalised towards 0, as the authors' code does.

    Args:
        probabilities: [texts, tokens]: of the next token at every token read.
        texts: how each text is built; one a row.
        gamma: 0 to 1: what a copy may keep of the probability it had in the one before.
        form: which penalty.

    Returns:
        (sum, how many); the sum is a scalar with a gradient.
    """
    places = torch.arange(probabilities.shape[1], device=probabilities.device)
    lag = torch.tensor([[t.unit] for t in texts], device=probabilities.device)
    begin = torch.tensor([[t.prefix + t.unit] for t in texts], device=probabilities.device)
    penalised = places >= begin
    before = probabilities.detach().gather(1, (places - lag).clamp(min=0))
    excess = probabilities - gamma * before * penalised
    count = int(penalised.sum())
    if form == "mse":
        return 3.0 * excess.square().sum(), count
    over = excess.abs() if form == "nl" else excess.clamp(min=0.0)
    return -(1.0 - over)[penalised].clamp(min=_LEAST).log().sum(), count
