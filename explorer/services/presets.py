"""Sets of lanes and prompts that show something at the first click."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType

PRESETS = MappingProxyType(
    {
        "classic five": (
            "greedy",
            "beam:width=4,length_penalty=1",
            "top_k:k=50",
            "nucleus:p=0.95",
            "ancestral",
        ),
        "truncation family": (
            "top_k:k=50",
            "nucleus:p=0.95",
            "min_p:p=0.05",
            "locally_typical:mass=0.95",
            "eta:epsilon=0.0009",
            "epsilon:epsilon=0.0006",
        ),
        "escape the loop": (
            "greedy",
            "momentum:k=5,alpha=0.2,resistance=paper",
            "repetition_penalty:penalty=1.2+greedy",
            "no_repeat_ngram:n=3+greedy",
            "locally_typical:mass=0.2",
            "nucleus:p=0.95",
        ),
        "temperature ladder": (
            "temperature:temperature=0.3",
            "temperature:temperature=0.7",
            "temperature:temperature=1",
            "temperature:temperature=1.5",
        ),
        "all neutral": (
            "ancestral",
            "temperature:temperature=1+top_k:k=0+nucleus:p=1+min_p:p=0",
        ),
    }
)
"""Name to specs. "all neutral" with the same noise in both lanes gives the same text twice."""

DEFAULT_PRESET = "classic five"


@dataclass(frozen=True, slots=True)
class Example:
    """A prompt that runs on one click.

    Attributes:
        label: on the chip.
        prompt: the text.
        template: "raw" or "chat".
        preset: lanes that suit it, or "" for those on the page.
        max_new_tokens: enough to see the effect.
    """

    label: str
    prompt: str
    template: str = "raw"
    preset: str = ""
    max_new_tokens: int = 128


EXAMPLES = (
    # Greedy on SmolLM2-135M: period 49 from token 5, period 37 from 43, period 8 from 114.
    Example(
        "a list that loops", "Shopping list: milk, eggs, bread,", "raw", "escape the loop", 224
    ),
    Example("a recipe that loops", "The recipe calls for", "raw", "escape the loop", 224),
    Example("advice that loops", "The best way to learn is", "raw", "escape the loop", 224),
    Example("a story", "The old lighthouse keeper opened the door and", "raw", "classic five", 128),
    Example("code", "def fibonacci(n):\n", "raw", "classic five", 96),
    Example("a fact", "The capital of France is", "raw", "truncation family", 48),
    Example("a dialogue", "Why is the sky blue?", "chat", "classic five", 128),
)
