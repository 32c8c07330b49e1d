import inspect
import math
import subprocess
import sys

import pytest
import torch
from torchvision import models as outside

import mobilenets
from mobilenets.arch import cost
from mobilenets.arch.codec import decode
from mobilenets.arch.zoo import find, names
from mobilenets.base.errors import UnknownName, UsageError
from mobilenets.jobs.models import create_model, describe, list_models

WEIGHTS = {
    "mobilenet_v2": outside.MobileNet_V2_Weights,
    "mobilenet_v3_large": outside.MobileNet_V3_Large_Weights,
    "mobilenet_v3_small": outside.MobileNet_V3_Small_Weights,
}


def rows(**options):
    return list_models(**options)["models"]


def test_every_name_is_listed_and_every_row_can_be_made():
    listed = rows()
    assert {row["name"] for row in listed} == set(names())
    for row in listed:
        arch = find(row["name"], row["width"])
        assert (row["params"], row["macs"]) == (cost(arch).params, cost(arch).macs)
        assert (row["resolution"], row["dialect"]) == (224, arch.dialect.name)
    places = [(row["name"], row["width"]) for row in listed]
    assert len(set(places)) == len(places)


@pytest.mark.parametrize("name", WEIGHTS)
def test_numbers_are_those_that_torchvision_publishes(name):
    best = WEIGHTS[name].DEFAULT.meta
    [row] = [row for row in rows(filter=name) if row["width"] == 1.0]
    assert row["params"] == best["num_params"]
    assert row["macs"] / 1e9 == pytest.approx(best["_ops"], abs=0.0006)
    assert row["top1"] == pytest.approx(best["_metrics"]["ImageNet-1K"]["acc@1"] / 100)
    assert row["source"]
    assert row["weights"]


def test_accuracies_are_shares_with_a_source():
    for row in rows():
        assert (row["top1"] is None) == (row["source"] is None)
        assert row["top1"] is None or 0.5 < row["top1"] < 0.85
    assert sum(row["top1"] is not None for row in rows()) >= 20


def test_a_figure_of_the_authors_is_not_claimed_for_a_network_that_rounds_otherwise():
    found = {(row["name"], row["width"]): row["top1"] for row in rows()}
    assert found["mobilenet_v3_large", 0.75] is None  # 3.4 M parameters; the authors' has 4.0 M
    assert found["mobilenetv3_large_075", 0.75] == 0.733
    assert found["mobilenetv1_100h", 1.0] is None
    assert found["mobilenet_v1", 1.0] == 0.709


def test_a_published_figure_is_not_claimed_for_another_resolution():
    for row in rows(resolution=128):
        assert (row["resolution"], row["top1"], row["source"]) == (128, None, None)
    assert all(small["macs"] < row["macs"] for small, row in zip(rows(resolution=128), rows(), strict=True))


@pytest.mark.parametrize("column", ["name", "params", "macs", "width"])
def test_rows_are_sorted_by_a_column(column):
    values = [row[column] for row in rows(sort=column)]
    assert values == sorted(values)
    assert len(values) == len(rows())


def test_the_most_accurate_comes_first_and_the_unknown_last():
    values = [row["top1"] for row in rows(sort="top1")]
    known = [value for value in values if value is not None]
    assert known == sorted(known, reverse=True)
    assert values[: len(known)] == known


@pytest.mark.parametrize("limit", ["100M", "100 m", "1e8", "0.1G", "100000k", 1e8, 100_000_000])
def test_rows_can_be_limited_by_cost(limit):
    assert rows(max_macs=limit) == [row for row in rows() if row["macs"] <= 100_000_000]
    assert 0 < len(rows(max_macs=limit)) < len(rows())


def test_rows_are_filtered_by_name():
    assert {row["name"] for row in rows(filter="v3_small")} == {"mobilenet_v3_small"} | {
        name for name in names() if "v3_small" in name
    }
    assert rows(filter="nothing is called this") == []


@pytest.mark.parametrize(
    ("options", "kind", "message"),
    [
        ({"sort": "mac"}, UnknownName, "did you mean macs"),
        ({"max_macs": "many"}, UsageError, "100M"),
        ({"max_macs": "100MB"}, UsageError, "100M"),
        ({"max_macs": "1.2.3"}, UsageError, "100M"),
        ({"max_macs": math.nan}, UsageError, "100M"),
        ({"max_macs": -1}, UsageError, "100M"),
        ({"resolution": 8}, UsageError, "from 32"),
    ],
)
def test_what_cannot_be_listed_is_refused(options, kind, message):
    with pytest.raises(kind, match=message):
        list_models(**options)


def test_a_description_can_be_built_from():
    document = describe("mobilenet_v2", width=0.5, resolution=96, ops=True)
    arch = decode(document["arch"])
    assert arch == find("mobilenet_v2", 0.5, 96)
    assert document["params"] == sum(op["params"] for op in document["ops"]) == cost(arch).params
    assert document["macs"] == sum(op["macs"] for op in document["ops"])
    assert document["peak_bytes"] == cost(arch).peak_bytes
    assert document["ops"][1]["name"] == "blocks.1.depthwise"
    assert (document["width"], document["resolution"]) == (0.5, 96)


def test_an_alias_describes_what_it_stands_for():
    document = describe("mobilenetv2_140")
    assert (document["width"], document["dialect"], "ops" in document) == (1.4, "timm", False)
    assert document["params"] == cost(find("mobilenet_v2", 1.4, dialect="timm")).params


def test_a_created_model_is_a_network():
    network = create_model("mobilenet_v3_small", width=0.5, resolution=64, classes=7)
    assert network.training
    assert network(torch.zeros(2, 3, 64, 64)).shape == (2, 7)
    assert sum(p.numel() for p in network.parameters()) == cost(network.arch).params
    with pytest.raises(UnknownName, match="mobilenet_v2"):
        create_model("mobilenet_2")


def test_a_created_model_takes_weights_from_a_file(tmp_path):
    donor = outside.mobilenet_v2(num_classes=1000).eval()
    torch.save(donor.state_dict(), tmp_path / "v2.pth")
    network = create_model("mobilenet_v2", weights=tmp_path / "v2.pth").eval()
    x = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        assert torch.equal(network(x), donor(x))


def test_listing_needs_no_torch():
    code = "import sys, mobilenets; mobilenets.list_models(); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_the_verbs_of_the_package_are_these():
    assert mobilenets.list_models is list_models
    assert mobilenets.describe is describe
    assert mobilenets.create_model is create_model
    assert inspect.signature(create_model).parameters["weights"].default == "none"
