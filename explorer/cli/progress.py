"""Progress on a terminal: a bar on stderr where a person looks, silence elsewhere."""

from __future__ import annotations

import sys
from types import TracebackType

from tqdm import tqdm


class LoadBar:
    """Shows how far a model is; use as the `progress` of a load."""

    def __init__(self) -> None:
        self._bar: tqdm[None] | None = None
        self._what = ""

    def __call__(self, what: str, fraction: float | None) -> None:
        """Show a stage and, where it is known, its share done."""
        if not sys.stderr.isatty():
            return
        if what != self._what or self._bar is None:
            self.close()
            self._what = what
            layout = "{desc}: {percentage:3.0f}%|{bar}| {elapsed}"
            self._bar = tqdm(total=1000, desc=what, bar_format=layout, leave=False, ncols=78)
        if fraction is not None:
            self._bar.n = int(fraction * 1000)
        self._bar.refresh()

    def close(self) -> None:
        """Take the bar off the screen."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def __enter__(self) -> LoadBar:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def token_bar(total: int) -> tqdm[None]:
    """A bar over the columns of a run."""
    return tqdm(
        total=total,
        desc="tokens",
        unit="token",
        leave=False,
        ncols=78,
        disable=not sys.stderr.isatty(),
    )
