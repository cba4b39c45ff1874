"""Links that hold a whole set-up: prompt, lanes, seed, model, options and view, in some characters.

A link's text is "1." and then the compact JSON of `LinkState`, deflated, in URL-safe base64. It
is the reader's browser that keeps it behind "#": no server sees it until a page is asked to run.
Whatever comes in is a stranger's: it is bounded before and after it is inflated, and checked field
by field.
"""

from __future__ import annotations

import base64
import binascii
import json
import zlib
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from explorer.core.errors import ExplorerError, InvalidParams
from explorer.core.loops import LONGEST_PERIOD, LoopThresholds
from explorer.core.trace_schema import MAX_SEED_BITS, MAX_TOKENS, MAX_TOP
from explorer.services import checks
from explorer.services.generation import MAX_LANES, read_specs

VERSION = "1"
MAX_LINK = 16_000
"""Characters of a link's text; browsers take some 64,000, messengers fewer."""
MAX_STATE = 262_144
"""Bytes of what it inflates to."""

Word = Annotated[str, Field(max_length=64)]
Small = (
    bool
    | int
    | Annotated[float, Field(allow_inf_nan=False)]
    | Annotated[str, Field(max_length=200)]
)


class LinkState(BaseModel):
    """What a link restores.

    Attributes:
        prompt: the text.
        lanes: specs, one a lane.
        seed: the run's seed; not -1, which would draw another.
        model: its name, as one chooses it.
        max_new_tokens: as in `RunOptions`, like all up to `stop_strings`.
        top: alternatives kept a token.
        coupled: the same noise in all lanes.
        chat: the prompt stands in the model's chat template.
        ignore_eos: the end mark ends nothing.
        stop_on_loop: a loop ends a lane.
        loop_max_period: what counts as a loop: its longest unit, tokens.
        loop_min_copies: its fewest copies.
        loop_min_tokens: its fewest tokens.
        stop_strings: texts that end a lane.
        view: how the page looks, as it likes: names with small values.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    prompt: Annotated[str, Field(max_length=200_000)] = ""
    lanes: Annotated[
        tuple[Annotated[str, Field(max_length=20_000)], ...],
        Field(min_length=1, max_length=MAX_LANES),
    ] = ("greedy",)
    seed: Annotated[int, Field(ge=-(2**MAX_SEED_BITS), le=2**MAX_SEED_BITS)] = 0
    model: Annotated[str, Field(max_length=500)] = ""
    max_new_tokens: Annotated[int, Field(ge=1, le=MAX_TOKENS)] = 128
    top: Annotated[int, Field(ge=1, le=MAX_TOP)] = 10
    coupled: bool = False
    chat: bool = False
    ignore_eos: bool = False
    stop_on_loop: bool = False
    loop_max_period: Annotated[int, Field(ge=1, le=LONGEST_PERIOD)] = 128
    loop_min_copies: Annotated[float, Field(ge=2, le=LONGEST_PERIOD, allow_inf_nan=False)] = 3.0
    loop_min_tokens: Annotated[int, Field(ge=2, le=MAX_TOKENS)] = 48
    stop_strings: Annotated[
        tuple[Annotated[str, Field(max_length=1_000)], ...], Field(max_length=20)
    ] = ()
    view: Annotated[dict[Word, Small], Field(max_length=40)] = {}

    @property
    def loop(self) -> LoopThresholds:
        """What counts as a loop."""
        return LoopThresholds(self.loop_max_period, self.loop_min_copies, self.loop_min_tokens)


def encode_link(state: LinkState) -> str:
    """The text of a link; what has its usual value is left out.

    Raises:
        InvalidParams: for a state that does not fit in a link.
    """
    data = state.model_dump(mode="json", exclude_defaults=True)
    packed = json.dumps(data, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    if len(packed.encode()) > MAX_STATE:
        raise _too_long(len(packed))
    text = base64.urlsafe_b64encode(zlib.compress(packed.encode(), 9)).decode().rstrip("=")
    link = f"{VERSION}.{text}"
    if len(link) > MAX_LINK:
        raise _too_long(len(link))
    return link


def _too_long(length: int) -> InvalidParams:
    return InvalidParams(
        f"This would make a link of some {length:,} characters.",
        f"A link has at most {MAX_LINK:,}: shorten the prompt, or save a trace file instead.",
    )


def decode_link(link: str) -> LinkState:
    """What a link holds, checked.

    Raises:
        InvalidParams: for a link that is cut, changed, too large, of another version, or names
            a method or a value that does not exist.
    """
    if not isinstance(link, str) or len(link) > MAX_LINK:
        raise InvalidParams("This link is too long to be one.", f"At most {MAX_LINK:,} characters.")
    version, dot, text = link.strip().partition(".")
    if version != VERSION or not dot:
        raise InvalidParams(
            f"This link is of version {version[:20]!r}.", f"This page reads version {VERSION}."
        )
    try:
        state = LinkState.model_validate_json(_inflated(text))
        lanes = read_specs(state.lanes)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        field = ".".join(str(part)[:60] for part in first["loc"]) or "its content"
        raise InvalidParams(
            f"This link is damaged: {field}: {first['msg']}.", "Ask for it again."
        ) from None
    except ExplorerError as error:
        raise InvalidParams(f"This link cannot be followed: {error.message}", error.hint) from None
    return state.model_copy(update={"lanes": tuple(chain.canonical for chain in lanes)})


def _inflated(text: str) -> bytes:
    """The bytes inside a link; never more than a state may have, whatever it claims."""
    try:
        packed = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        stream = zlib.decompressobj()
        data = stream.decompress(packed, MAX_STATE + 1)
    except (binascii.Error, ValueError, zlib.error):
        raise InvalidParams(
            "Its text was cut or changed on the way.", "Copy the whole link again."
        ) from None
    if len(data) > MAX_STATE:
        raise InvalidParams(f"It holds more than {MAX_STATE:,} bytes.", "It is no link of ours.")
    if not stream.eof or stream.unused_data:
        raise InvalidParams("Its text was cut or changed on the way.", "Copy the whole link again.")
    return data


def link_state(data: Any) -> LinkState:
    """A state from JSON-able data, as `as_data` writes it.

    Raises:
        InvalidParams: naming the field that is wrong, or a method that does not exist.
    """
    if not isinstance(data, dict):
        raise InvalidParams("There is no set-up to share.", "Reload the page.")
    seed = data.get("seed")
    try:
        written = json.dumps({**data, "seed": int(str(seed))}, ensure_ascii=False)
        state = LinkState.model_validate_json(checks.text("This set-up", written))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        field = ".".join(str(part)[:60] for part in first["loc"])
        raise InvalidParams(f"This cannot be shared: {field}: {first['msg']}.") from None
    except (TypeError, ValueError):
        raise InvalidParams("The seed is no whole number.", "Give one.") from None
    lanes = tuple(chain.canonical for chain in read_specs(state.lanes))
    return state.model_copy(update={"lanes": lanes})


def as_data(state: LinkState) -> dict[str, Any]:
    """A state as JSON has it, every field written; the seed as text, which JavaScript can hold."""
    return state.model_dump(mode="json") | {"seed": str(state.seed)}
