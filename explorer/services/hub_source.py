"""Models of the Hugging Face Hub: from its local cache, else fetched, safetensors only.

No token is ever sent: a name that a user types must not act with the rights of the host.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from huggingface_hub import HfApi, constants, get_session, snapshot_download
from huggingface_hub.errors import (
    GatedRepoError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
)

from explorer.core.errors import ExplorerError, ModelUnavailable
from explorer.core.progress import Progress
from explorer.core.weight_files import PICKLED_SUFFIXES, read_headers, weight_files
from explorer.services.disk_space import require_space
from explorer.services.download_watch import Download, watch
from explorer.services.model_cache import ModelFolder, Record
from explorer.services.model_card import licence_of
from explorer.services.weight_digest import remembered_digest

REVISION = "main"
PROBE_S = 4.0
"""How long the Hub may take to answer at all before it is passed over."""

SMALL_FILES = (".json", ".jinja", ".txt")
"""Configuration, tokenizer, template; with tokenizer.model and the README that is all."""


def hub_answers(timeout_s: float = PROBE_S) -> bool:
    """True where the Hub answers in time; at most `timeout_s`, name resolution included."""
    answered = threading.Event()

    def ask() -> None:
        try:
            get_session().head(constants.ENDPOINT, timeout=timeout_s)
        except Exception:  # noqa: BLE001  # whatever it raises, the Hub is out of reach
            return
        answered.set()

    # A thread, since looking up a name cannot be given a time limit.
    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(timeout_s)
    return answered.is_set()


def is_offline() -> bool:
    """True where HF_HUB_OFFLINE asks to leave the Hub alone."""
    wish = os.environ.get("HF_HUB_OFFLINE", "").upper()
    return wish in {"1", "TRUE", "YES", "ON"} or constants.is_offline_mode()


@dataclass(frozen=True, slots=True)
class HubClient:
    """The calls that reach the Hub or its cache.

    Attributes:
        info: as `HfApi.model_info`.
        snapshot: as `huggingface_hub.snapshot_download`.
        answers: whether the Hub is in reach.
        offline: whether it is to be left alone.
        root: the Hub's own cache folder.
    """

    info: Callable[..., Any] = HfApi(token=False).model_info
    snapshot: Callable[..., Any] = snapshot_download
    answers: Callable[[], bool] = hub_answers
    offline: Callable[[], bool] = is_offline
    root: Path = Path(constants.HF_HUB_CACHE)


def from_hub_cache(repo: str, cache: Path, client: HubClient) -> ModelFolder | None:
    """The model in the Hub's own local cache, if all of it is there; no network is used.

    Raises:
        ModelUnavailable: if it is there and damaged.
    """
    try:
        found = client.snapshot(
            repo, revision=REVISION, cache_dir=client.root, local_files_only=True, token=False
        )
    except (LocalEntryNotFoundError, ValueError):  # ValueError: no name for a repository
        return None
    folder = Path(found)
    if not (folder / "config.json").is_file() or not any(folder.glob("*.safetensors")):
        return None
    return _described(repo, folder, cache, "unknown")


def from_hub(
    repo: str,
    cache: Path,
    progress: Progress,
    client: HubClient,
    afford: Callable[[int], None],
) -> ModelFolder:
    """Fetch a model from the Hub into the Hub's own cache, where other programs find it too.

    Args:
        repo: "organisation/name".
        cache: our cache folder, for the digest.
        progress: told the share of bytes fetched.
        client: the calls.
        afford: told the number of parameters before anything large is fetched; may refuse.

    Raises:
        ModelUnavailable: if the Hub is out of reach, the model is not there or not open to all,
            has no safetensors, or does not fit on the disk.
    """
    if client.offline():
        raise ModelUnavailable("The Hub was not asked: HF_HUB_OFFLINE is set.", "Unset it.")
    progress("Asking the Hub", None)
    if not client.answers():
        raise ModelUnavailable(
            f"The Hub did not answer within {PROBE_S:.0f} s.", "Check the network."
        )
    info = _ask(repo, client)
    if info.safetensors is not None:
        afford(int(info.safetensors.total))
    sizes = {file.rfilename: int(file.size or 0) for file in info.siblings}
    wanted = wanted_files(repo, sizes)
    total = sum(sizes[name] for name in wanted)
    require_space(client.root, total)
    folder = _fetch(repo, str(info.sha), wanted, total, progress, client)
    licence = getattr(info.card_data, "license", None) or "unknown"
    return _described(repo, folder, cache, str(licence))


def _ask(repo: str, client: HubClient) -> Any:
    try:
        return client.info(repo, revision=REVISION, files_metadata=True, timeout=10.0)
    except GatedRepoError as error:
        raise ModelUnavailable(
            f"{repo} is open only to those who accepted its terms.",
            "Download it yourself and give the folder's path.",
        ) from error
    except RepositoryNotFoundError as error:
        raise ModelUnavailable(
            f"The Hub has no public model {repo}.", "Check the spelling: organisation/name."
        ) from error
    except Exception as error:
        raise _failed(repo, error) from error


def wanted_files(repo: str, names: Iterable[str]) -> list[str]:
    """What is fetched of a repository: safetensors, configuration, tokenizer; no code, no pickle.

    Raises:
        ModelUnavailable: if it has no safetensors in its top folder.
    """
    top = [name for name in names if "/" not in name]
    index = "model.safetensors.index.json"
    weights = [n for n in top if n.endswith(".safetensors")]
    if "model.safetensors" in weights and index not in top:
        weights = ["model.safetensors"]
    else:
        # Other sets of the same weights ("consolidated…") may lie beside the shards.
        weights = [n for n in weights if n.startswith("model-")] if index in top else []
    if not weights:
        pickled = any(name.endswith(PICKLED_SUFFIXES) for name in top)
        raise ModelUnavailable(
            f"{repo} has no safetensors"
            + (", only pickled weights, and those can run code." if pickled else "."),
            "Choose another model, or convert this one where you trust it.",
        )
    small = [n for n in top if n.endswith(SMALL_FILES) or n in {"tokenizer.model", "README.md"}]
    return sorted({*weights, *small})


def _fetch(
    repo: str, commit: str, wanted: list[str], total: int, progress: Progress, client: HubClient
) -> Path:
    outcome: list[Any] = []

    def download() -> None:
        try:
            outcome.append(
                client.snapshot(
                    repo,
                    revision=REVISION,
                    cache_dir=client.root,
                    allow_patterns=wanted,
                    token=False,
                )
            )
        except Exception as error:  # noqa: BLE001  # handed to the thread that waits
            outcome.append(error)

    worker = threading.Thread(target=download, daemon=True)
    worker.start()

    def finished(seconds: float) -> bool:
        worker.join(seconds)
        return not worker.is_alive()

    blobs = client.root / ("models--" + repo.replace("/", "--")) / "blobs"
    what = f"Fetching {repo}@{commit[:7]} from the Hub"
    watch(Download(what, blobs, total), finished, progress)
    if isinstance(outcome[0], Exception):
        raise _failed(repo, outcome[0]) from outcome[0]
    return Path(outcome[0])


def _failed(repo: str, error: Exception) -> ModelUnavailable:
    if isinstance(error, ExplorerError):
        return ModelUnavailable(error.message, error.hint)
    reason = (str(error).strip() or type(error).__name__).splitlines()[0]
    return ModelUnavailable(f"{repo} could not be fetched: {reason}", "Try again later.")


def _described(repo: str, folder: Path, cache: Path, licence: str) -> ModelFolder:
    """A snapshot with what is known of it; its folder is named after the commit."""
    files = weight_files(folder)
    record = Record(
        source=f"Hugging Face Hub, {repo}",
        licence=licence if licence != "unknown" else licence_of(folder),
        revision=folder.name,
        digest=remembered_digest(files, cache),
        bytes=read_headers(files).bytes,
        name=repo,
    )
    return ModelFolder(folder, record)
