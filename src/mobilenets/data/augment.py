"""Random variations of training images, by name, with torchvision's transforms on uint8."""

import math
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor
from torchvision import tv_tensors
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as F

from mobilenets.arch.preprocess import IMAGENET_MEAN
from mobilenets.base.errors import UnknownName
from mobilenets.data.dataset import IGNORED

Transform = Callable[[Tensor], Tensor]

# The share of the image's area that a random crop keeps at least.
CROPS = {"none": 1.0, "slight": 0.7, "light": 0.5, "standard": 0.35, "strong": 0.2}
AUGMENTATIONS = tuple(CROPS)
STRETCH, SLIGHT_STRETCH = 4 / 3, 1.18  # by which a random crop is wider or higher than a square, at most
GREY = tuple(round(255 * mean) for mean in IMAGENET_MEAN)  # about zero once normalised


@cache
def augmentation(name: str, size: int, erasing: float = 0.0, flip: bool = True) -> Transform:
    """A transform of uint8 pixels (3, H, W) to uint8 (3, size, size) that draws from torch's generator.

    "none" cuts the centre, whose side must be `size` at least. "slight" and "light" cut and scale at random
    and mirror (unless `flip` is off: signs and text change their meaning); "standard" also jitters
    brightness, contrast and saturation, "strong" also makes one random change of TrivialAugment, which may
    turn the image far.
    `erasing` is the probability of painting over a rectangle. Raises UnknownName.
    """
    if name not in CROPS:
        raise UnknownName("augmentation", name, AUGMENTATIONS)
    if name == "none":
        return cast("Transform", v2.CenterCrop(size))
    stretch = SLIGHT_STRETCH if name == "slight" else STRETCH
    ratio = (1 / stretch, stretch)
    steps = [v2.RandomResizedCrop(size, scale=(CROPS[name], 1.0), ratio=ratio, antialias=True)]
    if flip:
        steps.append(v2.RandomHorizontalFlip())
    # Cached pixels lie channels last: quickest to scale, but a third slower to jitter.
    steps.append(v2.Lambda(Tensor.contiguous))
    if name == "strong":
        steps.append(v2.TrivialAugmentWide())
    return cast("Transform", v2.Compose([*steps, *_recoloured(name, erasing)]))


def _recoloured(name: str, erasing: float) -> Iterator[torch.nn.Module]:
    """What comes last: other colours in the stronger ones, and perhaps a grey rectangle."""
    if name in ("standard", "strong"):
        jitter = v2.ColorJitter(brightness=0.25, contrast=0.25, saturation=0.25)
        yield v2.RandomApply([jitter], p=0.5)
    if erasing:
        yield v2.RandomErasing(erasing, scale=(0.02, 0.2), value=GREY)


# How much smaller or larger scenes are shown, at most.
ZOOMS = {
    "none": (1.0, 1.0),
    "slight": (0.9, 1.2),
    "light": (0.8, 1.5),
    "standard": (0.5, 2.0),
    "strong": (0.4, 3.0),
}
RATIO = 4 / 3  # by which a scene is widened or narrowed, at most


@cache
def scene_augmentation(name: str, side: int, erasing: float = 0.0, flip: bool = True) -> Callable[..., Any]:
    """A transform of scenes: torchvision's Image with BoundingBoxes or a Mask, to (side, side) pixels.

    "none" stretches the whole image. The others cut a window that may reach beyond the image and mirror
    (unless `flip` is off); "standard" and "strong" also jitter colours. A box whose centre is cut off becomes
    empty; beyond the image everything is grey, and 255 in the mask. Draws from torch's generator. Raises
    UnknownName.
    """
    if name not in ZOOMS:
        raise UnknownName("augmentation", name, AUGMENTATIONS)
    if name == "none":
        return cast("Callable[..., Any]", v2.Resize([side, side], antialias=True))
    steps: list[torch.nn.Module] = [RandomWindow(side, ZOOMS[name], RATIO)]
    if flip:
        steps.append(v2.RandomHorizontalFlip())
    return cast("Callable[..., Any]", v2.Compose([*steps, *_recoloured(name, erasing)]))


class RandomWindow(v2.Transform):  # type: ignore[misc]  # torchvision has no types
    """A window of the image's shape, up to `ratio`, scaled to a square; things come out larger by `zoom`.

    A window larger than the image holds all of it, a smaller one lies within it.
    """

    def __init__(self, side: int, zoom: tuple[float, float], ratio: float) -> None:
        super().__init__()
        self.side, self.zoom, self.ratio = side, zoom, ratio

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """Across and down: where the window lies, and what it leaves of the square."""
        height, width = F.get_size(flat_inputs[0])
        zoom = math.exp(_between(math.log(self.zoom[0]), math.log(self.zoom[1])))
        stretch = math.exp(_between(-0.5, 0.5) * math.log(self.ratio))
        return {"x": _span(width, width / zoom * stretch, self.side),
                "y": _span(height, height / zoom / stretch, self.side)}  # fmt: skip

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """What the window shows of an image, mask or boxes."""
        x, y = params["x"], params["y"]
        if isinstance(inpt, tv_tensors.BoundingBoxes):
            centres = (inpt[:, :2] + inpt[:, 2:]) / 2 - torch.tensor([x.first, y.first])
            inside = ((centres >= 0) & (centres < torch.tensor([x.length, y.length]))).all(dim=1)
            inpt = tv_tensors.wrap(inpt * inside[:, None], like=inpt)
        shown = F.resized_crop(inpt, y.first, x.first, y.length, x.length, [y.shown, x.shown], antialias=True)
        fill = IGNORED if isinstance(inpt, tv_tensors.Mask) else list(GREY)
        shown = F.pad(shown, [x.before, y.before, x.after, y.after], fill=fill)
        if isinstance(shown, tv_tensors.Image):
            # Cached pixels lie channels last: quickest to scale, but a third slower to jitter.
            return tv_tensors.wrap(shown.contiguous(), like=shown)
        return shown


class Span(NamedTuple):
    """Along one side: first pixel and number of pixels cut from the image; pixels of the result before them,
    of them and after them.
    """

    first: int
    length: int
    before: int
    shown: int
    after: int


def _span(image: int, window: float, side: int) -> Span:
    """A window at a random place within the image, or with the image at a random place within it."""
    start = _between(0, image - window)
    first, last = max(0, round(start)), min(image, max(1, round(start + window)))
    shown = max(1, min(side, round((last - first) / window * side)))
    before = max(0, min(side - shown, round(-start / window * side)))
    return Span(first, last - first, before, shown, side - shown - before)


def _between(low: float, high: float) -> float:
    """A number between two, in whichever order they come, from torch's generator."""
    return low + (high - low) * torch.rand(()).item()


def may_flip(labels: Sequence[str]) -> bool:
    """Whether mirrored images keep their class, as far as names tell.

    They do not where two classes differ by left and right alone, or where all are single characters.
    """
    names = {label.casefold() for label in labels}
    mirrored = any("left" in name and name.replace("left", "right") in names for name in names)
    return not mirrored and any(len(name) > 1 for name in names)
