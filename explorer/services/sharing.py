"""A set-up as a link or as code, and a link as a set-up."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from explorer.core.errors import InvalidParams
from explorer.services import checks
from explorer.services.offered import OfferedModels
from explorer.services.permalink import as_data, decode_link, encode_link, link_state
from explorer.services.snippet import package_snippet, transformers_snippet


class SharingDesk:
    """Answers what the Compare page's buttons ask.

    Args:
        models: which may be named; a link is a stranger's, and names no other.
    """

    def __init__(self, models: OfferedModels) -> None:
        self._models = models

    def answer(self, _session: str, asked: Mapping[str, Any]) -> dict[str, Any]:
        """The answer to one question (docs/wire.md, "share").

        Raises:
            ExplorerError: for a question that cannot be answered.
        """
        kind = asked.get("ask")
        if kind == "link":
            return {"link": encode_link(link_state(asked.get("state")))}
        if kind == "code":
            state = link_state(asked.get("state"))
            lane = checks.whole("lane", asked.get("lane", 0), 0, len(state.lanes) - 1)
            theirs = transformers_snippet(state, lane)
            return {
                "explorer": package_snippet(state).code,
                "transformers": theirs.code,
                "reason": theirs.reason,
                "lane": state.lanes[lane],
            }
        if kind == "open":
            link = asked.get("link")
            if not isinstance(link, str):
                raise InvalidParams(f"The link is {checks.shown(link)}.", "Copy it again.")
            held = decode_link(link)
            return {"state": as_data(held), "offered": held.model in self._models.names()}
        raise InvalidParams(f"{checks.shown(kind)} is no question.", "Reload the page.")
