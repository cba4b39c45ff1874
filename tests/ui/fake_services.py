"""Services without a model: they answer at once, or as slowly as a test asks."""

from __future__ import annotations

import json
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from fakes import LetterTokenizer, ScriptedModel, hashed_script

from explorer.core.errors import InvalidParams, NotCapable
from explorer.decoders.spec import parse
from explorer.render.export_html import export_page
from explorer.render.figures import LaneSeries
from explorer.services.catalog_view import catalog_json
from explorer.services.compare import CompareRequest
from explorer.services.labs.desk import LabDesk
from explorer.services.latent.desk import LatentDesk
from explorer.services.limits import Limits
from explorer.services.live import Frame
from explorer.services.loops.desk import LoopDesk
from explorer.services.model_pool import ModelStatus
from explorer.services.presets import PRESETS
from explorer.services.prompt_report import PromptReport
from explorer.services.score_desk import ScoreDesk
from explorer.services.settings import Settings
from explorer.services.sharing import SharingDesk
from explorer.services.sweep.map_desk import MapDesk
from explorer.services.traces.desk import TraceDesk
from ui.canned import HOSTILE, VOCABULARY, Canned, columns, line, title_of

READY = ModelStatus(state="ready", summary="scripted · float32 · cpu · 2 cores")
FRAME_S = 0.1


class FakeModels:
    """Offers one scripted model, which any name but "lost" is."""

    are_any = True

    def __init__(self) -> None:
        self.model = ScriptedModel(hashed_script(LetterTokenizer().vocab_size))

    def names(self) -> list[str]:
        return ["scripted", "another"]

    def stand_in(self, name: str) -> str | None:
        return "scripted" if name == "lost" else None

    def allow(self, name: str) -> None:
        """Any model may be asked for."""

    def get(self, name: str) -> ScriptedModel:
        return self.model

    def ready(self, name: str) -> ScriptedModel:
        return self.model


@dataclass
class FakeServices:
    """Stands where `explorer.services.compare.Services` stands.

    Prompts steer it: "hostile" writes hostile tokens, "fail" is refused, "crash" raises what is
    none of our errors, "slow" waits before the first token.

    Attributes:
        step_s: seconds a column takes.
        load_s: seconds a model takes to load.
    """

    step_s: float = 0.02
    load_s: float = 0.0
    default_model: str = "scripted"
    settings: Settings = field(default_factory=Settings)
    requests: list[CompareRequest] = field(default_factory=list)
    forgotten: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.limits = Limits.of(self.settings)
        self.models = FakeModels()
        self.sharing = SharingDesk(self.models)
        self.latent = LatentDesk()
        self.scores = ScoreDesk(
            self.models, threading.BoundedSemaphore(4), lambda _name, _dtype: self.models.model
        )
        self.labs = LabDesk(self.models, threading.BoundedSemaphore(4))
        self.maps = MapDesk(self.models, threading.BoundedSemaphore(4))
        self.traces = TraceDesk(
            self.models,
            threading.BoundedSemaphore(4),
            {"compare": lambda _: (), "labs": self.labs.traces, "maps": self.maps.traces},
        )
        self.loops = LoopDesk(
            self.models,
            threading.BoundedSemaphore(4),
            {"compare": lambda _: (), "traces": self.traces.shown},
        )
        self._stops: dict[str, threading.Event] = {}
        self._texts: dict[str, str] = {}
        self._loading: dict[str, float] = {}
        self._count = 0

    def catalog_json(self) -> list[dict[str, object]]:
        return catalog_json()

    def presets(self) -> dict[str, list[str]]:
        return {name: list(specs) for name, specs in PRESETS.items()}

    def examples(self) -> list[dict[str, str | int]]:
        return [
            {
                "label": "a list that loops",
                "prompt": "Shopping list: milk, eggs,",
                "template": "raw",
                "preset": "escape the loop",
                "max_new_tokens": 60,
            },
            {
                "label": "a story",
                "prompt": "The old lighthouse keeper",
                "template": "raw",
                "preset": "classic five",
                "max_new_tokens": 48,
            },
            {
                "label": "a dialogue",
                "prompt": "Why is the sky blue?",
                "template": "chat",
                "preset": "",
                "max_new_tokens": 40,
            },
        ]

    def start_loading(self, name: str) -> None:
        self._loading.setdefault(name, time.monotonic())

    def model_status(self, name: str) -> ModelStatus:
        if name in ("missing", "lost"):
            return replace(
                READY,
                state="failed",
                summary="",
                error="“missing” is in no place that was looked at.",
                hint="Choose another model.",
            )
        started = self._loading.get(name)
        if started is None:
            return replace(READY, state="absent", summary="")
        share = (time.monotonic() - started) / self.load_s if self.load_s else 1.0
        if share < 1:
            return replace(
                READY, state="loading", what="Reading weights", fraction=share, summary=""
            )
        return READY

    def inspect_prompt(
        self, model: str, prompt: str, template: str, max_new_tokens: int
    ) -> PromptReport:
        text = f"<|user|>\n{prompt}\n<|assistant|>\n" if template == "chat" else prompt
        warnings = ("The prompt ends with a space.",) if prompt.endswith(" ") else ()
        return PromptReport(len(prompt.split()), text, "no", warnings)

    def stop(self, session: str) -> None:
        if session in self._stops:
            self._stops[session].set()

    def latest_traces(self, session: str) -> tuple[object, ...]:
        return (object(),) if session in self._stops else ()

    def forget(self, session: str) -> None:
        self.forgotten.append(session)
        self.latent.forget(session)

    def run(self, session: str, request: CompareRequest) -> Iterator[Frame]:
        if "fail" in request.prompt:
            raise InvalidParams(
                "This prompt needs 9,120 tokens; scripted reads 8,192.",
                "Shorten it or choose another model.",
            )
        if "crash" in request.prompt:
            raise RuntimeError("secret detail")
        self.requests.append(request)
        self._count += 1
        stop = self._stops[session] = threading.Event()
        canned = Canned(
            specs=request.specs,
            tokens=request.max_new_tokens,
            pieces=HOSTILE if "hostile" in request.prompt else VOCABULARY,
            prompt=request.prompt,
            seed=request.seed,
            alternatives=request.top,
            run=f"run{self._count}-{session}",
        )
        for frame in self._frames(canned, stop, slow="slow" in request.prompt):
            self._texts[session] = frame.ndjson
            yield frame

    def _frames(self, canned: Canned, stop: threading.Event, *, slow: bool) -> Iterator[Frame]:
        text, shown, plotted = "", time.monotonic(), 0.0
        curves = Curves([title_of(spec) for spec in canned.specs])
        started = time.monotonic()
        for number, lines in enumerate(columns(canned)):
            text += lines
            curves.add(lines)
            now = time.monotonic()
            if now - shown >= FRAME_S or number == 0:
                plot = now - plotted >= 1
                plotted = now if plot else plotted
                shown = now
                yield Frame(text, curves.series() if plot else None, f"{number} tokens")
            if stop.wait(1.0 if slow and number == 0 else self.step_s):
                text += "".join(
                    line(l=lane, end="cancelled") for lane in range(len(canned.specs))
                ) + line(done=True, seed=str(canned.seed), elapsed_s=round(now - started, 2))
                break
        yield Frame(text, curves.series(), f"{number} tokens a lane")

    def token_stages(
        self, session: str, lane: int, index: int, token_id: int, order: tuple[int, ...] = ()
    ) -> dict[str, object]:
        """Rows in the order asked for; the numbers follow no model."""
        chain = parse(self.requests[-1].specs[lane])
        places = order or tuple(range(len(chain.processors)))
        rows = [
            {
                "stage": place,
                "title": chain.processors[place].info.title,
                "tokens": [90 - 30 * i, 90 - 30 * i],
                "cut": [0.25, 0.25],
                "before": [3.0 - i, 3.0 - i],
                "after": [2.0 - i, 2.0 - i],
                "kl": [0.3, 0.3],
                "runner_up": i == 1,
            }
            for i, place in enumerate(places)
        ]
        moved = replace(chain, processors=tuple(chain.processors[i] for i in places))
        return {
            "exact": True, "order": list(places), "spec": moved.canonical,
            "chooser": chain.chooser.info.title, "runner_up": " <b>lamp",
            "taken": {"t": token_id, "x": " door"}, "rows": rows,
        }  # fmt: skip

    def export(self, session: str, kind: str) -> Path:
        text = self._texts.get(session)
        if not text:
            raise NotCapable("There is nothing to save yet.", "Run a prompt first.")
        path = Path(tempfile.mkdtemp()) / f"explorer.{kind}"
        path.write_text(export_page(text) if kind == "html" else text, encoding="utf-8")
        return path

    def folder(self, session: str) -> Path:
        return Path(tempfile.mkdtemp())

    def compare_traces(
        self, prompt: str, decoders: list[str], model: str, max_new_tokens: int, seed: int
    ) -> Iterator[list[dict[str, Any]]]:
        for length in (1, max_new_tokens):
            yield [{"decoder": spec, "text": prompt, "length": length} for spec in decoders]

    def score_trace(self, text: str, model: str) -> dict[str, Any]:
        return {"decoder": "score", "text": text}


class Curves:
    """The curves of the lines so far, read as they come."""

    def __init__(self, titles: Sequence[str]) -> None:
        self._titles = titles
        self._entropy: list[list[float]] = [[] for _ in titles]
        self._surprisal: list[list[float]] = [[] for _ in titles]

    def add(self, lines: str) -> None:
        for entry in map(json.loads, lines.splitlines()):
            if "t" in entry:
                self._entropy[entry["l"]].append(entry["h"])
                self._surprisal[entry["l"]].append(entry["s"])

    def series(self) -> tuple[LaneSeries, ...]:
        lanes = zip(self._titles, self._entropy, self._surprisal, strict=True)
        return tuple(LaneSeries(title, tuple(h), tuple(s)) for title, h, s in lanes)
