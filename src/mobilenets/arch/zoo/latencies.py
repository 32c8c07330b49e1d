"""How long the authors measured their networks to take on the phones of their day, at batch 1.

TensorFlow Lite on one large core unless the device says otherwise. Figures of different sources were measured
years apart and on other versions: compare within a source only.
"""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import NamedTuple


class Latency(NamedTuple):
    """Milliseconds on a device in a precision, and where they were published."""

    device: str
    ms: float
    precision: str
    source: str


Place = tuple[str, float, int]  # family, width, input side in pixels
Row = tuple[float | None, ...]

PIXELS = ("Pixel 1", "Pixel 2", "Pixel 3")
_SLIM_V2 = "tensorflow/models slim mobilenet README"
_SIDES_V2 = (224, 192, 160, 128, 96)
# one row per width, one column per input side; Pixel 1
_V2: Mapping[float, Row] = {
    1.4: (138,),
    1.3: (123,),
    1.0: (73.8, 55.1, 40.2, 27.6, 17.6),
    0.75: (55.8, 41.6, 30.4, 21.9, 14.2),
    0.5: (28.7, 21.1, 14.9, 9.9, 6.4),
    0.35: (19.7, 14.6, 10.5, 6.9, 4.5),
}
_TPU = "tensorflow/tpu mnasnet README"
_SIDES_MNASNET = (224, 192, 160, 128, 96)
# width 1.4, 1.0, 0.75, 0.5, 0.35; Pixel 1
_MNASNET: Mapping[float, Row] = {
    1.4: (135, 99, 72, 49, 32),
    1.0: (78, 57, 41, 29, 18),
    0.75: (61, 45, 33, 23, 17),
    0.5: (32, 24, 18, 12, 7.4),
    0.35: (22, 17, 13, 8.5, 5.4),
}
_V3_FLOAT = "arXiv 1905.02244, table 3"
_PIXELS_FLOAT: Mapping[tuple[str, float], Row] = {
    ("mobilenet_v3_large", 1.0): (51, 61, 44),
    ("mobilenet_v3_large", 0.75): (39, 46, 40),
    ("mobilenet_v3_small", 1.0): (15.8, 19.4, 14.4),
    ("mobilenet_v3_small", 0.75): (12.8, 15.6, 11.7),
    ("mobilenet_v2", 1.0): (64, 76, 56),
    ("mobilenet_v2", 0.35): (16.6, 19.6, 13.9),
    ("mnasnet_a1", 1.0): (71, 86, 61),
}
_V3_INT8 = "arXiv 1905.02244, table 4"
_PIXELS_INT8: Mapping[tuple[str, float], Row] = {
    ("mobilenet_v3_large", 1.0): (44, 42.5, 31.7),
    ("mobilenet_v3_small", 1.0): (15.5, 14.9, 10.7),
    ("mobilenet_v2", 1.0): (52, 48.3, 37.0),
    ("mobilenet_v2", 0.35): (16.7, 15.6, 11.9),
}
_SLIM_V3 = "tensorflow/models slim mobilenet README"
_PIXELS_MINIMALISTIC: Mapping[tuple[str, float], Row] = {
    ("mobilenet_v3_large_minimalistic", 1.0): (44.1, 51, 35),
    ("mobilenet_v3_small_minimalistic", 1.0): (12.2, 15.1, 11),
}
_V4 = "arXiv 2404.10518, table 6"
_V4_DEVICES = (
    ("Pixel 6 CPU", "int8"),
    ("Pixel 8 EdgeTPU", "int8"),
    ("iPhone 13 CoreML", "float16"),
    ("Pixel 4 Hexagon", "int8"),
    ("Pixel 7 GPU", "float16"),
    ("Galaxy S23 CPU", "unstated"),
    ("Galaxy S23 GPU", "unstated"),
)
_V4_ROWS: Mapping[Place, Row] = {
    ("mobilenet_v1", 1.0, 224): (6.1, 0.8, 0.7, 3.2, 13.0, 4.6, 2.1),
    ("mobilenet_v2", 0.5, 224): (2.4, 0.7, 0.5, 2.9, 8.3, 1.8, 1.9),
    ("mobilenet_v2", 1.0, 224): (5.0, 0.7, 0.7, 3.9, 13.6, 4.1, 2.5),
    ("mobilenet_v3_large", 0.5, 224): (2.4, 0.8, 0.45, 3.5, 9.9, 2.0, 2.1),
    ("mobilenet_v4_conv_small", 1.0, 224): (2.4, 0.7, 0.6, 2.4, 8.4, 1.8, 2.0),
    ("mobilenet_v4_conv_medium", 1.0, 256): (11.4, 1.1, 1.1, 7.3, 18.1, 8.6, 4.1),
    ("mobilenet_v4_hybrid_medium", 1.0, 256): (14.3, 1.5, None, None, 17.9, 10.8, 5.9),
    ("mobilenet_v4_conv_large", 1.0, 384): (59.9, 2.4, 3.0, 20.8, 37.6, 43.0, 13.2),
    ("mobilenet_v4_hybrid_large", 1.0, 384): (87.6, 3.8, None, None, 61.3, 61.8, 18.1),
}


def published_latencies(family: str, width: float, resolution: int) -> tuple[Latency, ...]:
    """What the authors measured for a network of `find(family, width, resolution)`; empty where nothing."""
    return LATENCIES.get((family, width, resolution), ())


def _all() -> Iterator[tuple[Place, Latency]]:
    """Every figure with its network."""
    for width, row in _V2.items():
        for side, ms in zip(_SIDES_V2, row, strict=False):
            yield from _row(("mobilenet_v2", width, side), (ms,), PIXELS, "float32", _SLIM_V2)
    for width, row in _MNASNET.items():
        for side, ms in zip(_SIDES_MNASNET, row, strict=True):
            yield from _row(("mnasnet_a1", width, side), (ms,), PIXELS, "float32", _TPU)
    for table, precision, source in (
        (_PIXELS_FLOAT, "float32", _V3_FLOAT),
        (_PIXELS_MINIMALISTIC, "float32", _SLIM_V3),
        (_PIXELS_INT8, "int8", _V3_INT8),
    ):
        for (family, width), row in table.items():
            yield from _row((family, width, 224), row, PIXELS, precision, source)
    for place, row in _V4_ROWS.items():
        for (device, precision), ms in zip(_V4_DEVICES, row, strict=True):
            yield from _row(place, (ms,), (device,), precision, _V4)


def _row(place: Place, row: Row, devices: tuple[str, ...], precision: str,
         source: str) -> Iterator[tuple[Place, Latency]]:  # fmt: skip
    """The figures of one row that were published."""
    for device, ms in zip(devices, row, strict=False):
        if ms is not None:
            yield place, Latency(device, ms, precision, source)


def _gathered() -> Mapping[Place, tuple[Latency, ...]]:
    """The figures of each network, in the order above."""
    gathered: dict[Place, list[Latency]] = {}
    for place, latency in _all():
        gathered.setdefault(place, []).append(latency)
    return MappingProxyType({place: tuple(row) for place, row in gathered.items()})


LATENCIES = _gathered()
