"""Networks of the latent spaces as folders: a shape, a box, float16 weights; never a pickle."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from pydantic import BaseModel, ConfigDict, ValidationError

from explorer.core.deferred import torch
from explorer.core.errors import InvalidParams, ModelUnavailable
from explorer.core.weight_files import PICKLED_SUFFIXES, read_header
from explorer.latent.kinds import KINDS
from explorer.latent.nets import Shape

if TYPE_CHECKING:
    from torch import Tensor, nn

    from explorer.latent.ae import RecurrentAutoencoder
    from explorer.latent.transformer import TransformerAutoencoder
    from explorer.latent.vae import Variational
    from explorer.latent.word_lm import WordModel

CONFIG = "config.json"
WEIGHTS = "model.safetensors"
Network: TypeAlias = "Variational | RecurrentAutoencoder | TransformerAutoencoder | WordModel"


class Config(BaseModel):
    """What a folder's config.json says.

    Attributes:
        language: whose words the ids stand for.
        shape: of the network.
        low: least code of the training sentences, by dimension; empty for a language model.
        high: the greatest.
        steps: of the training, done when this was written.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    language: str
    shape: Shape
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()
    steps: int = 0


def new_network(shape: Shape, options: Mapping[str, float] | None = None) -> Network:
    """A network without weights yet (see `nets.initialise`).

    Args:
        shape: its kind and sizes.
        options: for training only, of the variational one.

    Raises:
        InvalidParams: for a kind that is not known.
    """
    if shape.kind not in KINDS:
        raise InvalidParams(f"No network is a '{shape.kind}'.", f"Use one of {', '.join(KINDS)}.")
    return _network_class(shape.kind)(shape, **(options or {}))


def _network_class(kind: str) -> type[Network]:
    """The class of a kind; they are modules of torch, and imported with it."""
    from explorer.latent.ae import RecurrentAutoencoder  # noqa: PLC0415
    from explorer.latent.transformer import TransformerAutoencoder  # noqa: PLC0415
    from explorer.latent.vae import Variational  # noqa: PLC0415
    from explorer.latent.word_lm import WordModel  # noqa: PLC0415

    classes: dict[str, type[Network]] = {
        "vae": Variational,
        "ae": RecurrentAutoencoder,
        "transformer": TransformerAutoencoder,
        "lm": WordModel,
    }
    return classes[kind]


def save_network(folder: Path, net: nn.Module, config: Config) -> None:
    """Write config.json and float16 weights."""
    from safetensors.torch import save_file  # with torch

    folder.mkdir(parents=True, exist_ok=True)
    state = {name: weight.detach().half().contiguous() for name, weight in net.named_parameters()}
    save_file(state, folder / WEIGHTS)
    (folder / WEIGHTS).chmod(0o644)
    text = json.dumps(config.model_dump(mode="json"), sort_keys=True)
    (folder / CONFIG).write_text(text + "\n", "utf-8")


def read_config(folder: Path) -> Config:
    """What a folder says of its network.

    Raises:
        ModelUnavailable: naming the file and what is wrong with it.
    """
    path = folder / CONFIG
    try:
        config = Config.model_validate_json(path.read_bytes())
    except OSError as error:
        raise ModelUnavailable(f"{path} cannot be read: {error.strerror}.") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise ModelUnavailable(f"{path}: {where}: {first['msg']}.") from error
    if config.shape.kind not in KINDS:
        raise ModelUnavailable(f"{path}: shape.kind: no network is a '{config.shape.kind}'.")
    sizes = {len(config.low), len(config.high)}
    if sizes != {config.shape.dimensions}:
        raise ModelUnavailable(f"{path}: the box has not {config.shape.dimensions} dimensions.")
    return config


def load_network(folder: Path) -> tuple[Network, Config]:
    """A network for use: float64 holding what float16 said, gradients off.

    Raises:
        ModelUnavailable: for a missing or damaged file, pickled weights, or other tensors than
            the shape asks for.
    """
    from safetensors.torch import load_file  # with torch

    config = read_config(folder)
    path = folder / WEIGHTS
    if not path.exists() and any(p.suffix in PICKLED_SUFFIXES for p in folder.iterdir()):
        raise ModelUnavailable(
            f"{folder} has its weights pickled, and a pickle can run anything.",
            f"Convert them to {WEIGHTS}.",
        )
    read_header(path)
    saved = load_file(path)
    net = new_network(config.shape)
    _check(path, saved, dict(net.named_parameters()))
    net.load_state_dict({name: tensor.double() for name, tensor in saved.items()}, assign=True)
    return net.double().eval().requires_grad_(False), config


def _is_finite(tensor: Tensor) -> bool:
    """Whether all numbers are; by the least and the greatest, which NaN would be, too."""
    if not tensor.numel():
        return True
    ends = torch.stack(torch.aminmax(tensor.float()))
    return bool(torch.isfinite(ends).all())


def _check(path: Path, saved: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> None:
    for name, tensor in wanted.items():
        if name not in saved or saved[name].shape != tensor.shape:
            raise ModelUnavailable(f"{path} has no '{name}' of shape {list(tensor.shape)}.")
    if len(saved) > len(wanted):
        raise ModelUnavailable(f"{path} holds tensors that its shape does not know.")
    if not all(_is_finite(tensor) for tensor in saved.values()):
        raise ModelUnavailable(f"{path} holds weights that are no finite numbers.")
