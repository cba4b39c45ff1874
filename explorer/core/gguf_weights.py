"""GGUF files as folders that a model can be loaded from."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from explorer.core.deferred import torch, transformers
from explorer.core.models import LOCAL_ONLY, unreadable
from explorer.core.progress import Progress

if TYPE_CHECKING:
    from torch import Tensor


def convert_gguf(path: Path, folder: Path, progress: Progress) -> None:
    """Write what a GGUF file holds as a model folder with float32 safetensors.

    Each tensor is dequantised and renamed with transformers' own tables. Its loader does the
    same, but needs one more package, and what it loads refuses to be saved.

    Args:
        path: the file.
        folder: an existing, empty folder.
        progress: told how far it is.

    Raises:
        ModelUnavailable: if the file cannot be read or its architecture is unknown.
    """
    import gguf  # as below: of use where a file is converted
    from safetensors.torch import save_file

    source: dict[str, Any] = {"gguf_file": path.name, **LOCAL_ONLY}
    try:
        progress("Reading the GGUF file", 0.0)
        reader = gguf.GGUFReader(path)
        config = transformers.AutoConfig.from_pretrained(path.parent, **source)
        progress("Reading its tokenizer", 0.3)
        transformers.AutoTokenizer.from_pretrained(path.parent, **source).save_pretrained(folder)
        progress("Dequantising", 0.6)
        with torch.device("meta"):
            model = transformers.AutoModelForCausalLM.from_config(config)  # type: ignore[no-untyped-call]
        tensors = _dequantised(reader, model, progress)
        progress("Writing the weights", 0.95)
        weights = folder / "model.safetensors"
        save_file(tensors, weights, metadata={"format": "pt"})
        weights.chmod(0o644)  # written for its owner alone, where a cache may be shared
        config.architectures = [type(model).__name__]
        config.dtype = torch.float32
        config.save_pretrained(folder)
        if model.generation_config is not None:
            model.generation_config.save_pretrained(folder)
    except OSError:
        raise  # no space, no permission: the caller knows the place
    except Exception as error:
        raise unreadable(path, error) from error


def _dequantised(reader: Any, model: Any, progress: Progress) -> dict[str, Tensor]:
    """All tensors of a GGUF file in float32, under the model's names."""
    import gguf
    from transformers import modeling_gguf_pytorch_utils as tables

    architecture = reader.get_field("general.architecture").contents()
    config = model.config.to_dict()
    kind: Any = tables.TENSOR_PROCESSORS.get(architecture, tables.TensorProcessor)
    processor = kind(config=config)
    names = tables.get_gguf_hf_weights_map(model, processor)
    # Processors of mixtures of experts collect their parts in "tensors" by themselves.
    parsed: dict[str, Any] = {"config": config, "tensors": {}}
    for i, tensor in enumerate(reader.tensors):
        progress("Dequantising", 0.7 + 0.25 * i / len(reader.tensors))
        result = processor.process(
            weights=gguf.dequantize(tensor.data, tensor.tensor_type),
            name=tensor.name,
            tensor_key_mapping=names,
            parsed_parameters=parsed,
        )
        if result.name in names:
            weights = np.array(result.weights, dtype=np.float32)  # a copy that owns its data
            parsed["tensors"][names[result.name]] = torch.from_numpy(weights)
    tensors: dict[str, Tensor] = parsed["tensors"]
    return {name: tensor.contiguous() for name, tensor in tensors.items()}
