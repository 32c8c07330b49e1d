"""The optimiser and its parameter groups."""

from typing import Any

import torch
from torch import Tensor, nn

from mobilenets.arch.spec import Classifier
from mobilenets.nn import Network
from mobilenets.training.settings import Settings


def groups(network: Network, criterion: nn.Module, settings: Settings) -> list[dict[str, Any]]:
    """Parameters by weight decay and rate, as torch's optimisers take them; `factor` multiplies the rate of
    what begins untrained: the layer for the classes, the whole head of other tasks, what the loss learns.

    Frozen parameters are in no group.
    Norms, biases and single numbers (everything of at most one dimension) never decay, depthwise filters when
    the settings say so.
    """
    depthwise = {
        id(module.weight)
        for module in network.modules()
        if isinstance(module, nn.Conv2d) and module.groups == module.in_channels > 1
    }
    new = "head.classifier." if isinstance(network.arch.head, Classifier) else "head."
    named = [(parameter, name.startswith(new)) for name, parameter in network.named_parameters()]
    found: dict[tuple[bool, bool], list[Tensor]] = {}
    for parameter, is_new in [*named, *((parameter, True) for parameter in criterion.parameters())]:
        if not parameter.requires_grad:
            continue
        spared = parameter.ndim <= 1 or (id(parameter) in depthwise and not settings.decay_depthwise)
        found.setdefault((not spared, is_new), []).append(parameter)
    return [
        {
            "params": parameters,
            "weight_decay": settings.weight_decay if decays else 0.0,
            "factor": settings.head_lr_factor if is_new else 1.0,
        }
        for (decays, is_new), parameters in found.items()
    ]


def frozen(network: Network, stride: int) -> list[nn.Module]:
    """The blocks whose maps have at most `stride`: those that `freeze_stride` leaves as they are."""
    return [block for block, own in zip(network.blocks, network.strides, strict=True) if own <= stride]


def build_optimiser(network: Network, criterion: nn.Module, settings: Settings) -> torch.optim.Optimizer:
    """SGD with Nesterov momentum 0.9, or AdamW with torch's betas."""
    parameters = groups(network, criterion, settings)
    if settings.optimizer == "sgd":
        return torch.optim.SGD(parameters, lr=settings.lr, momentum=0.9, nesterov=True)
    return torch.optim.AdamW(parameters, lr=settings.lr, fused=True)


def set_rate(optimiser: torch.optim.Optimizer, rate: float) -> None:
    """Give every group its rate for the next step."""
    for group in optimiser.param_groups:
        group["lr"] = rate * group["factor"]
