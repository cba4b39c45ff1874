"""One real next-token law, as numbers: what the pictures of docs/decoders.md are drawn from.

SmolLM2-135M-Instruct (wheel 0.1.2, float32) after the prompt below: its 60 likeliest tokens. All
others together hold the rest; here they fall off as a power of their rank, from the last of the
60 on, which puts the entropy within a tenth of a nat of the true one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

PROMPT = "For breakfast she had a cup of"
VOCAB = 49_152
ENTROPY = 3.7712
"""Of the true law, nats."""

BEST: tuple[tuple[str, float], ...] = (
    (" coffee", 0.31981), (" tea", 0.12663), (" black", 0.11483), (" her", 0.01847),
    (" Earl", 0.01786), (" ", 0.01587), (" hot", 0.01339), (" green", 0.01331),
    (" the", 0.0097), (" a", 0.00952), (" their", 0.0062), (" j", 0.00611), (" s", 0.00547),
    (" Black", 0.00529), (" Joe", 0.00523), (" sweet", 0.00523), (" lemon", 0.00488),
    (" fresh", 0.00468), (" pos", 0.00453), (" cold", 0.00441), (" ch", 0.00428),
    (" strong", 0.00419), (" something", 0.00394), (" Star", 0.00392), (" dark", 0.00385),
    (" Green", 0.00383), (" freshly", 0.00381), (" white", 0.00376), (' "', 0.00371),
    (" k", 0.00358), (" lemonade", 0.00349), (" sc", 0.00347), (" chocolate", 0.0031),
    (" steaming", 0.00308), (" mixed", 0.00299), (" orange", 0.00278), (" red", 0.00277),
    (" your", 0.00275), (" l", 0.00274), (" that", 0.00271), (" brewed", 0.00258),
    (" blue", 0.00256), (" herbal", 0.00229), (" w", 0.00222), (" *", 0.00213),
    (" cocoa", 0.00206), (" Ethiopian", 0.00204), (" homemade", 0.00202), (" lavender", 0.00195),
    (" es", 0.0019), (" b", 0.00189), (" sp", 0.00186), (" cham", 0.0018), (" Kenyan", 0.0017),
    (" fine", 0.0017), (" Ch", 0.00166), (" L", 0.00163), (" por", 0.00163), (" sh", 0.00157),
    (" non", 0.00156),
)  # fmt: skip


def logprobs() -> Tensor:
    """[VOCAB] log-probabilities, likeliest first: a token's id is its rank."""
    known = [p for _, p in BEST]
    rest = 1.0 - math.fsum(known)
    ranks = torch.arange(len(known) + 1, VOCAB + 1, dtype=torch.float64) / len(known)
    low, high = 0.0, 20.0
    for _ in range(60):  # the power whose sum is the rest, by halving
        power = (low + high) / 2
        total = float((known[-1] * ranks**-power).sum())
        low, high = (power, high) if total > rest else (low, power)
    tail = known[-1] * ranks**-power
    law = torch.cat([torch.tensor(known, dtype=torch.float64), tail])
    return (law / law.sum()).log().float()


class PictureTokenizer:
    """As much of a tokenizer as the pictured stages ask for; ids are ranks, the last one ends."""

    vocab_size = VOCAB
    eos_ids = frozenset({VOCAB - 1})
    bos_id: int | None = None
    digest = "sha256:" + "0" * 64
    has_chat_template = False

    def encode(self, text: str) -> list[int]:
        return [next(i for i, (piece, _) in enumerate(BEST) if piece == text)]

    encode_continuation = encode

    def chat_text(self, text: str) -> str:
        return text

    encode_chat = encode

    def token_bytes(self, token_id: int) -> bytes:
        return BEST[token_id][0].encode() if token_id < len(BEST) else f"<{token_id}>".encode()

    def is_special(self, token_id: int) -> bool:
        return token_id in self.eos_ids


def ids_of(*pieces: str) -> Sequence[int]:
    return [PictureTokenizer().encode(piece)[0] for piece in pieces]
