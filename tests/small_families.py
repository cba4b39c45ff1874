"""A small random model of every family whose batches can be joined, or recorded."""

from __future__ import annotations

from typing import Any

import torch
from transformers import AutoModelForCausalLM
from transformers.models.auto.configuration_auto import CONFIG_MAPPING

SIZES = {
    "vocab_size": 97,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 128,
    "eos_token_id": 0,
    "bos_token_id": 0,
    "pad_token_id": 0,
}


def model_of(family: str) -> Any:
    torch.manual_seed(3)
    config = CONFIG_MAPPING[family](**SIZES)
    if hasattr(config, "sliding_window"):
        config.sliding_window = None
    return AutoModelForCausalLM.from_config(config, attn_implementation="sdpa").train(False)
