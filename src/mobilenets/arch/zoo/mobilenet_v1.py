"""MobileNetV1 (arXiv 1704.04861, table 1)."""

from mobilenets.arch.spec import Arch, Classifier, Conv, Separable
from mobilenets.arch.zoo.dialects import dialect as find_dialect
from mobilenets.arch.zoo.rounding import make_divisible

# (out, stride) of the thirteen separable blocks. The paper prints stride 2 on the last row although its
# output stays 7x7; the published code has stride 1.
TABLE_1 = (
    (64, 1),
    (128, 2), (128, 1),
    (256, 2), (256, 1),
    (512, 2), (512, 1), (512, 1), (512, 1), (512, 1), (512, 1),
    (1024, 2), (1024, 1),
)  # fmt: skip


def mobilenet_v1(
    width: float = 1.0, resolution: int = 224, classes: int = 1000, dialect: str = "timm", head: int = 0
) -> Arch:
    """V1 at any width multiplier and input side.

    TensorFlow truncates widths to integers of at least 8 (slim, mobilenet_v1.py), Keras without that floor
    (keras/src/applications/mobilenet.py), timm rounds them to multiples of 8; torchvision does not publish V1
    and reads as timm. `head` adds timm's 1x1 convolution of that many channels before the pool
    (mobilenetv1_100h).
    """

    def scaled(channels: int) -> int:
        match dialect:
            case "tensorflow":
                return max(int(channels * width), 8)
            case "keras":
                return max(int(channels * width), 1)
            case _:
                return make_divisible(channels * width)

    blocks = (
        Conv(kernel=3, out=scaled(32), stride=2),
        *(Separable(kernel=3, out=scaled(out), stride=stride) for out, stride in TABLE_1),
        *((Conv(kernel=1, out=head),) if head else ()),
    )
    dropout = 0.001 if dialect in ("tensorflow", "keras") else 0.2
    return Arch("mobilenet_v1", resolution, blocks, Classifier(classes, dropout=dropout),
                find_dialect(dialect, "mobilenet_v1"))  # fmt: skip
