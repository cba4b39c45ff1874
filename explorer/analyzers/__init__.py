"""Analyzers: functions of a continuation, one file each."""

from collections.abc import Sequence

from explorer.analyzers import distinct, entropy, repetition, surprisal
from explorer.core.analyzer import AnalyzerInfo
from explorer.core.catalog import Catalog
from explorer.core.types import TokenStep

ALL: tuple[AnalyzerInfo, ...] = (
    entropy.MEAN_ENTROPY,
    surprisal.MEAN_SURPRISAL,
    surprisal.PERPLEXITY,
    repetition.REP_2,
    repetition.REP_3,
    repetition.REP_4,
    repetition.DIVERSITY,
    distinct.DISTINCT_2,
)
"""Order here is order of the columns."""

CATALOG: Catalog[AnalyzerInfo] = Catalog("metric", ALL)


def measure(steps: Sequence[TokenStep]) -> dict[str, float | None]:
    """Every metric of a continuation, by name; information quantities in nats."""
    return {info.name: info.run(steps) for info in ALL}
