"""`python -m explorer.training`: from texts to a model folder.

stories  sample stories from a larger model
prepare  texts of a plan -> tokenizer and token arrays in a work folder
train    the loop, from where it stopped
export   the work folder's checkpoint -> a model folder
measure  bits per byte of any models on the held-out texts
toy, dialogue  sentences of a language, for the latent spaces -> a work folder
autoencoder    one network of a latent space, from its plan -> a model folder
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

from explorer.core.deferred import torch
from explorer.core.errors import ExplorerError, InvalidParams
from explorer.core.models import load_local
from explorer.training.autoencoder import train
from explorer.training.bits import bits_per_byte
from explorer.training.bpe import save_tokenizer, train_bpe
from explorer.training.config import TrainingPlan, read_plan
from explorer.training.corpus import Document, read_documents, split, without_copies
from explorer.training.dialogue import prepare_dialogue
from explorer.training.llama import new_llama, save_model
from explorer.training.loop import Training, next_tokens
from explorer.training.samples import samples_page
from explorer.training.sentences import prepare_toy
from explorer.training.stories import ENDED, append_stories
from explorer.training.windows import Mixture, join

BPE_CHARACTERS = 8_000_000
"""Text a source may give to the tokenizer; more changes no piece."""


def _report(what: str, fraction: float | None) -> None:
    share = "" if fraction is None else f" {fraction:6.1%}"
    print(f"\r{what}{share}", end="", file=sys.stderr, flush=True)


def _stories(arguments: argparse.Namespace) -> None:
    model = load_local(arguments.model, id=arguments.model.name)
    append_stories(
        model, arguments.out, batches=arguments.batches, rows=arguments.rows, progress=_report
    )


def _read_corpus(
    plan: TrainingPlan, data: Path
) -> tuple[dict[str, list[Document]], dict[str, list[Document]]]:
    """Training documents by source, and held-out ones by what they are measured as."""
    kept: dict[str, list[Document]] = {}
    apart: dict[str, list[Document]] = {}
    for source in plan.text:
        kept[source.name], held = split(read_documents(source, data), source.held_out)
        if held:
            apart.setdefault(source.measure_as or source.name, []).extend(held)
    everything = [document for documents in apart.values() for document in documents]
    for name, documents in kept.items():
        kept[name], dropped = without_copies(documents, everything)
        size = sum(len(d.text) for d in kept[name])
        print(f"{name}: {len(kept[name])} documents, {size:,} characters; {dropped} copies out")
    return kept, apart


def _prepare(arguments: argparse.Namespace) -> None:
    plan, work = read_plan(arguments.plan), arguments.work
    work.mkdir(parents=True, exist_ok=True)
    kept, apart = _read_corpus(plan, arguments.data)
    lines = [{"of": name, "text": d.text} for name, held in apart.items() for d in held]
    (work / "held_out.jsonl").write_text("".join(json.dumps(x) + "\n" for x in lines), "utf-8")
    if not (work / "tokenizer.json").exists():  # ids must not change under a checkpoint
        texts = ("\n".join(d.text for d in part)[:BPE_CHARACTERS] for part in kept.values())
        tokenizer = train_bpe(texts, plan.model.vocab_size)
        save_tokenizer(tokenizer, work, plan.model.max_position_embeddings)
    tokenizer = Tokenizer.from_file(str(work / "tokenizer.json"))
    for source in plan.text:
        documents = kept[source.name]
        encoded = tokenizer.encode_batch([d.text for d in documents])
        pairs = [(e.ids, d.ended) for e, d in zip(encoded, documents, strict=True)]
        ids = join(pairs, tokenizer.encode(ENDED).ids[0])
        if source.weight and len(ids) <= plan.schedule.context:
            raise InvalidParams(
                f"The text '{source.name}' has {len(ids)} tokens to train on, fewer than a window.",
                "Give more text, hold less of it out, or set its weight to 0.",
            )
        np.save(work / f"{source.name}.npy", ids)
        print(f"{source.name}: {len(ids):,} tokens")


def _training(plan: TrainingPlan, work: Path) -> Training:
    used = [s for s in plan.text if s.weight > 0]
    mixture = Mixture(
        tuple(np.load(work / f"{s.name}.npy", mmap_mode="r") for s in used),
        tuple(s.weight for s in used),
    )
    model = new_llama(plan.model, plan.seed)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model.to(device)  # type: ignore[arg-type]  # transformers' stubs know no name of a device

    def forward(ids: torch.Tensor) -> torch.Tensor:
        with torch.autocast(device, dtype=torch.bfloat16):
            logits: torch.Tensor = model(input_ids=ids, use_cache=False).logits
        return logits

    schedule = plan.schedule
    objective = next_tokens(lambda ids: forward(ids.to(device)), mixture, schedule, plan.seed)
    tokens = schedule.windows * schedule.context
    return Training(model, objective, schedule, folder=work, tokens=tokens)


def _train(arguments: argparse.Namespace) -> None:
    torch.set_num_threads(arguments.threads or torch.get_num_threads())
    _training(read_plan(arguments.plan), arguments.work).run(_report)


def _export(arguments: argparse.Namespace) -> None:
    plan, work, out = read_plan(arguments.plan), arguments.work, arguments.out
    out.mkdir(parents=True, exist_ok=True)
    training = _training(plan, work)
    save_model(training.model, out)  # type: ignore[arg-type]  # made by `new_llama`
    tokenizer = Tokenizer.from_file(str(work / "tokenizer.json"))
    save_tokenizer(tokenizer, out, plan.model.max_position_embeddings)
    (out / "curve.jsonl").write_text(training.curve.read_text("utf-8"), "utf-8")
    print(f"step {training.step} of {plan.schedule.steps} -> {out}")


def _measure(arguments: argparse.Namespace) -> None:
    texts: dict[str, list[str]] = {}
    for line in (arguments.work / "held_out.jsonl").read_text("utf-8").splitlines():
        entry = json.loads(line)
        kept = texts.setdefault(entry["of"], [])
        if sum(map(len, kept)) < arguments.characters:
            kept.append(entry["text"])
    for folder in arguments.models:
        model = load_local(folder, id=folder.name)
        for name, documents in texts.items():
            found = bits_per_byte(model, documents)
            print(
                f"{folder.name:16} {name:16} {found.value:.4f} bits a byte "
                f"({found.bytes:,} bytes, {found.tokens:,} tokens)",
                flush=True,
            )


def _samples(arguments: argparse.Namespace) -> None:
    print(samples_page(load_local(arguments.model, id=arguments.model.name)))


def _toy(arguments: argparse.Namespace) -> None:
    prepare_toy(arguments.work, count=arguments.count, seed=arguments.seed, progress=_report)


def _dialogue(arguments: argparse.Namespace) -> None:
    print(prepare_dialogue(arguments.data, arguments.work, words=arguments.words))


def _autoencoder(arguments: argparse.Namespace) -> None:
    torch.set_num_threads(arguments.threads)
    print(train(arguments.plan, arguments.work, arguments.out, _report))


def _add_sentence_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    toy = commands.add_parser("toy")
    toy.add_argument("--count", type=int, default=100_000, help="sentences drawn")
    toy.add_argument("--seed", type=int, default=0)
    toy.set_defaults(run=_toy)
    dialogue = commands.add_parser("dialogue")
    dialogue.add_argument("--data", type=Path, required=True)
    dialogue.add_argument("--words", type=int, default=2000, help="of the vocabulary")
    dialogue.set_defaults(run=_dialogue)
    network = commands.add_parser("autoencoder")
    network.add_argument("--plan", type=Path, required=True)
    network.add_argument("--out", type=Path, help="folder of the language's models")
    network.add_argument("--threads", type=int, default=1, help="1: the same twice")
    network.set_defaults(run=_autoencoder)
    for command in (toy, dialogue, network):
        command.add_argument("--work", type=Path, required=True)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; 0 done, 2 bad input."""
    parser = argparse.ArgumentParser(prog="python -m explorer.training", description=__doc__)
    commands = parser.add_subparsers(required=True)
    _add_sentence_commands(commands)
    stories = commands.add_parser("stories")
    stories.add_argument("--model", type=Path, required=True)
    stories.add_argument("--out", type=Path, required=True)
    stories.add_argument("--batches", type=int, default=100)
    stories.add_argument("--rows", type=int, default=192)
    stories.set_defaults(run=_stories)
    for name, run in (("prepare", _prepare), ("train", _train), ("export", _export)):
        command = commands.add_parser(name)
        command.add_argument("--plan", type=Path, required=True)
        command.add_argument("--work", type=Path, required=True)
        command.set_defaults(run=run)
        if name == "prepare":
            command.add_argument("--data", type=Path, required=True)
        elif name == "train":
            command.add_argument("--threads", type=int, default=0, help="0: torch's own choice")
        else:
            command.add_argument("--out", type=Path, required=True)
    measure = commands.add_parser("measure")
    measure.add_argument("--work", type=Path, required=True)
    measure.add_argument("--characters", type=int, default=200_000, help="of each kind of text")
    measure.add_argument("models", type=Path, nargs="+")
    measure.set_defaults(run=_measure)
    samples = commands.add_parser("samples")
    samples.add_argument("model", type=Path)
    samples.set_defaults(run=_samples)
    arguments = parser.parse_args(argv)
    try:
        arguments.run(arguments)
    except ExplorerError as error:
        print(str(error).replace("\n", " "), file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
