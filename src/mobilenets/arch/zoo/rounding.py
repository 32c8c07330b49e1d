"""How widths are rounded when a multiplier is applied."""


def make_divisible(value: float, divisor: int = 8) -> int:
    """The multiple of `divisor` nearest to `value`, at least `divisor` and at least nine tenths of `value`.

    Source: tensorflow/models, research/slim/nets/mobilenet/mobilenet.py; the same in torchvision and timm.
    """
    rounded = max(divisor, int(value + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * value else rounded
