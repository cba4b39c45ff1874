"""The app's functions for other programs: gradio_client, and MCP where it is switched on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

import gradio as gr
from gradio.events import api

from explorer.services.labs.desk import LabDesk
from explorer.services.labs.for_programs import lab_steps
from explorer.services.limits import Limits
from explorer.ui import incoming
from explorer.ui.boundary import guarded


class ApiServices(Protocol):
    """What the endpoints need of the services; traces follow the trace file's schema."""

    @property
    def limits(self) -> Limits:
        """What a visitor may ask for; a program's session counts as one."""

    @property
    def default_model(self) -> str:
        """The app's own model."""

    @property
    def labs(self) -> LabDesk:
        """Where labs run."""

    def catalog_json(self) -> list[dict[str, object]]:
        """Every decoding method."""

    def compare_traces(
        self, prompt: str, decoders: list[str], model: str, max_new_tokens: int, seed: int
    ) -> Iterator[list[dict[str, Any]]]:
        """How far each decoder is, at most a few times a second; the last are the traces."""

    def score_trace(self, text: str, model: str) -> dict[str, Any]:
        """A teacher-forced trace of given text."""


class Endpoints:
    """The functions; their signatures and docstrings are what a program sees of them.

    Args:
        services: everything below the page.
    """

    def __init__(self, services: ApiServices) -> None:
        self._services = services

    def decoders(self) -> list[dict[str, Any]]:
        """Every decoding method with its parameters, bounds, defaults and paper."""
        return [dict(entry) for entry in self._services.catalog_json()]

    def compare(
        self,
        prompt: str,
        decoders: list[str],
        model: str = "",
        max_new_tokens: int = 128,
        seed: int = 0,
        request: gr.Request | None = None,
    ) -> Iterator[list[dict[str, Any]]]:
        """Continue a prompt under several decoding methods at once; one trace a decoder.

        While it runs it tells {"decoder", "tokens_so_far"} of every decoder.

        Args:
            prompt: the text to continue.
            decoders: specs such as "greedy" or "temperature:temperature=0.8+nucleus:p=0.95".
            model: name of a model; empty for the app's own.
            max_new_tokens: most tokens a decoder may take.
            seed: decides every draw; -1 draws one.
            request: whose call it is; Gradio fills it in.
        """
        with self._services.limits.runs.one(_session_of(request)):
            yield from self._services.compare_traces(
                incoming.text(prompt, "'prompt'"),
                incoming.texts(decoders, "'decoders'", '["greedy", "nucleus:p=0.95"]'),
                incoming.text(model, "'model'"),
                incoming.whole(max_new_tokens, "'max_new_tokens'", "how many a decoder may take"),
                incoming.seed(seed, "'seed'"),
            )

    def score(
        self, text: str, model: str = "", request: gr.Request | None = None
    ) -> dict[str, Any]:
        """What the model thinks of every token of a given text, as a trace.

        Args:
            text: the text to score.
            model: name of a model; empty for the app's own.
            request: whose call it is; Gradio fills it in.
        """
        with self._services.limits.runs.one(_session_of(request)):
            return self._services.score_trace(
                incoming.text(text, "'text'"), incoming.text(model, "'model'")
            )

    def lab(
        self,
        lab: str,
        model: str = "",
        params: dict[str, Any] | None = None,
        seed: int = 0,
        request: gr.Request | None = None,
    ) -> Iterator[dict[str, Any]]:
        """Run a lab, a paper as an experiment: its results and whether its claims hold.

        While it runs it tells {"lab", "said", "fraction"}. Most take a minute or two.

        Args:
            lab: its name, such as "watermarks"; a wrong one is answered with the nearest.
            model: name of a model; empty for the app's own.
            params: values by name; those left out are as usual.
            seed: decides every draw.
            request: whose call it is; Gradio fills it in.
        """
        with self._services.limits.runs.one(_session_of(request)):
            yield from lab_steps(
                self._services.labs,
                incoming.text(lab, "'lab'"),
                incoming.text(model, "'model'") or self._services.default_model,
                {} if params is None else params,
                incoming.whole(seed, "'seed'", "any from 0 on"),
            )


def _session_of(request: gr.Request | None) -> str:
    """Whose run it is; Gradio hands a request over where a program called."""
    return (request.session_hash or "") if request is not None else ""


def add_endpoints(services: ApiServices) -> None:
    """Declare /decoders, /compare, /score and /lab inside the current Blocks."""
    endpoints = Endpoints(services)
    api(guarded(endpoints.decoders), api_name="decoders", queue=False)
    api(guarded(endpoints.compare), api_name="compare")
    api(guarded(endpoints.score), api_name="score")
    api(guarded(endpoints.lab), api_name="lab")
