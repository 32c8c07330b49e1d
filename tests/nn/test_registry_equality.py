"""Every name of timm's and torchvision's registries for these families: equal, or listed with a reason."""

import re
from ast import literal_eval
from dataclasses import replace
from fnmatch import fnmatch
from pathlib import Path

import pytest
from equality import assert_equal_logits, enliven, multiply_accumulates
from torchvision import models

from mobilenets.arch import cost
from mobilenets.arch.zoo import FAMILIES, find, names
from mobilenets.nn import build
from mobilenets.weights.keys import module_names, naming_of

timm = pytest.importorskip("timm")

PATTERNS = (
    "mobilenet*", "mnasnet*", "semnasnet*", "tf_mobilenetv3*", "mobilenetv4*", "efficientnet_lite*",
    "tf_efficientnet_lite*",
)  # fmt: skip
# registered by pattern, or by what they are built on
REGISTERED = {
    "timm": sorted({name for pattern in PATTERNS for name in timm.list_models(pattern)}),
    "torchvision": [name for name in models.list_models() if "mobilenet" in name or "mnasnet" in name],
}
TIMM = [name for name in REGISTERED["timm"] if not fnmatch(name, "mobilenetv5*")]
TORCHVISION = [name for name in models.list_models(module=models) if name in REGISTERED["torchvision"]]
COVERAGE = Path(__file__).parents[2] / "docs" / "coverage.md"
# one for every kind of block, of padding and of head; all others are slow
QUICK = {
    "mnasnet0_5", "semnasnet_050", "mobilenetv3_rw", "tf_mobilenetv3_small_minimal_100",
    "mobilenetv4_conv_small_035", "mobilenetv4_hybrid_medium_075", "efficientnet_lite0",
}  # fmt: skip


def theirs_called(name):
    """The network of the library that has the name, with fresh weights."""
    return models.get_model(name) if name in TORCHVISION else timm.create_model(name)


def ours_like(theirs, name, side):
    """Our network of the name with the weights of theirs, mapped by name; nothing may be left over."""
    ours = build(find(name, resolution=side)).eval()
    given = theirs.state_dict()
    modules = module_names(ours.arch, naming_of(given), given)
    assert len(set(modules.values())) == len(modules)
    state = {}
    for key, tensor in ours.state_dict().items():
        module, _, tail = key.rpartition(".")
        state[key] = given.pop(f"{modules[module]}.{tail}").reshape(tensor.shape)
    assert not given
    ours.load_state_dict(state)
    return ours


def known(name):
    return name if name in QUICK else pytest.param(name, marks=pytest.mark.slow)


@pytest.mark.parametrize("name", [known(name) for name in (*TIMM, *TORCHVISION) if name in names()])
def test_counts_and_logits_of_a_registered_name(name):
    theirs = enliven(theirs_called(name))
    ours = ours_like(theirs, name, 96)
    counted = cost(replace(ours.arch, resolution=96))
    assert counted.params == sum(p.numel() for p in theirs.parameters())
    assert counted.params == sum(p.numel() for p in ours.parameters())
    assert counted.macs == multiply_accumulates(theirs, 96)
    assert_equal_logits(ours, theirs)


def rows(columns):
    """The rows of the tables of the page that have so many columns."""
    cells = [re.findall(r" (.*?) \|", line) for line in COVERAGE.read_text().splitlines() if "| `" in line]
    return [row for row in cells if len(row) == columns]


def test_the_page_lists_what_is_equal():
    built = {(name, library) for library, listed in REGISTERED.items() for name in listed if name in names()}
    assert {(name.strip("`"), library) for name, library, _, _ in rows(4)} == built
    for name, library, family, arguments in rows(4):
        settled = dict(argument.split("=") for argument in arguments.split(", "))
        dialect = settled.pop("dialect")
        options = {
            key: literal_eval(value) if key != "antialias" else value for key, value in settled.items()
        }
        assert FAMILIES[family.strip("`")](dialect=dialect, **options) == find(name.strip("`")), library


def test_what_is_not_built_is_listed_with_its_reason():
    missing = {name for listed in REGISTERED.values() for name in listed if name not in names()}
    assert {name.strip("`") for name, _ in rows(2)} == missing
    assert all(len(reason) > 20 for _, reason in rows(2))


def test_most_of_timm_and_all_of_torchvision_is_built():
    assert len(TIMM) >= 59
    assert len(TORCHVISION) >= 7
    assert sum(name in names() for name in TIMM) >= 50
    assert all(name in names() for name in TORCHVISION)
    assert set(names()) >= QUICK
