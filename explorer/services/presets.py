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
        "never the obvious": (
            "greedy",
            "xtc:probability=0.5,threshold=0.1+min_p:p=0.02",
            "xtc:probability=1,threshold=0.05+min_p:p=0.02",
            "locally_typical:mass=0.3",
            "min_p:p=0.02+adaptive_p:target=0.2,decay=0.9",
            "top_n_sigma:n=1",
        ),
        "steady surprise": (
            "mirostat:tau=2,eta=0.1,version=2",
            "mirostat:tau=5,eta=0.1,version=2",
            "dynamic_temperature:low=0.3,high=2,exponent=1+min_p:p=0.05",
            "entropy_adaptive:entropy=1.5,varentropy=2,heat=0.3",
            "top_h:h=0.4,rule=paper",
            "quadratic:smoothing=0.3,curve=1",
        ),
        "say less of the same": (
            "greedy",
            "repetition_penalty:window=0,slope=0,prompt=true,penalty=1.2+greedy",
            "presence_penalty:window=0,slope=0,prompt=false,penalty=1+greedy",
            "frequency_penalty:window=0,slope=0,prompt=false,penalty=0.5+greedy",
            "dry+greedy",
            "no_repeat_ngram:n=3+greedy",
        ),
        "must and must not": (
            "greedy",
            'forced:begin=" Once, long ago,",end=false+greedy',
            'suppressed:containing="e",at_begin=false+greedy',
            'logit_bias:bias=" sea:4| light:4"+greedy',
            r'grammar:kind=regex,text=" ([a-z]{1,6} ){8,16}[a-z]{1,6}\\."+greedy',
            'constrained_beam:phrases=" silver key",width=6,length_penalty=1',
        ),
        "two contexts": (
            "greedy",
            'classifier_free_guidance:scale=1.5,negative=""+greedy',
            'classifier_free_guidance:scale=3,negative=""+greedy',
            'contrastive_decoding:amateur="",alpha=0.1,temperature=1+greedy',
            'product_of_experts:model="",prompt="Once upon a time",first_weight=1,'
            "second_weight=0.5+greedy",
            "dola:layers=low,alpha=0.1+greedy",
        ),
        "unlike the past": (
            "greedy",
            "contrastive_search:k=4,alpha=0.6",
            "momentum:k=5,alpha=0.2,resistance=paper",
            "dola:layers=high,alpha=0.1+greedy",
        ),
        "whole texts": (
            "beam:width=6,length_penalty=1",
            "diverse_beam:groups=3,group_width=2,diversity=1,length_penalty=1",
            "stochastic_beam:width=6",
            "beam_sampling:width=6,length_penalty=1",
            "best_of_n:n=6,rule=mbr,power=0.5",
            "power_smc:particles=12,threshold=0.5,alpha=2",
        ),
        "watermarks": (
            "ancestral",
            "kgw:share=0.25,bias=2,key=15485863",
            "synthid:layers=10,ngram=5,key=0",
            "exp_watermark:key=42,length=256",
            "its_watermark:key=42,length=256",
        ),
        "one point, one text": (
            'latent_point:point="0.3 0.6",dimensions=2',
            'latent_point:point="0.3001 0.6",dimensions=2',
            'latent_point:point="0.3 0.6001",dimensions=2',
            'latent_point:point="0.3 0.9",dimensions=2',
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
