"""A sample as a file: a table with one row a point, or one trace a point."""

from __future__ import annotations

import csv
import io
import time
from pathlib import Path

from explorer.core.errors import InvalidParams, NotCapable
from explorer.core.trace_io import write_traces
from explorer.services.latent.samples import Sample
from explorer.services.latent.traces import sample_traces
from explorer.services.latent.worlds import facts

FACTS = ("text", "words", "valid", "novel", "bits", "kind", "rule")


def sample_csv(sample: Sample) -> str:
    """One line a decoded point: its number, its coordinates, and what is known of its sentence.

    Empty cells are "not known"; `bits` is empty where the language's law forbids the sentence.
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    axes = [f"z{k + 1}" for k in range(sample.points.shape[1])]
    writer.writerow(["point", *axes, "ended", *FACTS])
    for number, reading in enumerate(sample.readings):
        row = facts(sample.ref.language, reading.words, reading.ended)
        values = ["" if row.get(name) is None else row[name] for name in FACTS]
        coordinates = [repr(float(z)) for z in sample.points[number]]
        writer.writerow([number, *coordinates, reading.ended, *values])
    return out.getvalue()


def save_sample(sample: Sample | None, folder: Path, kind: str) -> Path:
    """Write a sample.

    Args:
        sample: what was sampled; None where nothing was.
        folder: where to.
        kind: "csv" or "jsonl".

    Raises:
        NotCapable: where nothing was sampled yet.
        InvalidParams: for another kind.
    """
    if sample is None or not sample.readings:
        raise NotCapable("There is nothing to save yet.", "Sample points first.")
    if kind not in ("csv", "jsonl"):
        raise InvalidParams(f"'{kind}' is no format of a sample.", "Use csv or jsonl.")
    path = folder / f"sample-{time.strftime('%Y%m%d-%H%M%S')}.{kind}"
    if kind == "csv":
        path.write_text(sample_csv(sample), encoding="utf-8")
    else:
        write_traces(path, sample_traces(sample))
    return path
