"""Networks as text, against stored tables. Renew them on purpose: MOBILENETS_ACCEPT=1 pytest tests/arch."""

import os
from pathlib import Path

import pytest

from mobilenets.arch import Arch, lower, zoo

GOLDEN = Path(__file__).parent.parent / "golden"


def assert_golden(name, text):
    """`text` equals the file of that name, or becomes it when MOBILENETS_ACCEPT is set."""
    path = GOLDEN / f"{name}.txt"
    if os.environ.get("MOBILENETS_ACCEPT"):
        path.write_text(text + "\n", encoding="utf-8")
    assert path.read_text(encoding="utf-8") == text + "\n"


@pytest.mark.parametrize(
    "name",
    ["mobilenet_v1", "mobilenet_v2", "mobilenet_v3_large", "mobilenet_v3_small", "mnasnet_a1",
     "mobilenet_v4_conv_small", "mobilenet_v4_hybrid_medium", "efficientnet_lite0", "mobilenet_edgetpu_v2_s"],
)  # fmt: skip
def test_the_table_of_the_paper(name):
    assert_golden(f"{name}.table", str(zoo.find(name)))


def test_the_table_says_a_convolution_where_the_dialect_has_one():
    assert "conv2d 1x1, NBN" in str(zoo.find("mobilenet_v3_small", dialect="timm"))
    assert "linear, NBN" in str(zoo.find("mobilenet_v3_small"))


def test_the_table_says_where_kernels_are_spread():
    assert "bneck 5x5 d2" in str(zoo.find("mobilenet_v3_large", output_stride=16))
    assert " d2" not in str(zoo.find("mobilenet_v3_large"))


def test_the_shapes_of_every_operation():
    assert_golden("mobilenet_v3_small.shapes", str(lower(zoo.find("mobilenet_v3_small", resolution=97))))


def test_print_shows_the_tables(capsys):
    arch = zoo.find("mobilenet_v2", width=0.5, resolution=96, classes=10)
    print(arch)
    print(lower(arch))
    shown = capsys.readouterr().out
    assert "mobilenet_v2 @96, torchvision dialect" in shown
    assert "head.classifier" in shown
    assert all(line == line.rstrip() for line in shown.splitlines())


def test_repr_is_the_plain_record():
    arch = zoo.find("mobilenet_v2")
    assert isinstance(arch, Arch)
    assert repr(arch).startswith("Arch(name='mobilenet_v2', resolution=224, blocks=(Conv(kernel=3, out=32")
