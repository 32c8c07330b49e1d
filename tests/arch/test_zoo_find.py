"""The front door of the zoo: names, aliases, and what it refuses."""

import pytest

from mobilenets.arch import Arch, cost, zoo
from mobilenets.arch.zoo.rounding import make_divisible
from mobilenets.base.errors import ArchError, UnknownName, UsageError


def test_every_name_makes_a_network_that_says_its_family():
    assert len(zoo.names()) > 70
    for name in zoo.names():
        arch = zoo.find(name, resolution=96, classes=7)
        assert isinstance(arch, Arch)
        assert (arch.resolution, arch.head.classes) == (96, 7)
        assert arch.name in zoo.FAMILIES


@pytest.mark.parametrize("name", zoo.ALIASES)
def test_an_alias_is_its_family_with_settled_width_and_dialect(name):
    family, settled = zoo.ALIASES[name]
    assert zoo.find(name) == zoo.FAMILIES[family](**settled)


def test_timm_aliases_count_as_their_family():
    assert cost(zoo.find("mobilenetv2_140")).params == 6_108_776
    assert cost(zoo.find("mobilenetv3_small_050")).params == 1_593_224
    assert zoo.find("mobilenetv1_100h").blocks[-1].out == 1024


def test_an_alias_may_be_given_the_width_it_has():
    assert zoo.find("mobilenetv2_140", width=1.4) == zoo.find("mobilenetv2_140")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"name": "mobilenet_v22"}, r"^no model 'mobilenet_v22'; did you mean mobilenet_v2 or "),
        ({"name": "mobilenetv2_100", "width": 0.5}, r"has width 1\.0, 0\.5 was asked; use mobilenet_v2 with"),
        ({"name": "mobilenetv2_100", "dialect": "tensorflow"}, "has dialect timm, tensorflow was asked"),
        (
            {"name": "mobilenet_v2", "dialect": "torchvisoin"},
            "no dialect 'torchvisoin'; did you mean torchvision",
        ),
        ({"name": "mobilenet_v2", "width": 0}, r"width must be from 0\.05 to 4, got 0; the papers use 0\.35"),
        ({"name": "mobilenet_v2", "width": float("nan")}, "width must be .* got nan"),
        ({"name": "mobilenet_v2", "width": -1.0}, "width must be"),
        ({"name": "mobilenet_v2", "resolution": 31}, "resolution must be from 32 to 4096 pixels, got 31"),
        ({"name": "mobilenet_v2", "resolution": 10**9}, "resolution must be"),
        ({"name": "mobilenet_v2", "last_stage": "original"}, "no option of mobilenet_v2 'last_stage'"),
        ({"name": "mobilenet_v3_large", "last_stage": "first"}, "no last stage 'first'; known: original, re"),
        ({"name": "mobilenetv1_100h", "head": 512}, "mobilenetv1_100h has head 1024, 512 was asked; use mob"),
        ({"name": "mobilenet_v2", "output_stride": 4}, "output_stride must be one of 32, 16, 8, got 4"),
    ],
)
def test_what_is_refused_as_wrong_use(given, message):
    with pytest.raises(UsageError, match=message):
        zoo.find(**given)


def test_a_name_like_nothing_lists_what_there_is():
    with pytest.raises(UnknownName, match=r"^no model 'zzz'; known: efficientnet_lite0, efficientnet_lite1,"):
        zoo.find("zzz")


def test_no_classes_cannot_be():
    with pytest.raises(ArchError, match="classes must be an integer from 1"):
        zoo.find("mobilenet_v2", classes=0)


@pytest.mark.parametrize(
    ("value", "rounded"),
    [(1, 8), (11.9, 16), (12, 16), (138, 136), (144, 144), (11.2, 16), (8.4, 8), (33.6, 32), (18.4, 24)],
)
def test_rounding_to_multiples_of_eight(value, rounded):
    # 11.2: eight would lose more than a tenth, so it goes up; 18.4 likewise
    assert make_divisible(value) == rounded


def test_rounding_never_loses_more_than_a_tenth():
    for tenths in range(1, 20_000):
        value = tenths / 10
        assert make_divisible(value) % 8 == 0
        assert make_divisible(value) >= max(8, 0.9 * value)
