"""The shipped model in place of the usual one, where that can be had from nowhere."""

from __future__ import annotations

from explorer.services.model_sources import TINY, tiny_is_shipped
from explorer.services.settings import DEFAULT_MODEL, Settings


def stand_in(name: str, settings: Settings) -> str | None:
    """The model to take where `name` cannot be had; None where only that one will do.

    Only for the usual model: who names another one means it.

    >>> stand_in("smollm2-135m", Settings()), stand_in("./mine", Settings(model="./mine"))
    ('tiny', None)
    """
    allowed = settings.allowed_models
    is_usual = name == settings.model == DEFAULT_MODEL
    if not is_usual or not tiny_is_shipped() or (allowed is not None and TINY not in allowed):
        return None
    return TINY
