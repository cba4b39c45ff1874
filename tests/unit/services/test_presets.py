"""Presets can be run as they stand, fit beside each other, and name every family."""

from __future__ import annotations

import pytest

from explorer.decoders import CATALOG
from explorer.decoders.spec import parse
from explorer.services.generation import read_specs
from explorer.services.presets import DEFAULT_PRESET, EXAMPLES, PRESETS


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_a_run(name: str) -> None:
    chains = read_specs(PRESETS[name])  # at most 8 lanes and 64 rows
    texts = [chain.canonical for chain in chains]
    assert len(set(texts)) == len(texts)
    if name not in ("all neutral", "temperature ladder"):  # whose point is a stage at 1 or 0
        assert all(chain.muted == () for chain in chains)
        stages = [stage for chain in chains for stage in (*chain.processors, chain.chooser)]
        idle = {n for stage in stages for n in stage.idle if stage.info.name != "best_of_n"}
        assert idle <= {"dimensions"}


def test_every_family_has_a_preset_that_shows_it() -> None:
    shown = {
        stage.info.family
        for specs in PRESETS.values()
        for spec in specs
        for chain in [parse(spec)]
        for stage in (*chain.processors, chain.chooser)
    }
    assert shown == {info.family for info in CATALOG.items()}


def test_examples_name_presets_that_exist() -> None:
    assert DEFAULT_PRESET in PRESETS
    assert {example.preset for example in EXAMPLES} - {""} <= set(PRESETS)
