"""The model that is shipped: whole, small, loadable by anyone, and a language model."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from explorer.core.models import HFModel
from explorer.services.generation import generate
from explorer.services.loading import load_model
from explorer.services.model_sources import TINY_FOLDER, Sources, find_model

PROMPT = "Once upon a time there was a little girl named"


@pytest.fixture(scope="module")
def tiny() -> HFModel:
    return load_model("tiny")


def test_it_lies_in_the_project_and_needs_no_network(tmp_path: Path) -> None:
    def no_network(*_: object, **__: object) -> None:
        raise AssertionError("the network was asked")

    found = find_model("tiny", sources=Sources(cache=tmp_path, wheel=no_network))
    assert found.path == TINY_FOLDER
    assert found.record.source == "this project's own files"  # where that lies is nobody's business
    assert found.record.licence == "apache-2.0"
    assert (TINY_FOLDER / "model.safetensors").stat().st_size <= 12_000_000
    assert sum(f.stat().st_size for f in TINY_FOLDER.iterdir()) < 14_000_000
    assert not list(TINY_FOLDER.glob("*.bin"))


def test_transformers_loads_it_as_it_is_and_says_the_same(tiny: HFModel) -> None:
    model = AutoModelForCausalLM.from_pretrained(TINY_FOLDER, dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(TINY_FOLDER)
    ids = tokenizer(PROMPT, return_tensors="pt").input_ids
    out = model.generate(ids, max_new_tokens=30, do_sample=False, pad_token_id=0)
    (trace,) = generate(tiny, PROMPT, ["greedy"], max_new_tokens=30)
    assert list(trace.prompt.ids) == ids[0].tolist()
    assert list(trace.token_ids) == out[0, ids.shape[1] :].tolist()
    assert model.config.max_position_embeddings == 512


def test_its_tokenizer_gives_every_byte_back(tiny: HFModel) -> None:
    for text in ("The end.", " 1234 apples", "naïve “quotes” 你好 🙂", "\n\n\ttabs  and   spaces "):
        ids = tiny.tokenizer.encode_continuation(text)
        assert b"".join(tiny.tokenizer.token_bytes(i) for i in ids).decode() == text
    assert len(tiny.tokenizer.encode_continuation("1234")) == 4  # digits stay single


def test_greedy_loops_on_it_and_nucleus_does_not(tiny: HFModel) -> None:
    specs = ["greedy", "nucleus:p=0.95"]
    prompts = [PROMPT, "The old king had three sons, and the youngest", "The wind blew the hat off"]
    loops = [generate(tiny, p, specs, 300, 1) for p in prompts]
    assert any(greedy.loops for greedy, _ in loops)
    assert not any(sampled.loops for _, sampled in loops)


def test_it_knows_its_domain_better_than_chance_and_better_than_noise(tiny: HFModel) -> None:
    story = "Tom was a small boy. He had a red ball. He liked to play with his ball in the park."
    noise = "park the in ball his with play to liked He ball red a had He boy small a was Tom."
    surprisals = []
    for text in (story, noise):
        ids = tiny.tokenizer.encode(text)
        ((_, logits),) = tiny.score([0, *ids], 1)
        own = logits.log_softmax(-1).gather(1, torch.tensor(ids).unsqueeze(1))
        surprisals.append(-float(own.mean()))
    assert surprisals[0] < 4.0
    assert surprisals[0] < surprisals[1] - 1.0


def test_the_card_says_what_it_is_made_of_and_how() -> None:
    card = (TINY_FOLDER / "README.md").read_text("utf-8")
    for heading in ("## Data", "## Training", "## Figures", "## Continuations", "## Licence"):
        assert heading in card
    assert card.count("\n- **") == 40  # 20 greedy and 20 sampled continuations
    curve = [json.loads(line) for line in (TINY_FOLDER / "curve.jsonl").read_text().splitlines()]
    assert curve[-1]["loss"] < curve[0]["loss"]
