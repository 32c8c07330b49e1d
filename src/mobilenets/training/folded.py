"""Batch norms that a file came without, as converted ones do, made ready to be trained."""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from mobilenets.arch.card import Card
from mobilenets.data.cache import build_cache
from mobilenets.data.loader import eval_batches
from mobilenets.nn import Network, normalise

BATCH = 64


def folded(norm: nn.BatchNorm2d) -> bool:
    """Whether it does nothing but shift, as `weights.ordered.state_of` makes those that a file lacks."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    alone = torch.full_like(norm.running_var, 1 - norm.eps)
    return bool(
        (norm.weight == 1).all() and (norm.running_mean == 0).all() and (norm.running_var == alone).all()
    )


def unfold(network: Network, images: Sequence[Path], card: Card) -> int:
    """Give folded batch norms the mean and variance that these images have there, with a scale and shift that
    undo them: what the network computes stays, and a training, which takes them from batches, begins there
    too. Leaves it in evaluation mode; returns how many there were. Raises DataError, StorageError.
    """
    norms = [one for one in network.modules() if isinstance(one, nn.BatchNorm2d) and folded(one)]
    network.eval()
    if not norms:
        return 0
    sums = {norm: [torch.zeros(norm.num_features, dtype=torch.float64) for _ in range(2)] for norm in norms}
    counts = dict.fromkeys(norms, 0)

    def look(norm: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        """Add what goes in, (B, C, H, W)."""
        assert isinstance(norm, nn.BatchNorm2d)
        values = inputs[0].detach().double()
        sums[norm][0] += values.sum(dim=(0, 2, 3)).cpu()
        sums[norm][1] += values.square().sum(dim=(0, 2, 3)).cpu()
        counts[norm] += values.numel() // norm.num_features

    handles = [norm.register_forward_pre_hook(look) for norm in norms]
    device = next(network.parameters()).device
    cache = build_cache(images, card.preprocess)
    with torch.no_grad():
        for _, pixels in eval_batches(cache, card.preprocess, batch_size=BATCH):
            network(normalise(card.preprocess, pixels.to(device)))
        for handle in handles:
            handle.remove()
        for norm in norms:
            mean = sums[norm][0] / counts[norm]
            variance = (sums[norm][1] / counts[norm] - mean.square()).clamp_min(0)
            assert norm.running_mean is not None
            assert norm.running_var is not None
            norm.running_mean.copy_(mean)
            norm.running_var.copy_(variance)
            norm.weight.copy_((norm.running_var + norm.eps).sqrt())
            norm.bias.add_(norm.running_mean)
    return len(norms)
