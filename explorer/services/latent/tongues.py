"""Languages by name: those that are shipped, and what this page's models say after a prompt."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Protocol

from explorer.core.errors import NotCapable
from explorer.core.handle import ModelHandle
from explorer.latent.language import Language, language
from explorer.latent.model_space import ModelLanguage, Voice, model_language, voice
from explorer.latent.space import Space
from explorer.latent.spaces import ANY_SIZE, load_space

MARK = "\x1f"
"""Between a model's name and the prompt, in the name of a language."""
MOST_VOICES = 6
MODEL_SIZES = ANY_SIZE
"""Dimensions of a model's spaces."""


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
        self._voices: OrderedDict[str, Voice] = OrderedDict()
        self._languages: OrderedDict[str, tuple[ModelHandle, ModelLanguage]] = OrderedDict()

    def named(self, model: str, prompt: str) -> str:
        """The language of a model after a prompt."""
        return f"{model}{MARK}{prompt}"

    def language(self, name: str) -> Language:
        """A language by name.

        Raises:
            UnknownName, ModelUnavailable: for a shipped one that is not here.
            NotCapable: for a model that is not loaded.
        """
        return language(name) if MARK not in name else self._spoken(self._model(name))

    def _spoken(self, model: ModelHandle) -> ModelLanguage:
        with self._lock:
            kept = self._languages.get(model.info.id)
            if kept is None or kept[0] is not model:
                kept = self._languages[model.info.id] = (model, model_language(model))
            return kept[1]

    def space(self, name: str, space: str, dimensions: int) -> Space:
        """One space of a language; `language` has the errors."""
        if MARK not in name:
            return load_space(name, space, dimensions)
        if space != "ariel":
            raise NotCapable(
                f"{name.partition(MARK)[0]} has no space '{space}'.", "A model has ariel only."
            )
        return self.voice(name).space(dimensions)

    def voice(self, name: str) -> Voice:
        """A model after a prompt, by the name of its language.

        Raises:
            NotCapable: for a model that is not loaded.
        """
        model = self._model(name)
        words = self._spoken(model).tokens
        with self._lock:
            kept = self._voices.get(name)
            if kept is None or kept.model is not model:
                kept = voice(model, name.partition(MARK)[2], words)
            self._voices[name] = kept
            self._voices.move_to_end(name)
            while len(self._voices) > MOST_VOICES:
                self._voices.popitem(last=False)
            return kept

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
            for name, kept in list(self._voices.items()):
                if self.models.ready(name.partition(MARK)[0]) is not kept.model:
                    del self._voices[name]
            for name, (model, _) in list(self._languages.items()):
                if self.models.ready(name) is not model:
                    del self._languages[name]


TONGUES = Tongues()
"""Of this process: what is known of sentences is kept by the names of languages."""
