"""What a lab's run leaves in a folder."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from explorer.core.errors import InvalidParams
from explorer.core.trace_io import write_traces
from explorer.render.results_page import results_page
from explorer.services.labs.catalog_view import claims_markdown
from explorer.services.labs.running import LabRun


def write_run(run: LabRun, folder: Path) -> None:
    """results.json, page.html (its figures), and traces.jsonl where there are traces.

    Raises:
        InvalidParams: where the folder cannot be written.
    """
    data = run.as_data()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        text = json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False)
        (folder / "results.json").write_text(text + "\n", encoding="utf-8")
        (folder / "page.html").write_text(results_page(data), encoding="utf-8")
        if run.traces:
            write_traces(folder / "traces.jsonl", run.traces)
    except OSError as error:
        raise InvalidParams(
            f"'{folder}' cannot be written: {error.strerror}.", "Name another folder."
        ) from None


def claims_part(path: Path, model: str) -> tuple[str, str]:
    """The text of a file before and after the table of a model's claims.

    The table stands between `<!-- claims of MODEL -->` and `<!-- end of claims of MODEL -->`.

    Raises:
        InvalidParams: where the file cannot be read, or has no such part.
    """
    begin, end = f"<!-- claims of {model} -->\n", f"<!-- end of claims of {model} -->"
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        raise InvalidParams(f"'{path}' cannot be read.", "Name a Markdown file.") from None
    before, first, rest = text.partition(begin)
    _, last, after = rest.partition(end)
    if not first or not last:
        raise InvalidParams(
            f"'{path}' has no place for the claims of '{model}'.",
            f"Name the model by --model, and put a line {begin.strip()} and a line {end} into it.",
        )
    return before + first, last + after


def write_claims(path: Path, model: str, runs: Sequence[LabRun]) -> None:
    """Put the table of some runs' claims into a file, in place of the one before.

    Raises:
        InvalidParams: as `claims_part`, or where the file cannot be written.
    """
    before, after = claims_part(path, model)
    try:
        path.write_text(f"{before}\n{claims_markdown(runs)}\n\n{after}", encoding="utf-8")
    except OSError as error:
        raise InvalidParams(f"'{path}' cannot be written: {error.strerror}.") from None
