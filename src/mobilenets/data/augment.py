"""Random variations of training images, by name, with torchvision's transforms on uint8."""

from collections.abc import Callable, Sequence
from functools import cache
from typing import cast

from torch import Tensor
from torchvision.transforms import v2

from mobilenets.arch.preprocess import IMAGENET_MEAN
from mobilenets.base.errors import UnknownName

Transform = Callable[[Tensor], Tensor]

# The share of the image's area that a random crop keeps at least.
CROPS = {"none": 1.0, "light": 0.5, "standard": 0.35, "strong": 0.2}
AUGMENTATIONS = tuple(CROPS)
GREY = tuple(round(255 * mean) for mean in IMAGENET_MEAN)  # about zero once normalised


@cache
def augmentation(name: str, size: int, erasing: float = 0.0, flip: bool = True) -> Transform:
    """A transform of uint8 pixels (3, H, W) to uint8 (3, size, size) that draws from torch's generator.

    "none" cuts the centre, whose side must be `size` at least. "light" cuts and scales at random and mirrors
    (unless `flip` is off: signs and text change their meaning); "standard" also jitters brightness, contrast
    and saturation, "strong" also makes one random change of TrivialAugment, which may turn the image far.
    `erasing` is the probability of painting over a rectangle. Raises UnknownName.
    """
    if name not in CROPS:
        raise UnknownName("augmentation", name, AUGMENTATIONS)
    if name == "none":
        return cast("Transform", v2.CenterCrop(size))
    steps = [v2.RandomResizedCrop(size, scale=(CROPS[name], 1.0), antialias=True)]
    if flip:
        steps.append(v2.RandomHorizontalFlip())
    # Cached pixels lie channels last: quickest to scale, but a third slower to jitter.
    steps.append(v2.Lambda(Tensor.contiguous))
    if name == "strong":
        steps.append(v2.TrivialAugmentWide())
    if name in ("standard", "strong"):
        jitter = v2.ColorJitter(brightness=0.25, contrast=0.25, saturation=0.25)
        steps.append(v2.RandomApply([jitter], p=0.5))
    if erasing:
        steps.append(v2.RandomErasing(erasing, scale=(0.02, 0.2), value=GREY))
    return cast("Transform", v2.Compose(steps))


def may_flip(labels: Sequence[str]) -> bool:
    """Whether mirrored images keep their class, as far as names tell.

    They do not where two classes differ by left and right alone, or where all are single characters.
    """
    names = {label.casefold() for label in labels}
    mirrored = any("left" in name and name.replace("left", "right") in names for name in names)
    return not mirrored and any(len(name) > 1 for name in names)
