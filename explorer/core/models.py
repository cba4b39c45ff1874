"""Causal language models of transformers behind the engine's narrow door.

The only `from_pretrained` of the project. Weights are safetensors, code that comes with a model
is never run, and nothing is fetched: `explorer.services.model_sources` finds the folder.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from explorer.core.deferred import torch, transformers
from explorer.core.errors import InvalidParams, ModelUnavailable, NotCapable
from explorer.core.fair_lock import FairLock
from explorer.core.handle import Capability, Tokenizer
from explorer.core.hf_tokenizer import HFTokenizer
from explorer.core.kv_cache import DEVICE_CHUNK, KVBatch
from explorer.core.masked_forward import masked_logits
from explorer.core.shared_steps import SharedSteps
from explorer.core.spread import kind_of, placement
from explorer.core.types import ModelInfo
from explorer.core.weight_files import (
    kv_bytes_per_token,
    read_headers,
    weight_files,
    weights_digest,
)

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

__all__ = ["HFModel", "HFTokenizer", "Origin", "choose_dtype", "load_local"]

SCORE_CHUNK = 128
"""Positions whose logits are held at once while scoring: 25 MB for 49,152 tokens."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where weights came from; what is unknown is empty and, for the digest, computed."""

    revision: str = ""
    digest: str = ""
    licence: str = "unknown"
    source: str = ""


class HFModel:
    """A loaded transformers model as a `ModelHandle`.

    Attributes:
        model: the module itself, in evaluation mode.
        records: steps of a run are recorded and replayed (`explorer.core.recorded_run`), where
            the model's family is known to bear it; by default on CUDA.

    Args:
        model: any causal language model whose forward takes a cache.
        tokenizer: its tokenizer.
        info: which model it is.
    """

    def __init__(self, model: PreTrainedModel, tokenizer: Tokenizer, info: ModelInfo) -> None:
        self.model: PreTrainedModel = model.train(False)
        self._tokenizer = tokenizer
        self._info = info
        self._lock = FairLock()
        self._shared = SharedSteps(self._lock, KVBatch.step_together)
        self.records = self.model.device.type == "cuda"

    @classmethod
    def from_parts(
        cls, model: PreTrainedModel, tokenizer: Tokenizer, *, id: str = "in-memory"
    ) -> HFModel:
        """A handle on parts that are loaded already; its digest is that of the state dict."""
        origin = Origin(digest=state_digest(model), source="given in memory")
        return cls(model, tokenizer, describe(model, id, origin))

    @property
    def info(self) -> ModelInfo:
        """Which model, exactly."""
        return self._info

    @property
    def tokenizer(self) -> Tokenizer:
        """Its tokenizer."""
        return self._tokenizer

    @property
    def capabilities(self) -> frozenset[Capability]:
        """Every cache of transformers can select rows; attention is shown where there are heads."""
        config = self.model.config.get_text_config(decoder=True)
        has_heads = bool(getattr(config, "num_attention_heads", 0))
        heads = frozenset({Capability.ATTENTIONS}) if has_heads else frozenset()
        masks = frozenset({Capability.MASKS}) if heads else frozenset()
        from explorer.core.growing_cache import new_cache  # noqa: PLC0415  # with transformers
        from explorer.core.joined_cache import can_join  # noqa: PLC0415  # with transformers

        records = self.records and can_join(self.model, new_cache(self.model))
        recorded = frozenset({Capability.RECORDED}) if records else frozenset()
        return heads | masks | recorded | {Capability.CACHE_SELECT}

    def open_batch(self) -> KVBatch:
        """A new, empty batch; batches of a model take turns, and steps together where they can."""
        return KVBatch(self.model, self._lock, self._info.context_length, self._shared)

    def read_masked(
        self, token_ids: Sequence[int], positions: Sequence[int], allowed: Tensor
    ) -> Tensor:
        """As `ModelHandle.read_masked` says."""
        self.open_batch().check(token_ids)
        return masked_logits(self.model, self._lock, token_ids, positions, allowed)

    def score(self, token_ids: Sequence[int], start: int) -> Iterator[tuple[int, Tensor]]:
        """Teacher-forced laws of the tokens from `start` on, `SCORE_CHUNK` at a time.

        Yields (position, logits): row i of the float32 logits [n, vocab] is the law of token
        `position + i`, given all tokens before it.

        Raises:
            InvalidParams: if `start` is not within 1 … len(token_ids).
            NotCapable: if the sequence is longer than the model's context.
        """
        last = len(token_ids)
        if not 1 <= start <= last:
            raise InvalidParams(
                f"Scoring cannot start at position {start} of {last} tokens.",
                "The first token has no law: start at 1 or later.",
            )
        batch = self.open_batch()
        batch.check(token_ids)
        # The law of a token is known once the one before it was read; the last need not be.
        for first in range(0, start - 1, DEVICE_CHUNK):
            batch.forward([token_ids[first : min(first + DEVICE_CHUNK, start - 1)]])
        for first in range(start - 1, last - 1, SCORE_CHUNK):
            chunk = token_ids[first : min(first + SCORE_CHUNK, last - 1)]
            yield first + 1, batch.forward([chunk], keep=len(chunk))[0]


def describe(model: PreTrainedModel, id: str, origin: Origin) -> ModelInfo:
    """What is to be said of a loaded model."""
    weights = list(model.parameters())
    head = model.get_output_embeddings()  # type: ignore[no-untyped-call]
    text_config = model.config.get_text_config(decoder=True)
    width = getattr(head, "out_features", None) or text_config.vocab_size
    dtype = model.dtype
    return ModelInfo(
        id=id,
        revision=origin.revision,
        digest=origin.digest,
        dtype=str(dtype).removeprefix("torch."),
        device=str(model.device),
        vocab_size=int(width),
        context_length=int(getattr(text_config, "max_position_embeddings", 0) or 0),
        licence=origin.licence,
        source=origin.source,
        parameters=sum(weight.numel() for weight in weights),
        kv_bytes_per_token=kv_bytes_per_token(text_config.to_dict(), dtype.itemsize),
    )


def state_digest(model: torch.nn.Module) -> str:
    """Digest ("sha256:…") of the names, types, shapes and bytes of all tensors, by name."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(f"{name} {tensor.dtype} {list(tensor.shape)}\n".encode())
        data = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
        digest.update(data.numpy().tobytes())
    return "sha256:" + digest.hexdigest()


def choose_dtype(device: torch.device, stored: str = "") -> torch.dtype:
    """The type to hold a model in.

    bfloat16 where a CUDA card computes in it. Older cards only imitate it: float16 there, for
    models that are stored so; others were trained in wider ranges and would overflow. float32
    everywhere else. On Apple's GPUs (mps) wrong numbers without an error were reported for the
    half types, and on a CPU they are no faster.

    Args:
        device: where it goes.
        stored: the type that its configuration names, "float16" for example.
    """
    if device.type != "cuda":
        return torch.float32
    if torch.cuda.is_bf16_supported(including_emulation=False):
        return torch.bfloat16
    return torch.float16 if stored == "float16" else torch.float32


def load_local(
    folder: Path,
    *,
    id: str,
    device: str = "cpu",
    dtype: torch.dtype | None = None,
    origin: Origin | None = None,
    pack: bool = True,
) -> HFModel:
    """Load a folder with config.json, a tokenizer and safetensors.

    Args:
        folder: the folder; nothing outside it is read, nothing is fetched.
        id: the name the model was asked for by.
        device: "cpu", "cuda", "cuda:1", "mps", or one of `explorer.core.spread`.
        dtype: None for `choose_dtype`.
        origin: what is known of the weights; their digest is computed where it is not.
        pack: lay the weights out for a few rows on a CPU; the module cannot be trained then.

    Raises:
        ModelUnavailable: if something is missing, damaged, pickled or needs code of its own.
        NotCapable: if it is no causal language model.
    """
    check_config(folder)
    files = weight_files(folder)
    read_headers(files)
    origin = origin or Origin(source=str(folder))
    if not origin.digest:
        origin = Origin(origin.revision, weights_digest(files), origin.licence, origin.source)
    spread, place = placement(device), kind_of(device)
    model = _load_weights(folder, dtype or choose_dtype(place, stored_dtype(folder)), spread)
    if not spread:
        model = model.to(place)  # type: ignore[arg-type]  # transformers' decorator hides `self`
    tokenizer = HFTokenizer(_load_tokenizer(folder), configured_ends(model))
    info = describe(model, id, origin)
    if pack and not spread:
        from explorer.core.packed_linear import pack_linears  # noqa: PLC0415  # with torch

        pack_linears(model)
    handle = HFModel(model, tokenizer, info)
    handle.records = handle.records and not spread  # over several devices is not tried
    return handle


def check_config(folder: Path) -> None:
    """Refuse what is no causal language model that transformers knows by itself.

    Raises:
        ModelUnavailable: if config.json is missing or unreadable, or names its own code.
        NotCapable: if the model reads both ways, or encodes and decodes, or makes no text.
    """
    path = folder / "config.json"
    try:
        config = json.loads(path.read_text("utf-8"))
        kind = str(config["model_type"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelUnavailable(
            f"{folder} has no readable config.json: {error}.",
            "Give a folder as transformers' save_pretrained writes it.",
        ) from error
    known = transformers.models.auto.modeling_auto
    named = known.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES.get(kind)
    if named is None and "auto_map" in config:
        raise ModelUnavailable(
            f"The model in {folder} brings its own code ({kind}), and that is never run.",
            "Choose a model that transformers supports by itself.",
        )
    classes = {named} if isinstance(named, str) else set(named or ())
    stated = set(config.get("architectures") or classes)
    # Encoders such as BERT are listed as causal too: for use inside another model.
    encoders = known.MODEL_FOR_MASKED_LM_MAPPING_NAMES
    reads_both_ways = kind in encoders and not config.get("is_decoder")
    if not classes & stated or reads_both_ways or config.get("is_encoder_decoder"):
        raise NotCapable(
            f"{folder} holds a {' / '.join(sorted(stated)) or kind}, which does not continue"
            " text token by token.",
            "Choose a causal language model (GPT-2, Llama, Qwen, Gemma, …).",
        )


def stored_dtype(folder: Path) -> str:
    """The type that a folder's configuration names, "" where it names none."""
    config = json.loads((folder / "config.json").read_text("utf-8"))
    named = config.get("dtype") or config.get("torch_dtype") or ""
    return str(named).removeprefix("torch.")


def configured_ends(model: PreTrainedModel) -> frozenset[int]:
    """The end tokens that the model's configurations name; each may name several."""
    generation = getattr(model, "generation_config", None)
    named = [getattr(c, "eos_token_id", None) for c in (generation, model.config) if c is not None]
    lists = [n if isinstance(n, (list, tuple)) else [n] for n in named if n is not None]
    return frozenset(int(token_id) for ids in lists for token_id in ids)


@contextmanager
def _without_bars() -> Iterator[None]:
    """No progress bars of transformers on the terminal meanwhile."""
    bars = transformers.utils.logging
    shown = bars.is_progress_bar_enabled()
    bars.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        if shown:
            bars.enable_progress_bar()  # type: ignore[no-untyped-call]


LOCAL_ONLY: dict[str, Any] = {
    "local_files_only": True,
    # Not left out: transformers would then ask on the terminal whether to run a model's code.
    "trust_remote_code": False,
}


def _load_weights(folder: Path, dtype: torch.dtype, spread: dict[str, Any]) -> PreTrainedModel:
    with _without_bars():
        try:
            config = transformers.AutoConfig.from_pretrained(folder, **LOCAL_ONLY)
            # sdpa has no soft cap on its scores (Gemma 2) and would fail at the first token.
            capped = getattr(config.get_text_config(), "attn_logit_softcapping", None)
            loaded: Any = transformers.AutoModelForCausalLM.from_pretrained(
                folder,
                dtype=dtype,
                use_safetensors=True,
                attn_implementation="eager" if capped else "sdpa",
                output_loading_info=True,
                **spread,
                **LOCAL_ONLY,
            )
        except Exception as error:
            raise unreadable(folder, error) from error
    model, report = loaded
    lost = sorted(report["missing_keys"]) + sorted(str(k) for k in report["mismatched_keys"])
    if lost:  # transformers would fill them with random numbers
        raise ModelUnavailable(
            f"The weights in {folder} lack {len(lost)} tensors of the model: {lost[0]}.",
            "Fetch the model again.",
        )
    assert isinstance(model, transformers.PreTrainedModel)
    return model


def _load_tokenizer(folder: Path) -> Any:
    try:
        return transformers.AutoTokenizer.from_pretrained(folder, **LOCAL_ONLY)
    except Exception as error:
        raise unreadable(folder, error) from error


def unreadable(place: Path, error: Exception) -> ModelUnavailable:
    """The libraries below raise whatever they like, bare `Exception` included."""
    reason = (str(error).strip() or type(error).__name__).splitlines()[0]
    return ModelUnavailable(
        f"The model in {place} cannot be loaded: {reason}",
        "Check that it is complete and that this version of transformers knows it.",
    )
