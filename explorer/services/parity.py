"""The parity light: the same weights in two types or on two devices, along the same text."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from explorer.core.deferred import torch
from explorer.core.distribution import kl, log_normalise
from explorer.core.errors import InvalidParams, NotCapable
from explorer.core.forcing import forced_laws
from explorer.core.handle import ModelHandle
from explorer.core.models import load_local
from explorer.core.progress import Progress, quiet
from explorer.services.devices import choose_device
from explorer.services.model_sources import Sources, find_model
from explorer.services.verify.tolerance import ALLOWED

DTYPES = ("float32", "float16", "bfloat16")


@dataclass(frozen=True, slots=True)
class Parity:
    """Two holdings of one model along a text.

    Attributes:
        first: how the first is held, such as "float32 on cpu".
        second: how the other is.
        tokens: laws compared.
        largest: largest |log p - log p'| over the tokens of the text, nats.
        largest_at: where.
        largest_any: the same over all tokens that either law gives a millionth or more.
        mean_kl: mean KL(p || p'), nats.
        flipped: places where the likeliest token is another.
        first_flipped: the first of them; None where there is none.
        light: "green": no more than float32 rounding; "amber": more, but greedy decoding would
            say the same; "red": it would not.
    """

    first: str
    second: str
    tokens: int
    largest: float
    largest_at: int
    largest_any: float
    mean_kl: float
    flipped: int
    first_flipped: int | None
    light: str

    def as_data(self) -> dict[str, object]:
        """As JSON has it."""
        return asdict(self)


def parity(
    first: ModelHandle, second: ModelHandle, prompt_ids: Sequence[int], ids: Sequence[int]
) -> Parity:
    """Compare two models that should be one, along a text that follows a prompt.

    Args:
        first: one.
        second: another, of the same vocabulary.
        prompt_ids: at least one id.
        ids: at least one id.

    Raises:
        InvalidParams: for models of different vocabularies, or no text.
        NotCapable: if the text does not fit their contexts.
    """
    same_width = first.info.vocab_size == second.info.vocab_size
    if first.tokenizer.digest != second.tokenizer.digest or not same_width:
        raise InvalidParams(
            f"{first.info.id} and {second.info.id} have different vocabularies.",
            "Compare two holdings of one model.",
        )
    if not ids:
        raise InvalidParams("There is no text to compare on.", "Give some.")
    worst, worst_at, worst_any, kl_sum = 0.0, 0, 0.0, 0.0
    flips: list[int] = []
    pairs = zip(
        forced_laws(first, prompt_ids, [ids]), forced_laws(second, prompt_ids, [ids]), strict=True
    )
    for (start, one), (_, other) in pairs:
        count = min(one.shape[1], len(ids) - start)
        p, q = log_normalise(one[0, :count]).cpu(), log_normalise(other[0, :count]).cpu()
        chosen = torch.tensor(ids[start : start + count]).unsqueeze(1)
        gaps = (p.gather(1, chosen) - q.gather(1, chosen)).abs()[:, 0]
        if float(gaps.max()) > worst:
            worst, worst_at = float(gaps.max()), start + int(gaps.argmax())
        likely = torch.maximum(p, q) > math.log(1e-6)
        worst_any = max(worst_any, float(torch.where(likely, (p - q).abs(), 0.0).max()))
        kl_sum += float(kl(p.double(), q.double()).sum())
        flips += [start + i for i in (p.argmax(1) != q.argmax(1)).nonzero()[:, 0].tolist()]
    green = worst_any <= ALLOWED["float32"] and not flips
    return Parity(
        first=_held(first),
        second=_held(second),
        tokens=len(ids),
        largest=worst,
        largest_at=worst_at,
        largest_any=worst_any,
        mean_kl=max(0.0, kl_sum / len(ids)),
        flipped=len(flips),
        first_flipped=flips[0] if flips else None,
        light="green" if green else "red" if flips else "amber",
    )


def load_as(
    name: str,
    dtype: str,
    device: str | None = None,
    *,
    progress: Progress = quiet,
    sources: Sources | None = None,
) -> ModelHandle:
    """A model in a type of one's choice.

    Args:
        name: as for `load_model`.
        dtype: one of `DTYPES`.
        device: None for the best there is.
        progress: told what is being done.
        sources: where to look; None for the real ones.

    Raises:
        InvalidParams: for another type.
        ModelUnavailable: if the model cannot be had.
        NotCapable: where the device cannot hold that type.
    """
    if dtype not in DTYPES:
        raise InvalidParams(f"'{dtype}' is no type.", f"Use one of: {', '.join(DTYPES)}.")
    found = find_model(name, progress, sources or Sources())
    try:
        return load_local(
            found.path, id=name, device=device or choose_device(), dtype=getattr(torch, dtype)
        )
    except (RuntimeError, AssertionError) as error:
        raise NotCapable(
            f"{name} cannot be held as {dtype} on {device}: {str(error).splitlines()[0]}",
            "Choose another device.",
        ) from None


def _held(model: ModelHandle) -> str:
    return f"{model.info.dtype} on {model.info.device}"
