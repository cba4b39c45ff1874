"""What is said of each kind of learned network, without the networks: they need torch."""

from __future__ import annotations

from typing import NamedTuple


class Kind(NamedTuple):
    """One kind of network.

    Attributes:
        title: for people.
        paper: where its kind was published.
        prior: see `space.Space`.
    """

    title: str
    paper: str
    prior: str


LAW = "lm"
"""The kind that is no space: the law of words that AriEL cuts its boxes by."""

AUTOENCODERS = {
    "vae": Kind("VAE, recurrent", "Bowman et al., arXiv:1511.06349", "gaussian"),
    "ae": Kind(
        "AE, recurrent", "Sutskever, Vinyals, Le, arXiv:1409.3215, with a narrow code", "uniform"
    ),
    "transformer": Kind(
        "Transformer autoencoder",
        "Vaswani et al., arXiv:1706.03762, with a narrow code",
        "uniform",
    ),
}
"""Kinds that are spaces, by what plans and folders call them."""

KINDS = (*AUTOENCODERS, LAW)
