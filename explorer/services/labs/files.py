"""What a lab's run leaves in a folder."""

from __future__ import annotations

import json
from pathlib import Path

from explorer.core.errors import InvalidParams
from explorer.core.trace_io import write_traces
from explorer.render.results_page import results_page
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
