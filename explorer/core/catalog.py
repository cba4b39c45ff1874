"""An immutable name -> item table with an error that helps."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from typing import Generic, Protocol, TypeVar

from explorer.core.errors import UnknownName


class Named(Protocol):
    """Anything with a name."""

    @property
    def name(self) -> str:
        """Its unique snake_case name."""


T = TypeVar("T", bound=Named)


def did_you_mean(name: str, known: Iterable[str]) -> str | None:
    """The known name nearest to a mistyped one, or None.

    >>> did_you_mean("nucelus", ["greedy", "nucleus"])
    'nucleus'
    """
    options = list(known)
    folded = name.lower().replace("-", "_").replace(" ", "_")
    if folded in options:
        return folded
    near = difflib.get_close_matches(folded, options, n=1, cutoff=0.5)
    return near[0] if near else None


class Catalog(Generic[T]):
    """Items by name, in the order given.

    Args:
        kind: what the items are, for messages ("decoder").
        items: the items; a repeated name is an error.
        aliases: names used elsewhere ("top_p") and what they are called here; they are
            suggested, never accepted, so that every spec has one spelling.
    """

    def __init__(
        self, kind: str, items: Iterable[T], aliases: dict[str, str] | None = None
    ) -> None:
        self._kind = kind
        self._items: dict[str, T] = {}
        self._aliases = aliases or {}
        for item in items:
            if item.name in self._items:
                raise ValueError(f"{kind} '{item.name}' stands in the catalogue twice")
            self._items[item.name] = item

    def __getitem__(self, name: str) -> T:
        """The item of that name.

        Raises:
            UnknownName: with the nearest right name and the list of all.
        """
        try:
            return self._items[name]
        except KeyError:
            raise self.unknown(name) from None

    def unknown(self, name: str) -> UnknownName:
        """The error for a name that is not here."""
        folded = name.lower().replace("-", "_")
        near = self._aliases.get(folded) or did_you_mean(name, self._items)
        guess = f" Did you mean '{near}'?" if near else ""
        return UnknownName(
            f"Unknown {self._kind} '{name}'.{guess}", f"Available: {', '.join(sorted(self))}."
        )

    def aliases_of(self, name: str) -> tuple[str, ...]:
        """What an item is called elsewhere."""
        return tuple(alias for alias, meant in self._aliases.items() if meant == name)

    def __contains__(self, name: object) -> bool:
        return name in self._items

    def __iter__(self) -> Iterator[str]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def items(self) -> tuple[T, ...]:
        """All items, in order."""
        return tuple(self._items.values())
