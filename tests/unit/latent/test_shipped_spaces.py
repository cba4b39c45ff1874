"""What the project ships: every network loads, says sentences, and stays within its size."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from latent_small import chi_square

from explorer.latent.checkpoints import read_config
from explorer.latent.language import LANGUAGES, SHIPPED, language
from explorer.latent.space import ArielSpace, Words
from explorer.latent.spaces import load_space, spaces, word_laws
from explorer.latent.table import drawn, held_out_sentences

MODELS = sorted(path.parent for path in SHIPPED.glob("*/*/config.json"))
MOST_BYTES = 24_000_000


def test_all_files_together_stay_within_their_size():
    assert sum(path.stat().st_size for path in SHIPPED.rglob("*") if path.is_file()) < MOST_BYTES
    assert not [path for path in SHIPPED.rglob("*") if path.suffix in (".pt", ".bin", ".pkl")]


@pytest.mark.parametrize("folder", MODELS, ids=lambda p: f"{p.parent.name}-{p.name}")
def test_every_model_has_its_plan_and_its_curve(folder):
    config = read_config(folder)
    spoken = language(folder.parent.name)
    assert config.language == spoken.name
    assert config.shape.vocab_size == len(spoken.vocabulary) + 1
    assert all(low < high for low, high in zip(config.low, config.high, strict=True))
    assert (folder / "training.toml").exists()
    assert (folder / "curve.jsonl").read_text().count("\n") > 50


@pytest.mark.parametrize("name", LANGUAGES)
def test_every_space_reads_and_writes(name):
    spoken = language(name)
    sentences = held_out_sentences(spoken, 4)
    assert len(spoken.seen) > 50_000
    assert (np.diff(spoken.seen.astype(object)) > 0).all()
    for space_name, sizes in spaces(name).items():
        space = load_space(name, space_name, sizes[1] if len(sizes) > 2 else sizes[0])
        codes = space.encode(sentences)
        assert (codes >= space.low - 1).all()
        readings = space.decode(drawn(space, 40, "uniform", 0))
        assert len({reading.words for reading in readings}) > 10
        assert space.title
        if space_name.startswith("ariel"):
            assert [r.words for r in space.decode(codes)] == sentences


def test_the_trained_law_of_the_toy_language_follows_its_grammar():
    judge = language("toy").judge
    assert judge is not None
    space = load_space("toy", "ariel_lm", 2)
    readings = space.decode(drawn(space, 200, "uniform", 0))
    assert sum(judge.judge(r.words).valid for r in readings) > 170


@pytest.mark.parametrize(("name", "dimensions"), [("toy", 2), ("dialogue", 1)])
def test_first_words_of_uniform_points_follow_the_trained_law(name, dimensions):
    laws = word_laws(name)
    words = Words(language(name).vocabulary)
    space = ArielSpace(laws, words, dimensions, max_words=1)
    readings = space.decode(drawn(space, 20_000, "uniform", 7))
    law = laws.laws([laws.start])[0]
    expected: dict[object, float] = {
        words.words([i] if i else []): 20_000 * law.probability(i) for i in range(len(words))
    }
    observed: dict[object, int] = dict(Counter(reading.words for reading in readings))
    rare = [said for said, number in expected.items() if number < 5]
    observed["rare"] = sum(observed.pop(said, 0) for said in rare)
    expected["rare"] = sum(expected.pop(said) for said in rare)
    statistic, limit = chi_square(observed, expected)
    assert statistic < limit
