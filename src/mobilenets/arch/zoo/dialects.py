"""The readings of the papers: torchvision, timm, TensorFlow (slim and its successors), Keras applications."""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from mobilenets.arch.spec import Dialect
from mobilenets.base.errors import UnknownName

TORCHVISION = Dialect("torchvision", norm_eps=1e-5, norm_momentum=0.1)
TIMM = Dialect("timm", norm_eps=1e-5, norm_momentum=0.1, hidden="conv")
TENSORFLOW = Dialect("tensorflow", norm_eps=1e-3, norm_momentum=0.003, padding="same", hidden="conv")
KERAS = replace(TENSORFLOW, name="keras", norm_momentum=0.001)

DIALECTS = ("torchvision", "timm", "tensorflow", "keras")
_USUAL: Mapping[str, Dialect] = MappingProxyType({d.name: d for d in (TORCHVISION, TIMM, TENSORFLOW, KERAS)})
# Where the published code of a family departs from the rest of its framework. torch's momentum is one minus
# TensorFlow's decay.
_OWN: Mapping[tuple[str, str], Dialect] = MappingProxyType(
    {
        ("torchvision", "mobilenet_v3"): replace(TORCHVISION, norm_eps=1e-3, norm_momentum=0.01),
        ("torchvision", "mnasnet"): replace(TORCHVISION, norm_momentum=0.0003),
        ("tensorflow", "mnasnet"): replace(TENSORFLOW, norm_momentum=0.01),
        ("tensorflow", "efficientnet_lite"): replace(TENSORFLOW, norm_momentum=0.01),
        ("tensorflow", "mobilenet_v4_conv_small"): replace(TENSORFLOW, norm_eps=1e-6, norm_momentum=0.05),
        ("tensorflow", "mobilenet_v1"): replace(TENSORFLOW, norm_momentum=0.0003),
        ("keras", "mobilenet_v1"): replace(KERAS, norm_momentum=0.01),
    }
)


def dialect(name: str, family: str) -> Dialect:
    """The dialect `name` for a family. Raises UnknownName.

    Where a framework does not publish the family, its usual constants stand. Sources: torchvision 0.29
    (mobilenetv2.py, mobilenetv3.py, mnasnet.py), timm 1.0, tensorflow/models research/slim/nets and
    official/vision, tensorflow/tpu models/official, keras-team/keras keras/src/applications.
    """
    if name not in _USUAL:
        raise UnknownName("dialect", name, DIALECTS)
    own = [found for (whose, prefix), found in _OWN.items() if whose == name and family.startswith(prefix)]
    return own[0] if own else _USUAL[name]
