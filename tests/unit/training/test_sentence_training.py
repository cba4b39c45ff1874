"""Networks of the latent spaces: prepared, trained the same twice, taken up, shipped."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from explorer.core.errors import InvalidParams
from explorer.latent.checkpoints import load_network
from explorer.latent.language import digest_of, language
from explorer.latent.learned import LearnedSpace
from explorer.latent.sampling import is_held_out
from explorer.training.__main__ import main
from explorer.training.autoencoder import SentencePlan, train, training_of
from explorer.training.config import read_section
from explorer.training.dialogue import prepare_dialogue, sentences_of, within_vocabulary
from explorer.training.sentences import prepare_toy, read_sentences

PLAN = """
language = "toy"
kind = "{kind}"
dimensions = {dimensions}
embedding = 16
hidden = 16
heads = 2
[schedule]
steps = {steps}
warmup = 2
rows = 16
"""


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def work(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("toy")
    prepare_toy(folder, count=400, seed=0)
    return folder


def plan_of(folder: Path, kind: str, dimensions: int, steps: int = 12) -> Path:
    path = folder / f"{kind}.toml"
    path.write_text(PLAN.format(kind=kind, dimensions=dimensions, steps=steps))
    return path


def copy(work: Path, to: Path) -> Path:
    to.mkdir()
    for path in work.iterdir():
        if path.is_file():
            (to / path.name).write_bytes(path.read_bytes())
    return to


@pytest.mark.parametrize(
    ("kind", "dimensions"), [("vae", 2), ("ae", 3), ("transformer", 2), ("lm", 0)]
)
def test_training_is_the_same_twice_and_goes_on_where_it_stopped(tmp_path, work, kind, dimensions):
    plan = plan_of(tmp_path, kind, dimensions)
    weights = []
    for name in ("once", "twice"):
        train(plan, copy(work, tmp_path / name), tmp_path / f"{name}-out")
        [path] = (tmp_path / f"{name}-out").glob("*/model.safetensors")
        weights.append(path.read_bytes())
    assert weights[0] == weights[1]
    stopped = copy(work, tmp_path / "stopped")
    training_of(read_section(plan, SentencePlan), stopped)[0].step_until(5)
    train(plan, stopped, tmp_path / "stopped-out")
    [path] = (tmp_path / "stopped-out").glob("*/model.safetensors")
    assert path.read_bytes() == weights[0]
    assert path.stat().st_mode & 0o777 == 0o644


def test_what_is_shipped_is_a_space_with_the_box_of_its_codes(tmp_path, work):
    out = tmp_path / "out"
    plan = plan_of(tmp_path, "ae", 2)
    assert train(plan, copy(work, tmp_path / "w"), out) == "toy ae-2: 12 steps"
    sentences = read_sentences(work)
    space = LearnedSpace(*load_network(out / "ae-2"), sentences.words)
    kept = [space.words.words([i for i in row if i]) for row in sentences.ids.tolist()]
    codes = space.encode(kept)
    assert codes.min(0) == pytest.approx(space.low, abs=1e-9)
    assert codes.max(0) == pytest.approx(space.high, abs=1e-9)
    assert (out / "ae-2" / "training.toml").read_text() == plan.read_text()
    curve = (out / "ae-2" / "curve.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in curve] == [10, 12]
    assert set(np.load(out / "seen.npy")) == {digest_of(sentence) for sentence in kept}
    assert load_file(out / "ae-2" / "model.safetensors")["code.weight"].dtype == torch.float16


def test_toy_sentences_are_split_by_their_words_alone(work):
    sentences = read_sentences(work)
    kept = [sentences.words.words([i for i in row if i]) for row in sentences.ids.tolist()]
    assert not any(map(is_held_out, kept))
    assert all(map(is_held_out, sentences.held_out))
    assert len(kept) + len(sentences.held_out) == pytest.approx(400, abs=10)  # repeats held once
    judge = language("toy").judge
    assert judge is not None
    assert all(judge.judge(words).valid for words in (*kept[:40], *sentences.held_out))


def test_batches_are_a_function_of_the_seed_and_the_step(work):
    sentences = read_sentences(work)
    first = sentences.batch(seed=1, step=6, rows=8)
    assert torch.equal(first, sentences.batch(seed=1, step=6, rows=8))
    assert not torch.equal(first, sentences.batch(seed=2, step=6, rows=8))
    assert first.shape[0] == 8
    assert bool((first[:, -1] == 0).all())


# Dialogue


def written(folder: Path, name: str, dialogues: list[dict]) -> None:
    (folder / "dialogue").mkdir(exist_ok=True)
    text = "".join(json.dumps(dialogue) + "\n" for dialogue in dialogues)
    path = folder / "dialogue" / name
    path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())


def test_turns_are_split_cut_to_the_vocabulary_and_the_test_split_is_left_out(tmp_path):
    turns = [
        ["USER", f"Is it number {n}?"] for n in ["one", "two", "three", "four", "five", "six"] * 5
    ]
    written(tmp_path, "guesswhat_human_200.jsonl", [{"qa": [["Is it red?", "No"]]}])
    written(tmp_path, "sgd_train.jsonl.gz", [{"turns": turns}])
    written(tmp_path, "sgd_dev.jsonl.gz", [{"turns": [["USER", "xyzzy plugh"]]}])
    written(tmp_path, "taskmaster4.jsonl.gz", [])
    secret = {"split": "test_freq", "turns": [["a", "is it secret ?"]]}
    written(tmp_path, "topicalchat_validtest.jsonl.gz", [secret])
    assert "words" in prepare_dialogue(tmp_path, tmp_path / "work", words=11)
    sentences = read_sentences(tmp_path / "work")
    kept = {sentences.words.words([i for i in row if i]) for row in sentences.ids.tolist()}
    everything = kept | set(sentences.held_out)
    assert ("is", "it", "number", "one", "?") in everything
    assert not any("secret" in words or "xyzzy" in words for words in everything)
    often = 19 * sum(words == ("is", "it", "red", "?") for words in kept)
    assert len(kept) == len(sentences.ids) - often  # each once, questions of the game oftener


def test_long_turns_give_the_sentences_they_consist_of():
    long = (
        "thanks",
        "a",
        "lot",
        ".",
        *["we", "will", "see", "you", "there", "at", "noon", "then"],
        "?",
        "yes",
    )
    assert list(sentences_of(long)) == [long[:4], long[4:13]]
    assert list(sentences_of(("hi",))) == []


def test_words_that_nothing_is_left_of_are_dropped():
    found = [("a", "b"), ("a", "b"), ("a", "c"), ("z", "q", "r")]
    words, kept = within_vocabulary([], found, 4)
    assert kept == [("a", "b"), ("a", "c")]
    assert words == ("a", "b", "c")
    assert within_vocabulary([("z", "q", "r")], found, 3)[0] == ("q", "r", "z")


# Failures


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("steps = 12", "steps = 0"), "schedule.steps"),
        (('kind = "ae"', 'kind = "gan"'), "No network is a 'gan'"),
        (("rows = 16", "rows = 16\nrow = 1"), "row"),
    ],
)
def test_plans_are_checked(tmp_path, work, change, said, capsys):
    plan = plan_of(tmp_path, "ae", 2)
    plan.write_text(plan.read_text().replace(*change))
    assert main(["autoencoder", "--plan", str(plan), "--work", str(work)]) == 2
    assert said in capsys.readouterr().err


def test_a_work_folder_without_sentences_is_named(tmp_path):
    with pytest.raises(InvalidParams, match="toy"):
        read_sentences(tmp_path)
    with pytest.raises(InvalidParams, match="guesswhat"):
        prepare_dialogue(tmp_path, tmp_path / "w")
