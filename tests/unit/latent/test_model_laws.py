"""AriEL over language models: one way to compute a law, so that texts come back."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from fakes import LetterTokenizer, NumberTokenizer, ScriptedModel, hashed_script, tiny_llama

from explorer.core import kv_cache
from explorer.core.errors import InvalidParams, NumericalFailure
from explorer.core.models import HFModel
from explorer.latent.ariel import Ariel, Decoded
from explorer.latent.model_laws import ModelLaws


def llama():
    return HFModel.from_parts(tiny_llama(0), NumberTokenizer(), id="tiny")


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # a model this small only waits for the others
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def forwards(monkeypatch):
    found = []
    step = kv_cache.KVBatch.step

    def counted(batch, token_ids):
        found.append(list(token_ids))
        return step(batch, token_ids)

    monkeypatch.setattr(kv_cache.KVBatch, "step", counted)
    return found


@pytest.mark.parametrize("dimensions", [1, 2, 64])
def test_two_hundred_tokens_of_a_transformer_come_back(dimensions):
    model = llama()
    tokens = tuple(int(n) for n in np.random.default_rng(dimensions).integers(1, 97, 200))
    point = Ariel(ModelLaws(model, [5, 6]), dimensions).encode(tokens)
    # another object knows none of the laws that the first has kept
    fresh = Ariel(ModelLaws(model, [5, 6], recent=3), dimensions)
    assert fresh.decode(point) == Decoded(tokens, True)


def test_what_points_say_is_encoded_to_boxes_that_hold_them():
    laws = ModelLaws(llama(), [5])
    ariel = Ariel(laws, 2, max_tokens=30)
    for point in np.random.default_rng(0).random((8, 2)).tolist():
        decoded = ariel.decode(point)
        assert ariel.box(decoded.tokens, ended=decoded.ended).holds(tuple(point))


def test_volumes_are_the_probabilities_of_the_model():
    model = llama()
    prompt, ariel = [5, 6], Ariel(ModelLaws(model, [5, 6]), 3, max_tokens=8)
    tokens = ariel.decode([0.5, 0.3, 0.6]).tokens
    box = ariel.box(tokens)
    whole = [*prompt, *tokens, 0]
    laws = [row for _, block in model.score(whole, 2) for row in block.double().log_softmax(-1)]
    expected = sum(float(law[token]) for law, token in zip(laws, whole[2:], strict=True))
    assert -box.bits * np.log(2) == pytest.approx(expected, abs=1e-4)


def test_all_ends_are_one_end():
    tokenizer = LetterTokenizer()
    tokenizer.eos_ids = frozenset({3, 8})
    weights = [1.0] * 8 + [5.0] + [1.0] * 3
    model = ScriptedModel(lambda _: list(np.log(weights)), tokenizer)
    laws = ModelLaws(model)
    law = laws.laws([()])[0]
    assert (laws.end_id, law.share(8)) == (3, (0, 0))
    assert law.probability(3) == pytest.approx(6 / 16, abs=1e-7)
    assert law.probability(4) == pytest.approx(1 / 16, abs=1e-7)
    assert Ariel(laws, 1).box([4]).volume == pytest.approx(6 / 256, abs=1e-7)
    with pytest.raises(InvalidParams, match="probability 0"):
        Ariel(laws, 1).encode([8])


def test_a_text_read_at_once_has_the_laws_that_are_computed_token_by_token():
    tokenizer = NumberTokenizer()
    tokenizer.eos_ids = frozenset({0, 7})
    laws = ModelLaws(HFModel.from_parts(tiny_llama(0), tokenizer, id="tiny"), [5, 6])
    tokens = (4, 9, 30)
    read = laws.read(tokens)
    assert read.shape == (4, laws.vocab_size)
    for n, row in enumerate(read.double().softmax(-1)):
        law = laws.laws([tokens[:n]])[0]
        expected = [law.probability(i) for i in range(laws.vocab_size)]
        assert row.tolist() == pytest.approx(expected, abs=1e-5)
    assert torch.equal(laws.read(tokens, ended=False), read[:3])
    assert laws.read((), ended=False).shape == (0, laws.vocab_size)


def test_without_a_prompt_texts_begin_after_the_beginning(forwards):
    laws = ModelLaws(llama())
    assert laws.laws([()])[0].total == 2**48
    assert laws.laws([(4,), (4,)])[0] is laws.laws([(4,)])[0]
    assert forwards == [[4]]


def test_rows_step_prefixes_together_from_where_they_stand(forwards):
    model = llama()
    laws = ModelLaws(model, [5], rows=4)
    ariel = Ariel(laws, 2, max_tokens=6)
    points = np.random.default_rng(1).random((10, 2)).tolist()
    found = ariel.decode_many(points)
    assert max(map(len, forwards)) > 1
    batched = len(forwards)
    alone = Ariel(ModelLaws(model, [5]), 2, max_tokens=6).decode_many(points)
    assert found == alone  # six tokens are far above the rounding of a forward
    assert batched < (len(forwards) - batched) / 2


def test_one_row_never_steps_two(forwards):
    Ariel(ModelLaws(llama(), [5]), 2, max_tokens=5).decode_many([[0.1, 0.9], [0.8, 0.2]])
    assert {*map(len, forwards)} == {1}


def test_a_scripted_model_needs_no_library():
    model = ScriptedModel(hashed_script(38, end=1.0), LetterTokenizer())
    ariel = Ariel(ModelLaws(model), 4)
    tokens = tuple(model.tokenizer.encode("any text at all can be encoded, if not likely."))
    assert ariel.decode(ariel.encode(tokens)) == Decoded(tokens, True)


def test_models_and_rows_that_cannot_serve_are_refused():
    endless = LetterTokenizer()
    endless.eos_ids = frozenset()
    with pytest.raises(InvalidParams, match="scripted names no token that ends a text"):
        ModelLaws(ScriptedModel(hashed_script(38), endless))
    headless = LetterTokenizer()
    headless.bos_id = None
    with pytest.raises(InvalidParams, match="names no token that begins a text"):
        ModelLaws(ScriptedModel(hashed_script(38), headless))
    with pytest.raises(InvalidParams, match="0 rows"):
        ModelLaws(ScriptedModel(hashed_script(38)), rows=0)
    broken = ScriptedModel(lambda _: [float("nan")] * 38)
    with pytest.raises(NumericalFailure, match="NaN"):
        Ariel(ModelLaws(broken), 1).decode([0.5])
