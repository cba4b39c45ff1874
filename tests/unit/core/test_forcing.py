"""Teacher-forced laws are those of the same tokens one by one, whatever shares the forward."""

from __future__ import annotations

import pytest
import torch
from fakes import NumberTokenizer, tiny_gpt2, tiny_llama

from explorer.core import forcing
from explorer.core.errors import InvalidParams, NotCapable
from explorer.core.forcing import forced_laws
from explorer.core.models import HFModel

PROMPT = [5, 6, 7]
ROWS = [[8, 9, 10, 11, 12, 13, 14], [20, 21], [30], [40, 41, 42, 43, 44, 45, 46]]


@pytest.fixture(scope="module", params=[tiny_llama, tiny_gpt2], ids=["llama", "gpt2"])
def model(request) -> HFModel:
    return HFModel.from_parts(request.param(), NumberTokenizer())


@pytest.mark.parametrize("held", [4, 12, 128])
def test_rows_of_any_length_have_the_laws_they_have_alone(model, monkeypatch, held) -> None:
    monkeypatch.setattr(forcing, "LAWS_HELD", held)
    chunks = list(forced_laws(model, PROMPT, ROWS))
    assert [first for first, _ in chunks] == sorted({first for first, _ in chunks})
    assert all(logits[..., 0].numel() <= max(held, 4) for _, logits in chunks)
    together = torch.cat([logits for _, logits in chunks], dim=1)
    assert together.shape[:2] == (4, 7)
    for row, ids in enumerate(ROWS):
        alone = torch.cat([x for _, x in model.score([*PROMPT, *ids], len(PROMPT))])
        assert torch.allclose(together[row, : len(ids)], alone, atol=1e-4)


def test_what_cannot_be_read_is_refused(model) -> None:
    with pytest.raises(InvalidParams, match="no tokens"):
        list(forced_laws(model, [], ROWS))
    with pytest.raises(NotCapable, match="at most 512"):
        list(forced_laws(model, PROMPT, [[1] * 600]))
    batch = model.open_batch()
    list(batch.prefill(PROMPT))
    with pytest.raises(ValueError, match="2 lists of tokens for 1 rows"):
        batch.read([[1], [2]])
