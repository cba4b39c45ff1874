"""A small Llama of transformers, to be trained and saved as `AutoModelForCausalLM` reads it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedModel

from explorer.training.config import ModelShape


def new_llama(shape: ModelShape, seed: int, eos_id: int = 0) -> PreTrainedModel:
    """A model with random weights that depend on the seed alone.

    Matrices are drawn from N(0, 0.02), those that write to the residual stream from a law
    narrower by the square root of twice the depth (GPT-2's rule).
    """
    config = LlamaConfig(
        **shape.model_dump(exclude={"rope_theta"}),
        rope_parameters={"rope_type": "default", "rope_theta": shape.rope_theta},
        tie_word_embeddings=True,
        bos_token_id=eos_id,
        eos_token_id=eos_id,
        pad_token_id=None,
    )
    with torch.random.fork_rng(devices=[]):  # transformers draws weights of its own first
        model: Any = LlamaForCausalLM(config)
    generator = torch.Generator().manual_seed(seed)
    narrow = 0.02 / (2 * shape.num_hidden_layers) ** 0.5
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.ndim == 2:
                writes = name.endswith(("o_proj.weight", "down_proj.weight"))
                weight.normal_(0.0, narrow if writes else 0.02, generator=generator)
    assert isinstance(model, PreTrainedModel)
    return model


def save_model(model: PreTrainedModel, folder: Path) -> None:
    """Write config.json and float16 safetensors; the model itself stays as it is."""
    # Parameters, not the state dict: that has the tied output layer a second time.
    state = {name: weight.detach().half() for name, weight in model.named_parameters()}
    model.save_pretrained(folder, state_dict=state)
    (folder / "model.safetensors").chmod(0o644)
    path = folder / "config.json"  # says the type of the model, not of what was written
    config = json.loads(path.read_text("utf-8")) | {"dtype": "float16"}
    path.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", "utf-8")
