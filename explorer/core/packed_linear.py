"""Linear maps for a few rows on a CPU: the same float32 numbers, laid out for them.

`F.linear` leaves [8, 576] x [576, 49152] to a BLAS that is at its best with hundreds of rows.
oneDNN, with the weights reordered once, needs a third to a half of the time. It is what torch's
own compiler does when it freezes a model; without the compiler it is reached by two operators
that carry no promise, so they are named in this file only, tried before use, and everything
works without them.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from explorer.core.spare_memory import bound_routines

TYPICAL_ROWS = 8
"""Rows the layout is made for; any other number works too."""

MIN_WEIGHTS = 1 << 16
"""Below this many weights the call costs more than it saves."""


class PackedLinear(nn.Module):
    """Stands for an `nn.Linear` that is no longer trained; its dense weight is given up.

    Args:
        linear: float32, on the CPU.
    """

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.in_features, self.out_features = linear.in_features, linear.out_features
        self.bias = None if linear.bias is None else linear.bias.detach()
        weight = linear.weight.detach()
        self._packed: Tensor = torch.ops.mkldnn._reorder_linear_weight(weight, TYPICAL_ROWS)

    @property
    def weight(self) -> Tensor:
        """The weight [out, in], unpacked into a new tensor."""
        return self._packed.to_dense()

    def forward(self, inputs: Tensor) -> Tensor:
        """inputs [..., in] -> [..., out]."""
        result: Tensor = torch.ops.mkldnn._linear_pointwise(
            inputs, self._packed, self.bias, "none", [], ""
        )
        return result


def _is_packable(module: nn.Module) -> bool:
    """True for a large enough plain linear layer in float32 on the CPU."""
    return (
        type(module) is nn.Linear
        and module.weight.dtype == torch.float32
        and module.weight.device.type == "cpu"
        and module.weight.numel() >= MIN_WEIGHTS
    )


def packing_works() -> bool:
    """True where this build of torch has the operators and they give the right numbers."""
    if not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return False
    linear = nn.Linear(96, 40, device="meta").to_empty(device="cpu")  # no global randomness
    inputs = torch.linspace(-1, 1, 3 * 96).reshape(1, 3, 96)
    try:
        with torch.no_grad():
            linear.weight.copy_(torch.arange(40 * 96.0).sin().reshape(40, 96))
            linear.bias.copy_(torch.arange(40.0))
            packed = PackedLinear(linear)
            found, expected = packed(inputs), functional.linear(inputs, linear.weight, linear.bias)
            same_weight = torch.equal(packed.weight, linear.weight)
    except (RuntimeError, AttributeError, TypeError):  # operators come and go with torch
        return False
    return same_weight and torch.allclose(found, expected, atol=1e-5)


def pack_linears(model: nn.Module) -> int:
    """Replace the model's linear layers by packed ones, in place; say how many.

    The model answers as before, to rounding, and can no longer be trained or saved.
    Costs no memory, but for an output layer that shares its weight with the embeddings.
    """
    bound_routines()
    if not packing_works():
        return 0
    count = 0
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if _is_packable(child):
                assert isinstance(child, nn.Linear)
                setattr(parent, name, PackedLinear(child))
                count += 1
    return count
