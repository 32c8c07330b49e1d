"""The three readings of the papers: torchvision, timm, TensorFlow."""

from mobilenets.arch.spec import Dialect
from mobilenets.base.errors import UnknownName

TORCHVISION = Dialect("torchvision", norm_eps=1e-5, norm_momentum=0.1)
TORCHVISION_V3 = Dialect("torchvision", norm_eps=1e-3, norm_momentum=0.01)
TIMM = Dialect("timm", norm_eps=1e-5, norm_momentum=0.1, hidden="conv")
TENSORFLOW = Dialect("tensorflow", norm_eps=1e-3, norm_momentum=0.003, padding="same", hidden="conv")

DIALECTS = ("torchvision", "timm", "tensorflow")


def dialect(name: str, family: str) -> Dialect:
    """The dialect `name` for a family. Raises UnknownName."""
    match name:
        case "torchvision":
            return TORCHVISION_V3 if family.startswith("mobilenet_v3") else TORCHVISION
        case "timm":
            return TIMM
        case "tensorflow":
            return TENSORFLOW
        case _:
            raise UnknownName("dialect", name, DIALECTS)
