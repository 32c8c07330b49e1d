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
from mobilenets.jobs import measured
from mobilenets.jobs.known import on_device
from mobilenets.jobs.models import create_model, describe, list_models
from mobilenets.jobs.subject import blank_card
from mobilenets.nn import build, save_model
from mobilenets.weights import registry

WEIGHTS = {
    "mobilenet_v2": outside.MobileNet_V2_Weights,
    "mobilenet_v3_large": outside.MobileNet_V3_Large_Weights,
    "mobilenet_v3_small": outside.MobileNet_V3_Small_Weights,
}


def rows(**options):
    return list_models(**options)["models"]


@pytest.mark.parametrize(
    ("name", "side"), [("ssdlite320_mobilenet_v3_large", 320), ("lraspp_mobilenet_v3_large", 520)]
)
def test_a_detector_and_a_segmenter_of_torchvision_by_name(name, side):
    document = describe(name)
    theirs = outside.get_model(name, weights=None, weights_backbone=None)
    theirs = sum(parameter.numel() for parameter in theirs.parameters())
    assert (document["resolution"], document["params"], document["top1"]) == (side, theirs, None)
    assert sum(one.numel() for one in create_model(name).parameters()) == theirs


def test_every_name_is_listed_and_every_row_can_be_made():
    listed = rows()
    assert {row["name"] for row in listed} == set(names())
    for row in listed:
        arch = find(row["name"], row["width"], row["resolution"])
        assert (row["params"], row["macs"]) == (cost(arch).params, cost(arch).macs)
        assert row["dialect"] == arch.dialect.name
    places = [(row["name"], row["width"]) for row in listed]
    assert len(set(places)) == len(places)


@pytest.mark.parametrize("name", WEIGHTS)
def test_numbers_are_those_that_torchvision_publishes(name):
    best = WEIGHTS[name].DEFAULT.meta
    [row] = [row for row in rows(filter=name) if (row["name"], row["width"]) == (name, 1.0)]
    assert row["params"] == best["num_params"]
    assert row["macs"] / 1e9 == pytest.approx(best["_ops"], abs=0.0006)
    assert row["top1"] == pytest.approx(best["_metrics"]["ImageNet-1K"]["acc@1"] / 100)
    assert row["source"]
    assert row["weights"]


def test_accuracies_are_shares_with_a_source():
    for row in rows():
        assert (row["top1"] is None) == (row["source"] is None)
        assert row["top1"] is None or 0.45 < row["top1"] < 0.9
    assert sum(row["top1"] is not None for row in rows()) >= 20


def test_a_figure_of_the_authors_is_not_claimed_for_a_network_that_rounds_otherwise():
    found = {(row["name"], row["width"]): row["top1"] for row in rows()}
    assert found["mobilenet_v3_large", 0.75] is None  # 3.4 M parameters; the authors' has 4.0 M
    assert found["mobilenetv3_large_075", 0.75] == 0.733
    sources = {row["name"]: row["source"] for row in rows()}
    assert "slim" not in (sources["mobilenetv1_100h"] or "")


def test_a_published_figure_is_not_claimed_for_another_resolution():
    for row in rows(resolution=128):
        assert (row["resolution"], row["top1"], row["source"]) == (128, None, None)
    pairs = zip(rows(resolution=128), rows(resolution=224), strict=True)
    assert all(small["macs"] < row["macs"] for small, row in pairs)


def test_without_a_resolution_each_has_that_of_its_published_accuracy():
    found = {(row["name"], row["width"]): row for row in rows()}
    assert found["mobilenet_v2", 1.0]["resolution"] == 224
    assert found["mobilenet_v4_conv_large", 1.0]["resolution"] >= 256
    listed = [row for row in rows() if row["top1"] is not None]
    assert len(listed) >= 40
    for side in {row["resolution"] for row in listed}:
        asked = rows(resolution=side)
        assert all(row in asked for row in listed if row["resolution"] == side)


def test_the_list_does_not_depend_on_what_is_installed(monkeypatch):
    listed = rows()
    monkeypatch.setattr(registry, "hub_is_here", lambda: False)
    assert rows() == listed
    monkeypatch.setattr(registry, "hub_is_here", lambda: True)
    assert rows() == listed


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


def test_rows_are_filtered_by_family_parameters_and_source():
    assert {row["family"] for row in rows(family="mobilenet_v3")} == {"mobilenet_v3"}
    assert {row["name"] for row in rows(family="mobilenet_v3_small")} >= {"mobilenet_v3_small"}
    assert "mobilenetv3_small_100" in {row["name"] for row in rows(family="mobilenet_v3_small")}
    assert "mobilenet_v3_large" not in {row["name"] for row in rows(family="mobilenet_v3_small")}
    assert rows(max_params="2M") == [row for row in rows() if row["params"] <= 2_000_000] != []
    found = rows(source="TIMM")
    assert found
    assert all("timm" in row["source"] for row in found)


def test_memory_is_what_the_activations_need():
    for row in rows(filter="mobilenet_v2"):
        assert row["peak_bytes"] == cost(find(row["name"], row["width"], row["resolution"])).peak_bytes


def test_published_latencies_are_those_of_the_papers():
    found = {(row["name"], row["width"]): row["latency"] for row in rows()}
    v3 = {(one["device"], one["precision"]): one["ms"] for one in found["mobilenet_v3_large", 1.0]}
    assert (v3["Pixel 1", "float32"], v3["Pixel 3", "float32"], v3["Pixel 1", "int8"]) == (51, 44, 44)
    assert [one["ms"] for one in rows(filter="mobilenet_v2", resolution=96)[3]["latency"]] == [17.6]
    assert found["mobilenetv1_100h", 1.0] == []  # not the authors' network
    assert found["mobilenet_v3_large", 0.75] == []  # torchvision's 0.75 is another network than the paper's
    assert found["tf_mobilenetv3_large_075", 0.75][0]["source"] == "arXiv 1905.02244, table 3"


def test_rows_are_sorted_by_published_latency_unknown_ones_last():
    values = [on_device(row) for row in rows(sort="latency")]
    known = [value for value in values if value is not None]
    assert len(known) > 10
    assert values[: len(known)] == sorted(known)


@pytest.fixture
def quick(tmp_path, monkeypatch):
    """Files without the export and its parity, and a short measurement; an empty cache."""

    def made(arch, runtime):
        path = tmp_path / f"{hash(arch)}.safetensors"
        save_model(path, build(arch).eval(), blank_card(arch))
        return path

    monkeypatch.setenv("MOBILENETS_CACHE", str(tmp_path))
    monkeypatch.setattr(measured, "SECONDS", 0.01)
    monkeypatch.setattr(measured, "_file", made)


def test_latency_is_measured_here_once_with_its_terms(quick, monkeypatch, capsys):
    options = {"filter": "mobilenetv3_small_0", "resolution": 32, "measure": "torch:cpu:1"}
    monkeypatch.setattr(measured, "SPREAD", math.inf)  # kept, however busy this machine is
    found = rows(**options, sort="measured")
    assert len(found) >= 2
    timings = [row["measured"] for row in found]
    assert [one["median_ms"] for one in timings] == sorted(one["median_ms"] for one in timings)
    for one in timings:
        assert one["median_ms"] > 0
        assert (one["target"], one["threads"]) == ("torch:cpu:1", 1)
        assert {"iqr_ms", "runs", "environment", "time"} <= one.keys()
    monkeypatch.setattr(measured, "_file", None)  # nothing is made or run again
    assert rows(**options, sort="measured") == found
    assert "measured" not in rows(filter="mobilenetv3_small_0")[0]
    assert "ms on torch:cpu:1" in capsys.readouterr().err


def test_names_of_one_network_share_a_measurement():
    one = measured._plain(find("mobilenet_v2", resolution=96))
    assert one == measured._plain(find("mobilenetv2_100", resolution=96))
    assert one != measured._plain(find("mobilenet_v2", resolution=128))
    assert one != measured._plain(find("mobilenet_v2", resolution=96, dialect="tensorflow"))  # pads otherwise


def test_the_costly_layers_of_v3_large_are_set_beside_what_they_were():
    published, stage, stem, both = describe("mobilenet_v3_large")["redesign"]
    assert (published["macs"], published["more_macs"]) == (216_589_760, 0)
    for row, paper in ((stage, 30e6), (stem, 10e6)):
        assert row["paper_more_macs"] == paper
        assert 0.9 * paper < row["more_macs"] < 1.2 * paper
    assert both["more_macs"] >= stage["more_macs"] + stem["more_macs"] - 1e6
    assert all(row["measured"] is None for row in (published, stage, stem, both))
    assert "redesign" not in describe("mobilenet_v3_small")


def test_a_description_is_measured_where_that_is_asked(quick):
    document = describe("mobilenetv3_small_050", resolution=32, measure="torch:cpu:1", ops=False)
    assert document["measured"]["runs"] >= 20
    assert "ops" not in document


@pytest.mark.slow
def test_the_redesign_is_quicker_here(tmp_path, monkeypatch):
    monkeypatch.setenv("MOBILENETS_CACHE", str(tmp_path))
    measured_rows = [
        row["measured"] for row in describe("mobilenet_v3_large", measure="litert:cpu:1")["redesign"]
    ]
    assert len({one["runs"] for one in measured_rows}) == 1  # in turns
    assert measured_rows[0]["median_ms"] < measured_rows[3]["median_ms"]


@pytest.mark.parametrize(
    ("options", "kind", "message"),
    [
        ({"sort": "mac"}, UnknownName, "did you mean macs"),
        ({"max_macs": "many"}, UsageError, "100M"),
        ({"max_macs": "100MB"}, UsageError, "100M"),
        ({"max_macs": "1.2.3"}, UsageError, "100M"),
        ({"max_macs": math.nan}, UsageError, "100M"),
        ({"max_macs": -1}, UsageError, "100M"),
        ({"max_params": "lots"}, UsageError, "max_params must be a count"),
        ({"resolution": 8}, UsageError, "from 32"),
        ({"family": "mobilenet_v33"}, UnknownName, "did you mean mobilenet_v3"),
        ({"plot": "a.pdf"}, UsageError, r"ends in .html, .png, .svg, got 'a.pdf'"),
        ({"plot": "a.png", "resolution": 100}, UsageError, "nothing to plot"),
        ({"measure": "litert", "filter": "v1"}, UsageError, "RUNTIME:DEVICE:THREADS"),
    ],
)
def test_what_cannot_be_listed_is_refused(options, kind, message):
    with pytest.raises(kind, match=message):
        list_models(**options)


def test_accuracy_is_drawn_against_cost(quick, tmp_path):
    options = {"filter": "mobilenetv3_small_0", "measure": "torch:cpu:1"}
    found = list_models(**options, plot=tmp_path / "a.html")["models"]
    drawn = (tmp_path / "a.html").read_text()
    assert "<svg" in drawn
    assert "torch:cpu:1" in drawn
    assert all(row["name"] in drawn for row in found if row["top1"] is not None)


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
    assert (document["width"], document["dialect"]) == (1.4, "timm")
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
