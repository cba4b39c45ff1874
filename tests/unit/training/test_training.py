"""The training of small models: texts, windows, schedule, loop, measure, command."""

from __future__ import annotations

import hashlib
import json
import math
from pathlib import Path

import pytest
import torch
from fakes import LetterTokenizer, ScriptedModel, hashed_script, table_script

from explorer.core.errors import InvalidParams
from explorer.core.models import load_local
from explorer.training.__main__ import main
from explorer.training.bits import bits_per_byte
from explorer.training.config import ModelShape, Schedule, TextSource, read_plan
from explorer.training.corpus import Document, read_documents, split, without_copies
from explorer.training.llama import new_llama
from explorer.training.loop import Training, next_tokens
from explorer.training.stories import append_stories, draw, sample_stories
from explorer.training.windows import Mixture, join

SHAPE = ModelShape(
    vocab_size=300,
    hidden_size=16,
    intermediate_size=32,
    num_hidden_layers=2,
    num_attention_heads=2,
    num_key_value_heads=1,
    max_position_embeddings=32,
)
TALE = "Once upon a time there was a very small fox who lived under the old apple tree and "


# Stories


def test_a_draw_has_the_law_cut_at_a_share_of_the_likeliest() -> None:
    probs = torch.tensor([0.5, 0.3, 0.15, 0.04, 0.01])
    uniforms = (torch.arange(2000) + 0.5) / 2000
    tokens = draw(probs.log().expand(2000, -1), 0.1, uniforms)
    counts = torch.bincount(tokens, minlength=5) / 2000
    assert counts.tolist() == pytest.approx([0.5 / 0.95, 0.3 / 0.95, 0.15 / 0.95, 0, 0], abs=1e-3)
    with pytest.raises(ValueError, match="1/64"):
        draw(probs.log().unsqueeze(0), 0.001, uniforms[:1])


def test_stories_end_by_themselves_or_are_marked_as_cut(tmp_path: Path) -> None:
    model = ScriptedModel(hashed_script(LetterTokenizer().vocab_size, end=6.0), context_length=24)
    stories = list(sample_stories(model, rows=20, seed=1))
    assert len(stories) == 20
    assert {ended for _, ended in stories} == {True, False}
    assert all(len(text) <= 23 for text, _ in stories)
    path = tmp_path / "stories.txt"
    append_stories(model, path, batches=1, rows=5)
    append_stories(model, path, batches=3, rows=5)  # goes on where it stopped
    again = tmp_path / "again.txt"
    append_stories(model, again, batches=3, rows=5)
    assert path.read_text() == again.read_text()
    documents = read_documents(TextSource(name="s", path="stories.txt"), tmp_path)
    assert all("#batch" not in d.text for d in documents)


# Corpus


def test_layouts(tmp_path: Path) -> None:
    long = TALE + "never once left it."
    (tmp_path / "runs.txt").write_text(f"{long}\n\nSecond part.\n{long} Another story.\n")
    (tmp_path / "list.json").write_text(json.dumps([long, {"text": long}, "short"]))
    runs = read_documents(TextSource(name="r", path="runs.txt", layout="runs"), tmp_path)
    assert [d.text.count("\n") for d in runs] == [1, 0]
    assert len(read_documents(TextSource(name="j", path="list.json", layout="json"), tmp_path)) == 2
    with pytest.raises(InvalidParams, match="'gone'"):
        read_documents(TextSource(name="gone", path="gone.txt"), tmp_path)


def test_a_held_out_document_leaves_no_copy_in_the_training_text() -> None:
    documents = [Document(f"{TALE} number {i}.") for i in range(200)]
    _, held = split(documents, 10)
    assert 5 < len(held) < 40
    assert split(documents[::-1], 10)[1] == held[::-1]  # by the text, not by its place
    shared = Document("A fresh line about the sea.\n" + held[0].text)
    kept, dropped = without_copies([shared], held)
    assert (kept, dropped) == ([Document("A fresh line about the sea.")], 1)


# Loop


def trained(folder: Path, steps: int, stop: int | None = None) -> Training:
    folder.mkdir(exist_ok=True)
    stream = join([([5, 6, 7, 8] * 40, True), ([9, 10, 11] * 50, False)], eos_id=0)
    schedule = Schedule(steps=steps, warmup=2, windows=4, context=16, vector_rate=0.01)
    model = new_llama(SHAPE, seed=3)
    training = Training(
        model,
        next_tokens(
            lambda ids: model(input_ids=ids, use_cache=False).logits,
            Mixture((stream,), (1.0,)),
            schedule,
            seed=1,
        ),
        schedule,
        folder=folder,
        tokens=64,
    )
    if stop is None:
        training.run()
    else:
        training.step_until(stop)
    return training


def digest(model: torch.nn.Module) -> str:
    data = b"".join(p.detach().numpy().tobytes() for p in model.parameters())
    return hashlib.sha256(data).hexdigest()


def test_training_learns_is_the_same_twice_and_goes_on_where_it_stopped(tmp_path: Path) -> None:
    once, twice = trained(tmp_path / "a", 30), trained(tmp_path / "b", 30)
    assert digest(once.model) == digest(twice.model)
    trained(tmp_path / "c", 30, stop=13)
    resumed = trained(tmp_path / "c", 30)
    assert digest(resumed.model) == digest(once.model)
    losses = [json.loads(line)["loss"] for line in once.curve.read_text().splitlines()]
    assert losses[-1] < 0.7 * math.log(300)


def test_what_was_run_behind_the_checkpoint_stands_in_the_curve_once(tmp_path: Path) -> None:
    begun = trained(tmp_path, 40, stop=20)
    with begun.curve.open("a") as file:  # killed before the next checkpoint, while it wrote
        file.write('{"step": 30, "loss": 9.0, "tokens_per_s": 1}\n{"step": 40, "lo')
    curve = trained(tmp_path, 40).curve.read_text().splitlines()
    assert [json.loads(line)["step"] for line in curve] == [10, 20, 30, 40]
    assert json.loads(curve[2])["loss"] != 9.0


# Measure


def test_bits_per_byte_are_surprisal_over_bytes() -> None:
    table = {(): {2: 0.5, 3: 0.25, 1: 0.25}}
    model = ScriptedModel(table_script(table, LetterTokenizer().vocab_size))
    found = bits_per_byte(model, ["aab", "b"], window=3)  # ids of a and b: 2 and 3
    assert (found.tokens, found.bytes) == (4, 4)
    assert found.value == pytest.approx((1 + 1 + 2 + 2) / 4)


# The command


def test_from_texts_to_a_model_that_loads(tmp_path: Path, capsys) -> None:
    data, work, out = tmp_path / "data", tmp_path / "work", tmp_path / "model"
    data.mkdir()
    words = [f"w{hashlib.sha256(str(i).encode()).hexdigest()[:3]}" for i in range(1200)]
    tales = "".join(
        " ".join(words[i : i + 20]) + "\n<|endoftext|>\n" for i in range(0, len(words), 20)
    )
    (data / "tales.txt").write_text(tales)
    plan = tmp_path / "plan.toml"
    plan.write_text(
        'name = "toy"\n[model]\nvocab_size = 300\nhidden_size = 16\nintermediate_size = 32\n'
        "num_hidden_layers = 2\nnum_attention_heads = 2\nnum_key_value_heads = 1\n"
        "max_position_embeddings = 160\n[schedule]\nsteps = 12\nwindows = 4\ncontext = 16\n"
        '[[text]]\nname = "tales"\npath = "tales.txt"\nheld_out = 10\nmeasure_as = "tales"\n'
    )
    common = ["--plan", str(plan), "--work", str(work)]
    (data / "tales.txt").write_text("too short")
    other = ["--plan", str(plan), "--work", str(tmp_path / "other"), "--data", str(data)]
    assert main(["prepare", *other]) == 2
    assert "fewer than a window" in capsys.readouterr().err
    (data / "tales.txt").write_text(tales)
    assert main(["prepare", *common, "--data", str(data)]) == 0
    assert main(["train", *common, "--threads", "1"]) == 0
    assert main(["export", *common, "--out", str(out)]) == 0
    assert main(["measure", "--work", str(work), str(out)]) == 0
    assert "bits a byte" in capsys.readouterr().out
    assert main(["samples", str(out)]) == 0
    assert capsys.readouterr().out.count("- **") == 40
    model = load_local(out, id="toy")
    assert model.tokenizer.eos_ids == {0}
    assert model.tokenizer.encode("the fox") == model.tokenizer.encode_continuation("the fox")
    assert "float16" in json.loads((out / "config.json").read_text())["dtype"]
    assert (out / "curve.jsonl").exists()


@pytest.mark.parametrize("text", ["steps = [", "[schedule]\nsteps = 0", 'name = "x"'])
def test_a_bad_plan_is_refused_in_one_line(tmp_path: Path, text: str, capsys) -> None:
    path = tmp_path / "plan.toml"
    path.write_text(text)
    with pytest.raises(InvalidParams, match="plan"):
        read_plan(path)
    assert main(["train", "--plan", str(path), "--work", str(tmp_path)]) == 2
    assert capsys.readouterr().err.count("\n") == 1
