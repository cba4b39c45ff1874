"""Families of stages: what each has in common, in words for people."""

from __future__ import annotations

from types import MappingProxyType

FAMILIES = MappingProxyType(
    {
        "choosers": "Take one token at a time",
        "temperature": "Sharpen or flatten the law",
        "truncation": "Cut unlikely tokens",
        "repetition": "Say less of the same",
        "constraint": "Must say, must not say",
        "contexts": "Compare with a second model, prompt or layer",
        "watermarks": "Leave a hidden mark",
        "hidden states": "Look inside the model",
        "search": "Keep several texts, return the best",
        "selection": "Draw several texts, choose one",
        "particles": "Sample whole texts",
        "latent": "Read a point as a text",
    }
)
"""`StageInfo.family` to its heading."""
