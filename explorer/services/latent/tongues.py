"""Languages by name: those that are shipped, and what this page's models say after a prompt."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Any, Protocol

from explorer.core.errors import NotCapable
from explorer.core.handle import ModelHandle
from explorer.latent.language import Language, language
from explorer.latent.model_space import model_language, model_space
from explorer.latent.space import ArielSpace, Space
from explorer.latent.spaces import load_space

MARK = "\x1f"
"""Between a model's name and the prompt, in the name of a language."""
MOST_SPACES = 6
MODEL_SIZES = (1, 2)
"""Dimensions of a model's spaces: a map of boxes is quick, a grid of points would take minutes."""


class Models(Protocol):
    """Where models come from."""

    def allow(self, name: str) -> None:
        """Do nothing for a model that may be asked for; refuse another."""

    def ready(self, name: str) -> ModelHandle | None:
        """The model where it is in memory."""


class Tongues:
    """What is spoken; a model that was unloaded is let go of.

    Attributes:
        models: where models come from; None where the page has none.
    """

    def __init__(self) -> None:
        self.models: Models | None = None
        self._lock = threading.Lock()
        self._spaces: OrderedDict[tuple[str, int], tuple[ModelHandle, ArielSpace[Any]]] = (
            OrderedDict()
        )
        self._languages: OrderedDict[str, tuple[ModelHandle, Language]] = OrderedDict()

    def named(self, model: str, prompt: str) -> str:
        """The language of a model after a prompt."""
        return f"{model}{MARK}{prompt}"

    def language(self, name: str) -> Language:
        """A language by name.

        Raises:
            UnknownName, ModelUnavailable: for a shipped one that is not here.
            NotCapable: for a model that is not loaded.
        """
        if MARK not in name:
            return language(name)
        model = self._model(name)
        with self._lock:
            kept = self._languages.get(model.info.id)
            if kept is None or kept[0] is not model:
                kept = self._languages[model.info.id] = (model, model_language(model))
            return kept[1]

    def space(self, name: str, space: str, dimensions: int) -> Space:
        """One space of a language; `language` has the errors."""
        if MARK not in name:
            return load_space(name, space, dimensions)
        model = self._model(name)
        if space != "ariel" or dimensions not in MODEL_SIZES:
            raise NotCapable(
                f"{model.info.id} has no space '{space}' of {dimensions} dimensions.",
                "Use ariel of 1 or 2 dimensions here; Python has any (latent/model_space.py).",
            )
        key = (name, dimensions)
        with self._lock:
            kept = self._spaces.get(key)
            if kept is None or kept[0] is not model:
                prompt = name.partition(MARK)[2]
                kept = (model, model_space(model, dimensions, prompt=prompt))
            self._spaces[key] = kept
            self._spaces.move_to_end(key)
            while len(self._spaces) > MOST_SPACES:
                self._spaces.popitem(last=False)
            return kept[1]

    def _model(self, name: str) -> ModelHandle:
        asked = name.partition(MARK)[0]
        if self.models is None:
            raise NotCapable("This page has no models.", "Choose another language.")
        self.models.allow(asked)
        self._let_go()
        model = self.models.ready(asked)
        if model is None:
            raise NotCapable(
                f"{asked} is not loaded.",
                "Choose it in the header, and wait until it says so; then choose it here again.",
            )
        return model

    def _let_go(self) -> None:
        """Forget what belongs to models that made room for others."""
        assert self.models is not None
        with self._lock:
            for key, (model, _) in list(self._spaces.items()):
                if self.models.ready(key[0].partition(MARK)[0]) is not model:
                    del self._spaces[key]
            for name, (model, _) in list(self._languages.items()):
                if self.models.ready(name) is not model:
                    del self._languages[name]


TONGUES = Tongues()
"""Of this process: what is known of sentences is kept by the names of languages."""
