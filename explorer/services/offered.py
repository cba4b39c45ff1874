"""The models that a page offers: who can reach it can name one, and a name may be a path."""

from __future__ import annotations

from explorer.core.errors import ModelUnavailable
from explorer.core.handle import ModelHandle
from explorer.services.model_pool import ModelPool
from explorer.services.settings import Settings
from explorer.services.stand_in import stand_in


class OfferedModels:
    """Models by name, where the settings allow them.

    Args:
        settings: which are allowed.
        pool: has them.
    """

    def __init__(self, settings: Settings, pool: ModelPool) -> None:
        self._settings, self.pool = settings, pool

    def names(self) -> list[str]:
        """Models to offer; where all are allowed, a Hub id, folder or .gguf path may be typed."""
        allowed = self._settings.allowed_models
        return self.pool.names() if allowed is None else list(allowed)

    @property
    def are_any(self) -> bool:
        """True where a model may be named that is not offered."""
        return self._settings.allowed_models is None

    def allow(self, name: str) -> None:
        """Do nothing for a model that may be asked for.

        Raises:
            ModelUnavailable: for another.
        """
        allowed = self._settings.allowed_models
        if allowed is not None and name not in allowed and not self.pool.lends(name):
            raise ModelUnavailable(
                f"The model '{name}' is not offered here.",
                f"Choose one of: {', '.join(allowed)}. Whoever runs this page lists others in"
                " EXPLORER_MODELS.",
            )

    def lend(self, name: str, handle: ModelHandle) -> None:
        """Have a model that a visit made; see `ModelPool.lend`."""
        self.pool.lend(name, handle)

    def take_back(self, name: str) -> None:
        """The visit is over."""
        self.pool.take_back(name)

    def lends(self, name: str) -> bool:
        """Whether a name is a lent model's."""
        return self.pool.lends(name)

    def stand_in(self, name: str) -> str | None:
        """The model to take where one cannot be had; None where only that one will do."""
        return stand_in(name, self._settings)

    def get(self, name: str) -> ModelHandle:
        """The model, loaded if need be.

        Raises:
            ModelUnavailable: for one that is not offered here, or cannot be had.
        """
        self.allow(name)
        return self.pool.get(name)

    def ready(self, name: str) -> ModelHandle | None:
        """The model where it is in memory."""
        return self.pool.ready(name)
