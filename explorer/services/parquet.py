"""Traces as a Parquet table: one row a token, as pandas, DuckDB and datasets read it.

The table has the columns of the CSV file, and three lists a token: the likeliest tokens with
both log-probabilities. What belongs to a whole trace stands in each of its rows; the file holds
it once.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from explorer.core.atomic_file import replacing
from explorer.core.errors import NotCapable
from explorer.core.types import Trace
from explorer.services.token_table import COLUMNS, token_row

ROWS_A_GROUP = 50_000
"""Tokens held, as arrays, before they are written."""
ROWS_AT_ONCE = 2_000
"""Tokens held as Python values, which take ten times the room of arrays."""
_LONG_SEED = 2**63


def write_parquet(path: Path, traces: Iterable[Trace]) -> None:
    """Write a Parquet table, nats throughout; a cut token's log-probability is null.

    A seed past 64 bits is written as null: the table has no wider column.

    Raises:
        NotCapable: where pyarrow, an optional extra, is not installed.
    """
    pa, parquet = arrow()
    schema = _schema(pa)
    with replacing(path) as temporary, parquet.ParquetWriter(temporary, schema) as writer:
        rows = _rows(traces)
        while batches := list(_batches(pa, schema, islice(rows, ROWS_A_GROUP))):
            table = pa.Table.from_batches(batches, schema=schema)
            # Each batch numbered the texts it holds anew; a group has one numbering.
            writer.write_table(table.unify_dictionaries().combine_chunks())


def _batches(pa: Any, schema: Any, rows: Iterator[tuple[object, ...]]) -> Iterator[Any]:
    while some := list(islice(rows, ROWS_AT_ONCE)):
        columns = zip(*some, strict=True)
        arrays = [pa.array(c, field.type) for c, field in zip(columns, schema, strict=True)]
        yield pa.RecordBatch.from_arrays(arrays, schema=schema)


def arrow() -> tuple[Any, Any]:
    """pyarrow and its Parquet module.

    Raises:
        NotCapable: where it, an optional extra, is not installed.
    """
    try:
        return importlib.import_module("pyarrow"), importlib.import_module("pyarrow.parquet")
    except ImportError:
        raise NotCapable(
            "Parquet needs pyarrow, which is not installed.", "Run: pip install pyarrow."
        ) from None


def _schema(pa: Any) -> Any:
    text, whole, number = pa.string(), pa.int64(), pa.float64()
    # A few texts stand in every row of a trace: the file and its readers hold each once.
    repeated = pa.dictionary(pa.int32(), text)
    return pa.schema(
        [
            ("trace", whole),
            ("decoder", repeated),
            ("seed", whole),
            ("index", whole),
            ("token_id", whole),
            ("piece", text),
            ("surprisal_nats", number),
            ("entropy_nats", number),
            ("varentropy_nats2", number),
            ("rank", whole),
            ("sampling_surprisal_nats", number),
            ("sampling_entropy_nats", number),
            ("support_size", whole),
            ("stop_reason", repeated),
            ("model", repeated),
            ("model_digest", repeated),
            ("prompt", repeated),
            ("given", pa.bool_()),
            ("top_ids", pa.list_(whole)),
            ("top_logprobs", pa.list_(number)),
            ("top_sampling_logprobs", pa.list_(number)),
        ]
    )


_SEED = COLUMNS.index("seed")


def _rows(traces: Iterable[Trace]) -> Iterator[tuple[object, ...]]:
    for number, trace in enumerate(traces):
        seed = trace.seed if -_LONG_SEED <= trace.seed < _LONG_SEED else None
        for step in trace.steps:
            row = list(token_row(number, trace, step))
            row[_SEED] = seed
            yield (
                *row,
                trace.model.id,
                trace.model.digest,
                trace.prompt.text,
                step.index < trace.given,
                [c.token_id for c in step.top],
                [_null(c.logprob) for c in step.top],
                [_null(c.sampling_logprob) for c in step.top],
            )


def _null(logprob: float) -> float | None:
    return None if logprob == -math.inf else logprob
