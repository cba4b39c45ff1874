"""Stand-ins without weights: a scripted model, a letter tokenizer, tiny random transformers."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor
from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
)

from explorer.core.errors import NotCapable
from explorer.core.handle import Capability
from explorer.core.types import ModelInfo

LETTERS = " abcdefghijklmnopqrstuvwxyz.,!?'\n<&$"


class LetterTokenizer:
    """One letter a token; id 0 ends the text, ids past the letters are whole hostile strings."""

    def __init__(self, extra: Sequence[str] = ()) -> None:
        self.pieces = ["<|end|>", *LETTERS, *extra]
        self.vocab_size = len(self.pieces)
        self.eos_ids = frozenset({0})
        self.bos_id: int | None = 0
        self.digest = "sha256:" + hashlib.sha256("\x1f".join(self.pieces).encode()).hexdigest()
        self.has_chat_template = True

    def encode(self, text: str) -> list[int]:
        return [self.pieces.index(letter) for letter in text.lower() if letter in self.pieces]

    encode_continuation = encode

    def chat_text(self, text: str) -> str:
        return f"user: {text}\nyou: "

    def encode_chat(self, text: str) -> list[int]:
        return self.encode(self.chat_text(text))

    def token_bytes(self, token_id: int) -> bytes:
        return self.pieces[token_id].encode()

    def is_special(self, token_id: int) -> bool:
        return token_id == 0


Script = Callable[[Sequence[int]], Sequence[float]]
"""History (prompt and continuation) to logits over the vocabulary."""


class ScriptedModel:
    """A model that is a function: no weights, no library, exact expectations."""

    def __init__(
        self,
        script: Script,
        tokenizer: LetterTokenizer | None = None,
        *,
        name: str = "scripted",
        context_length: int = 8192,
        delay_s: float = 0.0,
    ) -> None:
        self.script = script
        self.tokenizer = tokenizer or LetterTokenizer()
        self.delay_s = delay_s
        self.capabilities = frozenset({Capability.CACHE_SELECT, Capability.ATTENTIONS})
        self.forwards = 0
        self.info = ModelInfo(
            id=name,
            revision="1",
            digest="sha256:" + "0" * 64,
            dtype="float32",
            device="cpu",
            vocab_size=len(script([1])),
            context_length=context_length,
            licence="Apache-2.0",
            source="scripted",
        )

    def open_batch(self) -> ScriptedBatch:
        return ScriptedBatch(self)

    def law(self, history: Sequence[int]) -> Tensor:
        return torch.tensor(self.script(history), dtype=torch.float32)

    def score(self, token_ids: Sequence[int], start: int) -> Iterator[tuple[int, Tensor]]:
        for position in range(start, len(token_ids)):
            yield position, self.law(token_ids[:position]).unsqueeze(0)


class ScriptedLayers:
    """Hidden states that depend on the last two tokens: equal pairs are equal vectors."""

    width = 6

    def __init__(
        self, model: ScriptedModel, histories: Sequence[Sequence[int]], prompt_ids: Sequence[int]
    ) -> None:
        self.model, self.histories, self.prompt_ids = model, histories, prompt_ids

    def rows(self, places: slice) -> ScriptedLayers:
        return ScriptedLayers(self.model, self.histories[places], self.prompt_ids)

    @classmethod
    def state(cls, history: Sequence[int], layer: int) -> Tensor:
        key = f"{layer}:{list(history[-2:])}".encode()
        return torch.tensor([b - 128.0 for b in hashlib.sha256(key).digest()[: cls.width]])

    @property
    def last(self) -> Tensor:
        return torch.stack([self.state(h, 9) for h in self.histories])

    @property
    def states(self) -> tuple[Tensor, ...]:
        return tuple(torch.stack([self.state(h, i) for h in self.histories]) for i in range(5))

    @property
    def prompt(self) -> Tensor:
        n = len(self.prompt_ids)
        return torch.stack([self.state(self.prompt_ids[: i + 1], 9) for i in range(n)])

    def logits(self, layer: int) -> Tensor:
        return torch.stack([self.model.law(h).roll(layer) for h in self.histories])


class ScriptedBatch:
    def __init__(self, model: ScriptedModel) -> None:
        self.model = model
        self.histories: list[list[int]] = []
        self.prompt: list[int] = []
        self.keeps = False

    @property
    def rows(self) -> int:
        return len(self.histories)

    @property
    def layers(self) -> ScriptedLayers | None:
        return ScriptedLayers(self.model, self.histories, self.prompt) if self.keeps else None

    def keep_layers(self) -> None:
        self.keeps = True

    def prefill(self, prompt_ids: Sequence[int]) -> Iterator[int | Tensor]:
        self.histories, self.prompt = [list(prompt_ids)], list(prompt_ids)
        yield from range(64, len(prompt_ids), 64)
        yield self.model.law(prompt_ids).unsqueeze(0)

    def select(self, rows: Sequence[int]) -> None:
        self.histories = [list(self.histories[row]) for row in rows]

    def step(self, token_ids: Sequence[int]) -> Tensor:
        assert len(token_ids) == len(self.histories)
        self.model.forwards += 1
        time.sleep(self.model.delay_s)
        for history, token_id in zip(self.histories, token_ids, strict=True):
            history.append(token_id)
        return torch.stack([self.model.law(history) for history in self.histories])

    def read(self, token_ids: Sequence[Sequence[int]]) -> Tensor:
        columns = [self.step(column) for column in zip(*token_ids, strict=True)]
        return torch.stack(columns, dim=1)

    def attend(self, token_ids: Sequence[int]) -> Tensor:
        """Two layers of two heads: even, the same token before, what followed it, itself."""
        self.step([token_ids[0]])
        self.histories[0] += token_ids[1:]
        history, n = self.histories[0], len(token_ids)
        found = torch.zeros(2, 2, n, len(history))
        for i, at in enumerate(range(len(history) - n, len(history))):
            before = [k for k in range(at) if history[k] == history[at]]
            found[0, 0, i, : at + 1] = 1 / (at + 1)
            found[0, 1, i, before[-1] if before else at] = 1
            found[1, 0, i, before[-1] + 1 if before else at] = 1
            found[1, 1, i, at] = 1
        return found


def table_script(table: dict[tuple[int, ...], dict[int, float]], vocab: int) -> Script:
    """A table model: the longest listed suffix of the history gives the probabilities."""

    def script(history: Sequence[int]) -> list[float]:
        for length in range(len(history), -1, -1):
            law = table.get(tuple(history[len(history) - length :]))
            if law is not None:
                return [math.log(law[i]) if law.get(i, 0) > 0 else -math.inf for i in range(vocab)]
        raise KeyError(tuple(history))

    return script


def spelling_script(text: str, tokenizer: LetterTokenizer, sharpness: float = 6.0) -> Script:
    """Spells a text over and over; other letters share the rest, so sampling wanders.

    The law depends on how many tokens the history holds, so every lane can come back.
    """
    ids = tokenizer.encode(text)
    vocab = tokenizer.vocab_size

    def script(history: Sequence[int]) -> list[float]:
        target = ids[len(history) % len(ids)]
        logits = [((7 * i + 3 * len(history)) % 13) / 6.0 for i in range(vocab)]
        logits[0] = -8.0
        logits[target] = sharpness - ((len(history) * 5) % 4)
        return logits

    return script


def hashed_script(vocab: int, *, end: float = -3.0) -> Script:
    """A law that depends on the last three tokens, irregular but fixed."""

    def script(history: Sequence[int]) -> list[float]:
        key = ",".join(map(str, history[-3:])).encode()
        data = hashlib.blake2b(key, digest_size=64).digest()
        logits = [data[i % 64] / 40.0 + (i * 37 % 11) / 9.0 for i in range(vocab)]
        logits[0] = end
        return logits

    return script


def tiny_llama(seed: int = 0, vocab: int = 97, scale: float = 6.0, layers: int = 2):
    """A random Llama with grouped-query attention; `scale` sharpens its laws."""
    config = LlamaConfig(
        vocab_size=vocab,
        hidden_size=64,
        intermediate_size=96,
        num_hidden_layers=layers,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=512,
        bos_token_id=1,
        eos_token_id=0,
        tie_word_embeddings=False,
    )
    return _random(LlamaForCausalLM, config, seed, scale)


def tiny_mistral(seed: int = 0, vocab: int = 97, scale: float = 6.0):
    """A random Mistral whose layers see the last 16 tokens only."""
    config = MistralConfig(
        vocab_size=vocab,
        hidden_size=64,
        intermediate_size=96,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        sliding_window=16,
        bos_token_id=1,
        eos_token_id=0,
        tie_word_embeddings=False,
    )
    return _random(MistralForCausalLM, config, seed, scale)


def tiny_gpt2(seed: int = 0, vocab: int = 97, scale: float = 6.0):
    """A random GPT-2."""
    config = GPT2Config(
        vocab_size=vocab,
        n_embd=64,
        n_layer=2,
        n_head=4,
        n_positions=512,
        bos_token_id=1,
        eos_token_id=0,
        tie_word_embeddings=False,
    )
    return _random(GPT2LMHeadModel, config, seed, scale)


def _random(kind, config, seed: int, scale: float):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = kind(config).eval()
        with torch.no_grad():
            model.lm_head.weight.normal_(std=scale / 8)
            for block in model.model.layers if hasattr(model, "model") else model.transformer.h:
                for weight in block.parameters():
                    if weight.ndim == 2:
                        weight.normal_(std=0.12)
    return model


class NumberTokenizer(LetterTokenizer):
    """Ids without a text of their own, for random models: token i reads " i"."""

    def __init__(self, vocab: int = 97) -> None:
        super().__init__()
        self.pieces = ["<|end|>", *(f" {i}" for i in range(1, vocab))]
        self.vocab_size = vocab

    def encode(self, text: str) -> list[int]:
        return [int(word) for word in text.split()]

    encode_continuation = encode


class OneModel:
    """Stands where models come from: whatever name is asked for is one model; "secret" is not
    offered."""

    def __init__(self, model) -> None:
        self.model = model
        self.lent = {}

    def allow(self, name: str) -> None:
        if name == "secret":
            raise NotCapable("The model secret is not offered.", "Choose another.")

    def lend(self, name: str, handle) -> None:
        self.lent[name] = handle

    def take_back(self, name: str) -> None:
        self.lent.pop(name, None)

    def lends(self, name: str) -> bool:
        return name in self.lent

    def get(self, name: str):
        return self.model

    ready = get
