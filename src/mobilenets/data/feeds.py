"""Training examples of each task: cached images, varied at random together with what is true of them."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torchvision.transforms.v2.functional import resize

from mobilenets.data.augment import augmentation
from mobilenets.data.cache import ImageCache


@dataclass(frozen=True)
class LabelledImages:
    """Images with a class each. `full` is the network's side; `augment`, `erasing` and `flip` are those of
    `augmentation`.
    """

    cache: ImageCache
    labels: Sequence[int]
    full: int
    augment: str = "none"
    erasing: float = 0.0
    flip: bool = True

    def __len__(self) -> int:
        """How many images."""
        return len(self.cache)

    def example(self, index: int, side: int) -> tuple[Tensor, int]:
        """An image uint8 (3, side, side), without augmentation scaled and not cut, and its class."""
        image, label = self.cache[index], self.labels[index]
        if self.augment != "none":
            return augmentation(self.augment, side, self.erasing, self.flip)(image), label
        whole = augmentation("none", self.full)(image)
        return (whole if side == self.full else resize(whole, [side, side], antialias=True)), label

    def collate(self, examples: Sequence[tuple[Tensor, int]]) -> tuple[Tensor, Tensor]:
        """Images (B, 3, side, side) and classes int64 (B,)."""
        return torch.stack([pixels for pixels, _ in examples]), torch.tensor([label for _, label in examples])
