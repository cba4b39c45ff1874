"""Trained spaces: what a point says depends on the point alone; files are checked before use."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import numpy as np
import pytest
import torch
from latent_nets import VOCABULARY, saved, space_of
from safetensors.torch import load_file, save_file

from explorer.core.errors import InvalidParams, ModelUnavailable
from explorer.latent.checkpoints import load_network
from explorer.latent.learned import LearnedSpace
from explorer.latent.nets import END, padded, shifted, surprisal, weights_of
from explorer.latent.space import Words

KINDS = ("vae", "ae", "transformer")
SENTENCES = [("a", "b", "c"), ("k",), tuple("abcdef"), ("j", "j")]


@pytest.fixture(scope="module", params=KINDS)
def space(request, tmp_path_factory) -> LearnedSpace:
    return space_of(tmp_path_factory.mktemp(request.param), request.param)


def test_what_a_point_says_does_not_depend_on_the_points_beside_it(space):
    points = np.random.default_rng(0).uniform(-3, 3, (600, 2))
    together = space.decode(points)
    assert len({reading.words for reading in together}) > 12
    assert [space.decode([point])[0] for point in points[:60]] == together[:60]
    order = np.random.default_rng(1).permutation(600)
    assert space.decode(points[order]) == [together[i] for i in order]


def test_a_code_does_not_depend_on_the_sentences_beside_it(space):
    together = space.encode(SENTENCES)
    assert together.shape == (4, 2)
    assert (space.encode(SENTENCES[::-1])[::-1] == together).all()
    assert all((space.encode([s])[0] == z).all() for s, z in zip(SENTENCES, together, strict=True))


def test_steps_say_what_the_whole_sentence_says(space):
    net, codes = space._net, torch.from_numpy(space.encode(SENTENCES))
    ids = padded([space.words.ids(s, 6) for s in SENTENCES])
    whole = net.logits(codes, ids)
    state = net.open(codes)
    for place, before in enumerate(shifted(ids).T):
        logits, state = net.step(state, before)
        # Rounded states move logits by about as much as float32 would.
        assert torch.allclose(logits, whole[:, place], atol=1e-2)


def test_greedy_words_are_the_likeliest_ones(space):
    points = np.random.default_rng(2).uniform(-2, 2, (50, 2))
    readings = space.decode(points)
    chosen = [i for i, reading in enumerate(readings) if reading.words]
    ids = padded([space.words.ids(readings[i].words, 6) for i in chosen])
    logits = space._net.logits(torch.from_numpy(points[chosen]), ids)
    right = logits.argmax(-1) == ids
    real = weights_of(ids)
    for row, i in enumerate(chosen):
        length = len(readings[i].words) + readings[i].ended
        assert bool(right[row, real[row]][:length].all())
    assert all(reading.ended or len(reading.words) == 6 for reading in readings)


def test_far_points_say_something(space):
    readings = space.decode([[1e300, -1e300], [1e308, 1e308], [0, 0]])
    assert len(readings) == 3
    assert space.decode([]) == []
    assert space.encode([]).shape == (0, 2)


def test_what_is_told_is_teacher_forced(space):
    hits, nats = space.told(SENTENCES)
    assert [len(hit) for hit in hits] == [len(s) + 1 for s in SENTENCES]
    for sentence, own, hit in zip(SENTENCES, nats, hits, strict=True):
        ids = padded([space.words.ids(sentence, 6)])
        logits = space._net.logits(torch.from_numpy(space.encode([sentence])), ids)
        assert float(surprisal(logits, ids)) == pytest.approx(own, abs=1e-9)
        assert (logits.argmax(-1) == ids)[0].tolist() == hit.tolist()


@pytest.mark.parametrize(
    ("points", "said"),
    [([[0.0]], "1 coordinates"), ([[0.0, float("nan")]], "is nan"), ([[0.0] * 3], "3 coordinates")],
)
def test_points_that_are_none_are_refused(space, points, said):
    with pytest.raises(InvalidParams, match=said):
        space.decode(points)


@pytest.mark.parametrize(
    ("words", "said"),
    [((), "no word"), (("a",) * 500, "500 words"), (("a", "zebra"), "Word 2, 'zebra'")],
)
def test_sentences_without_a_place_are_refused(space, words, said):
    with pytest.raises(InvalidParams, match=said):
        space.encode([words])


# Rows of ids


def test_rows_are_filled_up_and_only_what_is_real_counts():
    ids = padded([(3, 4), (5,)])
    assert ids.tolist() == [[3, 4, END], [5, END, END]]
    assert shifted(ids).tolist() == [[END, 3, 4], [END, 5, END]]
    assert weights_of(ids).tolist() == [[True, True, True], [True, True, False]]
    nats = surprisal(torch.zeros(2, 3, 8), ids)
    assert nats.tolist() == pytest.approx([3 * np.log(8), 2 * np.log(8)])


# Files


def test_models_load_without_a_network(tmp_path, monkeypatch):
    folder = saved(tmp_path, "vae")

    def closed(*_args, **_kwargs):
        raise AssertionError("a network was asked for")

    monkeypatch.setattr(socket, "socket", closed)
    net, config = load_network(folder)
    assert config.shape.dimensions == 2
    assert all(p.dtype == torch.float64 and not p.requires_grad for p in net.parameters())


def test_pickled_weights_are_refused(tmp_path):
    folder = saved(tmp_path, "ae")
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(ModelUnavailable, match="pickle"):
        load_network(folder)


def test_damaged_files_are_named(tmp_path):
    folder = saved(tmp_path, "ae")
    path = folder / "model.safetensors"
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ModelUnavailable, match=r"model\.safetensors"):
        load_network(folder)
    path.unlink()
    with pytest.raises(ModelUnavailable):
        load_network(folder)


def changed(folder: Path, change) -> None:
    path = folder / "model.safetensors"
    tensors = load_file(path)
    change(tensors)
    save_file(tensors, path)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda t: t.pop("code.bias"), "no 'code.bias'"),
        (lambda t: t.update(extra=torch.zeros(2)), "does not know"),
        (lambda t: t["code.bias"].fill_(float("nan")), "finite"),
        (lambda t: t.update({"code.bias": torch.zeros(9)}), "'code.bias' of shape"),
    ],
)
def test_other_tensors_than_the_shape_asks_for_are_refused(tmp_path, change, said):
    folder = saved(tmp_path, "ae")
    changed(folder, change)
    with pytest.raises(ModelUnavailable, match=said):
        load_network(folder)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda c: c.update(low=[0.0]), "box"),
        (lambda c: c["shape"].update(kind="gan"), "shape.kind"),
        (lambda c: c.update(code="import os"), "code"),
        (lambda c: c["shape"].update(hidden=10**9), "hidden"),
    ],
)
def test_other_settings_are_refused_before_anything_is_loaded(tmp_path, change, said):
    folder = saved(tmp_path, "ae")
    config = json.loads((folder / "config.json").read_text())
    change(config)
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelUnavailable, match=said):
        load_network(folder)


def test_a_network_of_another_language_is_refused(tmp_path):
    with pytest.raises(InvalidParams, match="11 words, the language 2"):
        LearnedSpace(*load_network(saved(tmp_path, "ae")), Words(("a", "b")))
    assert len(VOCABULARY) == 11
