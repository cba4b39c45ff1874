"""Code to take away: the same run against this package, and against transformers where it exists.

transformers runs its stages in an order of its own and draws by its own generator: a chain is
written for it only where its stages and their order are the same, and a draw of it is another
draw from the same law.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from explorer.core.loops import LoopThresholds
from explorer.core.types import ParamValue
from explorer.decoders.spec import Chain, Stage, parse
from explorer.services.model_sources import SMOLLM2_REPO
from explorer.services.permalink import LinkState

Arguments = Callable[[Mapping[str, ParamValue]], dict[str, ParamValue] | None]

_ORDER: Mapping[str, Arguments] = {
    "repetition_penalty": lambda p: (
        {"repetition_penalty": p["penalty"]}
        if (p["window"], p["slope"], p["prompt"]) == (0, 0.0, True)
        else None
    ),
    "no_repeat_ngram": lambda p: {"no_repeat_ngram_size": p["n"]},
    "min_length": lambda p: {"min_new_tokens": p["tokens"]},
    "temperature": lambda p: {"temperature": p["temperature"]},
    "top_k": lambda p: {"top_k": p["k"]},
    "nucleus": lambda p: {"top_p": p["p"]},
    "min_p": lambda p: {"min_p": p["p"]},
    "locally_typical": lambda p: {"typical_p": p["mass"]},
    "epsilon": lambda p: {"epsilon_cutoff": p["epsilon"]},
    "eta": lambda p: {"eta_cutoff": p["epsilon"]},
}
"""Stages that transformers has, in the order it runs them, and its arguments for them."""
_WITHOUT_DRAWING = ("repetition_penalty", "no_repeat_ngram", "min_length")
"""Those it runs without sampling, too."""


@dataclass(frozen=True, slots=True)
class Snippet:
    """Code, or why there is none.

    Attributes:
        code: a Python program; "" where there is none.
        reason: why there is none; "" where there is.
    """

    code: str
    reason: str = ""


def package_snippet(state: LinkState) -> Snippet:
    """The run as a program against this package: the same texts, token by token."""
    options: dict[str, object] = {
        name: getattr(state, name)
        for name in ("top", "coupled", "chat", "ignore_eos", "stop_on_loop", "stop_strings")
        if getattr(state, name) != LinkState.model_fields[name].default
    }
    if state.loop != LoopThresholds():
        options["loop"] = state.loop
    imports = "RunOptions, generate, load_model" if options else "generate, load_model"
    lines = [
        f"from explorer import {imports}",
        *(["from explorer.core.loops import LoopThresholds"] if "loop" in options else []),
        "",
        f"model = load_model({state.model!r})",
        "traces = generate(",
        "    model,",
        f"    {state.prompt!r},",
        "    [",
        *(f"        {lane!r}," for lane in state.lanes),
        "    ],",
        f"    max_new_tokens={state.max_new_tokens},",
        f"    seed={state.seed},",
    ]
    if options:
        written = ", ".join(f"{name}={value!r}" for name, value in options.items())
        lines.append(f"    options=RunOptions({written}),")
    lines += [
        ")",
        "for trace in traces:",
        '    print(f"--- {trace.decoder}")',
        "    print(trace.text)",
        "",
    ]
    return Snippet("\n".join(lines))


def transformers_snippet(
    state: LinkState, lane: int, *, place: str = "", eos_ids: Sequence[int] = ()
) -> Snippet:
    """One lane as a program against transformers.

    Args:
        state: the run.
        lane: which of its lanes.
        place: folder or Hub id of the model; "" follows from its name.
        eos_ids: ids that end a text here; transformers may know fewer of them.

    Returns:
        Code, or the reason why transformers cannot run this.
    """
    chain = parse(state.lanes[lane])
    arguments = _arguments(chain)
    if isinstance(arguments, str):
        return Snippet("", arguments)
    if state.stop_on_loop or state.stop_strings or state.ignore_eos:
        return Snippet("", "transformers stops by other rules than this run.")
    if not state.prompt:
        return Snippet("", "An empty prompt begins from a mark: transformers wants its id.")
    found = _place(place or state.model)
    if found is None:
        return Snippet("", "transformers needs a folder or a Hub id of this model.")
    drawn = bool(arguments.get("do_sample"))
    written = {"max_new_tokens": state.max_new_tokens, **arguments}
    if eos_ids:
        written["eos_token_id"] = str(sorted(eos_ids))
    settings = "".join(
        f"    {k}={v if k == 'eos_token_id' else repr(v)},\n" for k, v in written.items()
    )
    seed = f"torch.manual_seed({state.seed % 2**63})  # another draw than here\n" if drawn else ""
    return Snippet(
        _PROGRAM.format(
            torch="import torch\n" if drawn else "",
            imports=found.imports,
            place=found.line,
            read=_CHAT.format(prompt=state.prompt)
            if state.chat
            else _RAW.format(prompt=state.prompt),
            seed=seed,
            settings=settings,
        )
    )


@dataclass(frozen=True, slots=True)
class _Place:
    line: str
    imports: str = ""


def _place(name: str) -> _Place | None:
    """How a program finds a model; None where transformers reads no such thing."""
    if not name or name.endswith(".gguf"):
        return None
    if name == "tiny":  # it comes with this package, wherever that lies
        line = 'place = Path(explorer.__file__).parent.parent / "assets" / "models" / "tiny"'
        return _Place(line, "from pathlib import Path\n\nimport explorer\n")
    if name == "smollm2-135m":
        note = "the original weights: a GGUF's write another text"
        return _Place(f"place = {SMOLLM2_REPO!r}  # {note}")
    return _Place(f"place = {name!r}")


_PROGRAM = """\
{imports}{torch}from transformers import AutoModelForCausalLM, AutoTokenizer

{place}
tokenizer = AutoTokenizer.from_pretrained(place)
model = AutoModelForCausalLM.from_pretrained(place, dtype="float32")
{read}
{seed}made = model.generate(
    **inputs,
{settings})
print(tokenizer.decode(made[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True))
"""
_RAW = """inputs = tokenizer({prompt!r}, return_tensors="pt")"""
_CHAT = """\
inputs = tokenizer.apply_chat_template(
    [{{"role": "user", "content": {prompt!r}}}],
    add_generation_prompt=True,
    return_tensors="pt",
    return_dict=True,
)"""


def _arguments(chain: Chain) -> dict[str, ParamValue] | str:
    """Arguments of `generate`, or why there are none."""
    names = [stage.info.name for stage in chain.processors]
    unknown = [name for name in names if name not in _ORDER]
    if unknown:
        return f"transformers has no {unknown[0]!r}."
    if names != [name for name in _ORDER if name in names]:
        return "transformers runs these stages in another order."
    found: dict[str, ParamValue] = {}
    for stage in chain.processors:
        arguments = _ORDER[stage.info.name](stage.params.model_dump())
        if arguments is None:
            return f"transformers has {stage.info.name!r} without these parameters."
        found |= arguments
    return _with_chooser(chain.chooser, names, found)


def _with_chooser(
    chooser: Stage, names: Sequence[str], found: dict[str, ParamValue]
) -> dict[str, ParamValue] | str:
    name, params = chooser.info.name, chooser.params.model_dump()
    if name == "ancestral":
        # A model's own settings would cut the law further: these are off unless asked for.
        return {"do_sample": True, "temperature": 1.0, "top_k": 0, "top_p": 1.0} | found
    if name not in ("greedy", "beam"):
        return f"transformers has no {name!r}."
    idle = [n for n in names if n not in _WITHOUT_DRAWING]
    if idle:
        return f"transformers leaves {idle[0]!r} out where nothing is drawn."
    plain: dict[str, ParamValue] = {"do_sample": False} | found
    if name == "beam":
        plain |= {"num_beams": params["width"], "length_penalty": params["length_penalty"]}
    return plain
