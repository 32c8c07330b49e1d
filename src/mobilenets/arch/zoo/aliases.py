"""What timm and torchvision call networks: a family, and the arguments that make the same network."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

_TIMM: dict[str, Any] = {"dialect": "timm"}
_TF: dict[str, Any] = {"dialect": "tensorflow"}

ALIASES: Mapping[str, tuple[str, Mapping[str, Any]]] = MappingProxyType(
    {
        "mobilenetv1_100": ("mobilenet_v1", {"width": 1.0, **_TIMM}),
        "mobilenetv1_100h": ("mobilenet_v1", {"width": 1.0, **_TIMM, "head": 1024}),
        "mobilenetv1_125": ("mobilenet_v1", {"width": 1.25, **_TIMM}),
        "mobilenetv2_035": ("mobilenet_v2", {"width": 0.35, **_TIMM}),
        "mobilenetv2_050": ("mobilenet_v2", {"width": 0.5, **_TIMM}),
        "mobilenetv2_075": ("mobilenet_v2", {"width": 0.75, **_TIMM}),
        "mobilenetv2_100": ("mobilenet_v2", {"width": 1.0, **_TIMM}),
        "mobilenetv2_110d": ("mobilenet_v2", {"width": 1.1, **_TIMM, "depth": 1.2, "fixed_ends": True}),
        "mobilenetv2_120d": ("mobilenet_v2", {"width": 1.2, **_TIMM, "depth": 1.4, "fixed_ends": True}),
        "mobilenetv2_140": ("mobilenet_v2", {"width": 1.4, **_TIMM}),
        "mobilenetv3_large_075": ("mobilenet_v3_large", {"width": 0.75, **_TIMM}),
        "mobilenetv3_large_100": ("mobilenet_v3_large", {"width": 1.0, **_TIMM}),
        "mobilenetv3_large_150d": ("mobilenet_v3_large", {"width": 1.5, **_TIMM, "depth": 1.2}),
        "mobilenetv3_rw": ("mobilenet_v3_large", {"width": 1.0, **_TIMM, "early": True}),
        "mobilenetv3_small_050": ("mobilenet_v3_small", {"width": 0.5, **_TIMM}),
        "mobilenetv3_small_075": ("mobilenet_v3_small", {"width": 0.75, **_TIMM}),
        "mobilenetv3_small_100": ("mobilenet_v3_small", {"width": 1.0, **_TIMM}),
        "tf_mobilenetv3_large_075": ("mobilenet_v3_large", {"width": 0.75, **_TF}),
        "tf_mobilenetv3_large_100": ("mobilenet_v3_large", {"width": 1.0, **_TF}),
        "tf_mobilenetv3_large_minimal_100": ("mobilenet_v3_large_minimalistic", {"width": 1.0, **_TF}),
        "tf_mobilenetv3_small_075": ("mobilenet_v3_small", {"width": 0.75, **_TF}),
        "tf_mobilenetv3_small_100": ("mobilenet_v3_small", {"width": 1.0, **_TF}),
        "tf_mobilenetv3_small_minimal_100": ("mobilenet_v3_small_minimalistic", {"width": 1.0, **_TF}),
        "mobilenetv4_conv_small_035": ("mobilenet_v4_conv_small", {"width": 0.35, **_TIMM}),
        "mobilenetv4_conv_small_050": ("mobilenet_v4_conv_small", {"width": 0.5, **_TIMM}),
        "mobilenetv4_conv_small": ("mobilenet_v4_conv_small", {"width": 1.0, **_TIMM}),
        "mobilenetv4_conv_medium": ("mobilenet_v4_conv_medium", {"width": 1.0, **_TIMM}),
        "mobilenetv4_conv_aa_medium": (
            "mobilenet_v4_conv_medium",
            {"width": 1.0, **_TIMM, "antialias": "average"},
        ),
        "mobilenetv4_conv_blur_medium": (
            "mobilenet_v4_conv_medium",
            {"width": 1.0, **_TIMM, "antialias": "blur"},
        ),
        "mobilenetv4_conv_large": ("mobilenet_v4_conv_large", {"width": 1.0, **_TIMM}),
        "mobilenetv4_conv_aa_large": (
            "mobilenet_v4_conv_large",
            {"width": 1.0, **_TIMM, "antialias": "average"},
        ),
        "mobilenetv4_hybrid_medium_075": ("mobilenet_v4_hybrid_medium", {"width": 0.75, **_TIMM}),
        "mobilenetv4_hybrid_medium": ("mobilenet_v4_hybrid_medium", {"width": 1.0, **_TIMM}),
        "mobilenetv4_hybrid_large_075": ("mobilenet_v4_hybrid_large", {"width": 0.75, **_TIMM}),
        "mobilenetv4_hybrid_large": ("mobilenet_v4_hybrid_large", {"width": 1.0, **_TIMM}),
        "mnasnet0_5": ("mnasnet_b1", {"width": 0.5, "dialect": "torchvision"}),
        "mnasnet0_75": ("mnasnet_b1", {"width": 0.75, "dialect": "torchvision"}),
        "mnasnet1_0": ("mnasnet_b1", {"width": 1.0, "dialect": "torchvision"}),
        "mnasnet1_3": ("mnasnet_b1", {"width": 1.3, "dialect": "torchvision"}),
        "mnasnet_050": ("mnasnet_b1", {"width": 0.5, **_TIMM}),
        "mnasnet_075": ("mnasnet_b1", {"width": 0.75, **_TIMM}),
        "mnasnet_100": ("mnasnet_b1", {"width": 1.0, **_TIMM}),
        "mnasnet_140": ("mnasnet_b1", {"width": 1.4, **_TIMM}),
        "semnasnet_050": ("mnasnet_a1", {"width": 0.5, **_TIMM}),
        "semnasnet_075": ("mnasnet_a1", {"width": 0.75, **_TIMM}),
        "semnasnet_100": ("mnasnet_a1", {"width": 1.0, **_TIMM}),
        "semnasnet_140": ("mnasnet_a1", {"width": 1.4, **_TIMM}),
        "tf_efficientnet_lite0": ("efficientnet_lite0", {"width": 1.0, **_TF}),
        "tf_efficientnet_lite1": ("efficientnet_lite1", {"width": 1.0, **_TF}),
        "tf_efficientnet_lite2": ("efficientnet_lite2", {"width": 1.0, **_TF}),
        "tf_efficientnet_lite3": ("efficientnet_lite3", {"width": 1.0, **_TF}),
        "tf_efficientnet_lite4": ("efficientnet_lite4", {"width": 1.0, **_TF}),
        "mobilenet_edgetpu_100": ("mobilenet_edgetpu", {"width": 1.0, **_TIMM}),
    }
)
