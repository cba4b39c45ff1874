"""Tabs are kept by how lately they asked; whatever leaves is told to end."""

from __future__ import annotations

from explorer.services.tab_store import TabStore


def test_a_tab_has_one_thing_and_the_one_not_asked_for_longest_leaves() -> None:
    ended: list[list[str]] = []
    store = TabStore(lambda session: [session], ended.append, most=2)
    assert store["a"] is store["a"]
    store["b"].append("work")
    assert store["a"] == ["a"]  # asked for again: b is the older one now
    store["c"].append("more")
    assert ended == [["b", "work"]]
    assert store["b"] == ["b"]  # begins anew
    assert ended[-1] == ["a"]


def test_a_closed_tab_is_ended_once_and_an_unknown_one_never() -> None:
    ended: list[str] = []
    store = TabStore(str.upper, ended.append)
    assert store["x"] == "X"
    store.forget("x")
    store.forget("x")
    store.forget("nobody")
    assert ended == ["X"]
