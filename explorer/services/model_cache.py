"""A folder of models made ready once: whole, checked, and safe between processes.

Layout: `<cache>/models/<key>/` holds config.json, a tokenizer, model.safetensors and a
`record.json` with digest, licence, source, revision and the weights' size. A model is made in a
hidden folder beside it and moved into place when complete, so what has its own name is whole.
"""

from __future__ import annotations

import json
import logging
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from filelock import FileLock, Timeout
from safetensors import SafetensorError

from explorer.core.errors import ExplorerError, ModelUnavailable
from explorer.core.progress import Progress
from explorer.core.weight_files import read_headers, weight_files, weights_digest
from explorer.services.disk_space import HINT, is_full, require_space

LOG = logging.getLogger("explorer")
RECORD = "record.json"
MAX_WAIT_S = 3600.0
"""How long one process waits for another that makes the same model."""


@dataclass(frozen=True, slots=True)
class Record:
    """What is known of a model's weights.

    Attributes:
        source: where they came from, in words.
        licence: SPDX id or "unknown".
        revision: commit or version; "" where there is none.
        digest: "sha256:…" of the weights; "" until computed.
        bytes: size of the weights.
        name: the name it is asked for by, for lists.
    """

    source: str
    licence: str = "unknown"
    revision: str = ""
    digest: str = ""
    bytes: int = 0
    name: str = ""


@dataclass(frozen=True, slots=True)
class ModelFolder:
    """A model on disk, ready to load."""

    path: Path
    record: Record


class ModelCache:
    """Models made ready once.

    Args:
        root: the cache folder; made when first written to.
    """

    def __init__(self, root: Path) -> None:
        self.root = root / "models"

    def find(self, key: str) -> ModelFolder | None:
        """The complete model under a key, or None; a damaged one is None too, and logged."""
        folder = self.root / key
        if not folder.is_dir():
            return None
        try:
            record = Record(**json.loads((folder / RECORD).read_text("utf-8")))
            size = read_headers(weight_files(folder)).bytes
            if size != record.bytes or not (folder / "config.json").is_file():
                raise ValueError(f"{size} bytes of weights where {record.bytes} were written")
        except (OSError, ValueError, TypeError, ExplorerError) as error:
            LOG.warning("%s in the cache is damaged and will be made again: %s", key, error)
            return None
        return ModelFolder(folder, record)

    def all(self) -> list[ModelFolder]:
        """Every complete model."""
        keys = sorted(p.name for p in self.root.glob("[!.]*") if p.is_dir())
        return [found for key in keys if (found := self.find(key)) is not None]

    def build(
        self, key: str, make: Callable[[Path], Record], *, needed: int, progress: Progress
    ) -> ModelFolder:
        """The model under a key, made now unless it is there or another process makes it.

        Args:
            key: name of its folder.
            make: fills a given empty folder and says what it put there.
            needed: bytes of disk that takes, at most.
            progress: told of waiting and of the digest.

        Raises:
            ModelUnavailable: for want of space or permission, and what `make` raises.
        """
        with self._locked(key, progress):
            found = self.find(key)
            if found is not None:
                return found
            self._discard(f".{key}-*")  # of a process that died: we hold the lock
            require_space(self.root, needed)
            with _told(self.root), self._scratch(key) as scratch:
                record = make(scratch)
                progress("Computing the digest of the weights", None)
                files = weight_files(scratch)
                record = replace(
                    record, digest=weights_digest(files), bytes=read_headers(files).bytes
                )
                text = json.dumps(asdict(record), indent=2)
                (scratch / RECORD).write_text(text, "utf-8")
                self._discard(key)
                scratch.replace(self.root / key)
            return ModelFolder(self.root / key, record)

    def _discard(self, pattern: str) -> None:
        """Remove folders; a damaged model first loses its name, then its files."""
        for folder in self.root.glob(pattern):
            doomed = folder.with_name(f".gone-{folder.name}-{time.time_ns()}")
            folder.replace(doomed)
            shutil.rmtree(doomed, ignore_errors=True)

    @contextmanager
    def _scratch(self, key: str) -> Iterator[Path]:
        """A hidden folder beside the models, removed unless it was moved into place."""
        scratch = Path(tempfile.mkdtemp(prefix=f".{key}-", dir=self.root))
        scratch.chmod(0o755)
        try:
            yield scratch
        finally:
            shutil.rmtree(scratch, ignore_errors=True)

    @contextmanager
    def _locked(self, key: str, progress: Progress) -> Iterator[None]:
        with _told(self.root):
            self.root.mkdir(parents=True, exist_ok=True)
            lock = FileLock(self.root / f".{key}.lock")
            _acquire(lock, progress)
        try:
            yield
        finally:
            lock.release()


def _acquire(lock: FileLock, progress: Progress) -> None:
    """Take a file lock, saying so while another process holds it."""
    deadline = time.monotonic() + MAX_WAIT_S
    while True:
        try:
            lock.acquire(timeout=1.0)
        except Timeout:
            progress("Waiting for another process that makes this model ready", None)
            if time.monotonic() > deadline:
                raise ModelUnavailable(
                    f"Another process has held {lock.lock_file} for an hour.",
                    "End that process and try again.",
                ) from None
        else:
            return


@contextmanager
def _told(root: Path) -> Iterator[None]:
    """Turn what a disk can refuse into words."""
    try:
        yield
    except (OSError, SafetensorError) as error:
        if is_full(error):
            raise ModelUnavailable(f"No disk space is left in {root}.", HINT) from error
        raise ModelUnavailable(
            f"The cache folder {root} cannot be used: {error}",
            "Let EXPLORER_CACHE name a folder that can be written to.",
        ) from error
