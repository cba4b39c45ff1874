"""The trace file as a strict schema: pydantic at the edge, dataclasses inside.

Field names are the public contract; other programs read them. Unknown fields are refused, lists
must have one entry a token, and sizes are capped before anything is believed.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from explorer.core.types import (
    StopReason,
)

SCHEMA = "explorer.trace/1"
MAX_TOKENS = 200_000
MAX_TOP = 1_000
MAX_ID = 2**31 - 1
MAX_SEED_BITS = 256
_DIGITS = 10

ShortText = Annotated[str, Field(max_length=4_096)]
SpecText = Annotated[str, Field(max_length=65_536)]
LongText = Annotated[str, Field(max_length=16_000_000)]
Whole = Annotated[int, Field(strict=True)]
Count = Annotated[int, Field(strict=True, ge=0)]
TokenId = Annotated[int, Field(strict=True, ge=0, le=MAX_ID)]
Flag = Annotated[bool, Field(strict=True)]
Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
LogProb = Annotated[float, Field(strict=True, allow_inf_nan=False)] | None
"""null is -inf."""
Seed = Annotated[int, Field(strict=True, ge=-(2**MAX_SEED_BITS), le=2**MAX_SEED_BITS)]
Hex = Annotated[str, Field(pattern="^([0-9a-f]{2})+$", max_length=8_192)]


def _from_key(key: object) -> object:
    """A token id as JSON writes it for a key; nothing that merely reads like one."""
    if isinstance(key, str) and (not key.isdecimal() or not key.isascii() or len(key) > _DIGITS):
        raise ValueError(f"{key[:20]!r} is no token id")
    return int(key) if isinstance(key, str) else key


TokenKey = Annotated[int, BeforeValidator(_from_key), Field(ge=0, le=MAX_ID)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())


class ModelEntry(_Strict):
    """`model`: which model, exactly."""

    id: ShortText
    revision: ShortText
    digest: ShortText
    dtype: ShortText
    device: ShortText
    vocab_size: Count
    context_length: Count = 0
    licence: ShortText = "unknown"
    source: ShortText = ""
    parameters: Count = 0
    kv_bytes_per_token: Count = 0


class TokenizerEntry(_Strict):
    """`tokenizer`."""

    digest: ShortText


class PromptEntry(_Strict):
    """`prompt`."""

    text: LongText
    ids: Annotated[list[TokenId], Field(max_length=MAX_TOKENS)]
    template: ShortText


class NoiseEntry(_Strict):
    """`noise`: u = f(seed, lane, row, step)."""

    lane: SpecText
    coupled: Flag


class LoopEntry(_Strict):
    """One of `loops`."""

    onset: Count
    period: Annotated[int, Field(strict=True, ge=1)]
    copies: Number


class TermsEntry(_Strict):
    """`terms`: what the run allowed; `max_new_tokens` counts given tokens too."""

    max_new_tokens: Annotated[int, Field(strict=True, ge=1, le=MAX_TOKENS)]
    ignore_eos: Flag = False
    stop_strings: Annotated[list[LongText], Field(max_length=1_000)] = []
    stop_on_loop: Flag = False
    loop_max_period: Annotated[int, Field(strict=True, ge=1, le=10_000)] = 128
    loop_min_copies: Annotated[float, Field(strict=True, ge=2, le=10_000)] = 3.0
    loop_min_tokens: Annotated[int, Field(strict=True, ge=2, le=1_000_000_000)] = 48


class BranchEntry(_Strict):
    """`branch`: the place of a trace in the tree it was saved from; nothing that can be proven."""

    id: Annotated[str, Field(min_length=1, max_length=64)]
    parent: Annotated[str, Field(min_length=1, max_length=64)] | None
    at: Count
    name: ShortText
    note: Annotated[str, Field(max_length=65_536)]


Ids = Annotated[list[TokenId], Field(max_length=MAX_TOKENS)]
Counts = Annotated[list[Count], Field(max_length=MAX_TOKENS)]
Numbers = Annotated[list[Number], Field(max_length=MAX_TOKENS)]
Surprisals = Annotated[list[LogProb], Field(max_length=MAX_TOKENS)]
"""null is infinite: the token has probability 0."""
IdTable = Annotated[
    list[Annotated[list[TokenId], Field(max_length=MAX_TOP)]], Field(max_length=MAX_TOKENS)
]
LogProbTable = Annotated[
    list[Annotated[list[LogProb], Field(max_length=MAX_TOP)]], Field(max_length=MAX_TOKENS)
]
Notes = dict[ShortText, Flag | Whole | Number | ShortText]


class TokensEntry(_Strict):
    """`tokens`: columns, one entry a generated token; nats throughout.

    `rows`, `parent_rows` and `scores` are written for searches only (null for given tokens),
    `extra_*` where a token is among the likeliest under the sampling law but not the model's.
    """

    id: Ids
    piece: Annotated[list[ShortText], Field(max_length=MAX_TOKENS)]
    surprisal: Surprisals
    entropy: Numbers
    varentropy: Numbers
    rank: Counts
    sampling_surprisal: Surprisals
    sampling_entropy: Numbers
    support_size: Counts
    top_ids: IdTable
    top_logprobs: LogProbTable
    top_sampling_logprobs: LogProbTable
    extra_ids: IdTable | None = None
    extra_logprobs: LogProbTable | None = None
    extra_sampling_logprobs: LogProbTable | None = None
    rows: Counts | None = None
    parent_rows: Counts | None = None
    scores: Annotated[list[Number | None], Field(max_length=MAX_TOKENS)] | None = None
    notes: Annotated[list[Notes], Field(max_length=MAX_TOKENS)] | None = None

    @model_validator(mode="after")
    def _same_length(self) -> TokensEntry:
        count = len(self.id)
        for name in type(self).model_fields:
            column = getattr(self, name)
            if column is not None and len(column) != count:
                raise ValueError(f"tokens.{name} has {len(column)} entries, tokens.id has {count}")
        for i in range(count):
            if (
                not len(self.top_ids[i])
                == len(self.top_logprobs[i])
                == len(self.top_sampling_logprobs[i])
            ):
                raise ValueError(f"tokens.top_* differ in length at token {i}")
        return self


class HypothesisEntry(_Strict):
    """One of `hypotheses`: a complete row of a search."""

    score: Number
    finished: Flag
    text: LongText
    tokens: TokensEntry


class TraceEntry(_Strict):
    """One line of a trace file."""

    schema_: Literal["explorer.trace/1"] = Field(alias="schema")
    lane: Count = 0
    model: ModelEntry
    tokenizer: TokenizerEntry
    versions: dict[ShortText, ShortText]
    prompt: PromptEntry
    decoder: SpecText
    seed: Seed
    noise: NoiseEntry
    batch_rows: Count
    stop_reason: StopReason
    text: LongText
    tokens: TokensEntry
    loops: Annotated[list[LoopEntry], Field(max_length=MAX_TOKENS)]
    timing: dict[ShortText, Number]
    pieces: dict[TokenKey, ShortText]
    hypotheses: Annotated[list[HypothesisEntry], Field(max_length=10_000)] = []
    terms: TermsEntry | None = None
    given: Count = 0
    special: Ids = []
    bytes_: dict[TokenKey, Hex] = Field(alias="bytes", default={})
    branch: BranchEntry | None = None

    @model_validator(mode="after")
    def _given_are_there(self) -> TraceEntry:
        if self.given > len(self.tokens.id):
            raise ValueError(f"given is {self.given}, tokens.id has {len(self.tokens.id)} entries")
        return self


def json_schema() -> dict[str, Any]:
    """The schema of a line as JSON Schema (draft 2020-12), as docs/trace.schema.json has it.

    What it cannot say is checked all the same: all lists in `tokens` are as long as `tokens.id`,
    and the three lists of one token's alternatives are as long as each other.
    """
    made = TraceEntry.model_json_schema(by_alias=True)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": SCHEMA,
        **made,
        "title": "One line of a trace file of Generation Explorer",
    }
