"""What the page asks of spaces before anything of them is loaded."""

from __future__ import annotations

import pytest
import torch

from explorer.core.errors import ModelUnavailable
from explorer.latent import checkpoints, spaces
from explorer.latent.kinds import AUTOENCODERS
from explorer.latent.spaces import learned_bounds, load_space
from explorer.services.latent.worlds import worlds


def test_bounds_and_titles_are_those_of_the_loaded_space() -> None:
    for world in worlds():
        for about in world["spaces"]:
            if about["name"] not in AUTOENCODERS:
                continue
            space = load_space(world["name"], about["name"], about["sizes"][0])
            low, high = learned_bounds(world["name"], about["name"], about["sizes"][0])
            assert (low, high) == (space.low.tolist(), space.high.tolist())
            assert (about["title"], about["paper"]) == (space.title, space.paper)
            assert (about["prior"], about["boxes"]) == (space.prior, False)


def test_no_learned_space_is_loaded_for_the_pages_boxes(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded: list[str] = []
    usual = spaces.load_network
    monkeypatch.setattr(
        spaces, "load_network", lambda folder: loaded.append(folder.name) or usual(folder)
    )
    spaces._load.cache_clear()
    worlds()
    assert not [name for name in loaded if not name.startswith("lm")]


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf")])
def test_weights_that_are_no_numbers_are_found(bad: float, tmp_path) -> None:
    good = torch.linspace(-3, 3, 1001).half()
    wanted = {"w": torch.empty(1001)}
    checkpoints._check(tmp_path, {"w": good}, wanted)
    for place in (0, 500, 1000):
        broken = good.clone()
        broken[place] = bad
        with pytest.raises(ModelUnavailable, match="no finite numbers"):
            checkpoints._check(tmp_path, {"w": broken}, wanted)
