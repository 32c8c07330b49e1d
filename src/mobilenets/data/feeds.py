"""Training examples of each task: cached images, varied at random together with what is true of them."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from torchvision import tv_tensors
from torchvision.transforms.v2.functional import resize

from mobilenets.data.augment import augmentation, scene_augmentation
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


@dataclass(frozen=True)
class BoxedImages:
    """Images with boxes: corners (M, 4) float32 in pixels of the cached image, and classes (M,) int64."""

    cache: ImageCache
    boxes: Sequence[Tensor]
    labels: Sequence[Tensor]
    augment: str = "none"
    erasing: float = 0.0
    flip: bool = True

    def __len__(self) -> int:
        """How many images."""
        return len(self.cache)

    def example(self, index: int, side: int) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """An image uint8 (3, side, side), its boxes in its pixels and their classes.

        Boxes whose centre is cut off, or that are less than a pixel wide or high, are left out.
        """
        image = tv_tensors.Image(self.cache[index])
        boxes = tv_tensors.BoundingBoxes(
            self.boxes[index],
            format="XYXY",
            canvas_size=(image.shape[1], image.shape[2]),
        )
        image, boxes = scene_augmentation(self.augment, side, self.erasing, self.flip)(image, boxes)
        corners = boxes.as_subclass(Tensor)
        seen = (corners[:, 2:] - corners[:, :2] >= 1).all(dim=1)
        return image.as_subclass(Tensor), (corners[seen], self.labels[index][seen])

    def collate(
        self, examples: Sequence[tuple[Tensor, tuple[Tensor, Tensor]]]
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Images (B, 3, side, side); boxes (B, M, 4), filled up with 0, and classes (B, M), with -1."""
        boxes = pad_sequence([target[0] for _, target in examples], batch_first=True)
        labels = pad_sequence([target[1] for _, target in examples], batch_first=True, padding_value=-1)
        return torch.stack([pixels for pixels, _ in examples]), (boxes, labels)


@dataclass(frozen=True)
class MaskedImages:
    """Images with masks of class indices, of the same sizes."""

    cache: ImageCache
    masks: ImageCache
    augment: str = "none"
    erasing: float = 0.0
    flip: bool = True

    def __len__(self) -> int:
        """How many images."""
        return len(self.cache)

    def example(self, index: int, side: int) -> tuple[Tensor, Tensor]:
        """An image uint8 (3, side, side) and its mask uint8 (side, side), 255 where nothing is known."""
        image, mask = tv_tensors.Image(self.cache[index]), tv_tensors.Mask(self.masks[index][0])
        image, mask = scene_augmentation(self.augment, side, self.erasing, self.flip)(image, mask)
        return image.as_subclass(Tensor), mask.as_subclass(Tensor)

    def collate(self, examples: Sequence[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
        """Images (B, 3, side, side) and masks int64 (B, side, side)."""
        masks = torch.stack([mask for _, mask in examples])
        return torch.stack([pixels for pixels, _ in examples]), masks.long()
