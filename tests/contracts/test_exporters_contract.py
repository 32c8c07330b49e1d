"""What every exporter promises."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from mobilenets.arch.card import with_metric
from mobilenets.base.errors import (
    ExportError,
    MobilenetsError,
    ParityError,
    RunError,
    UnknownName,
    UsageError,
)
from mobilenets.exporters import EXPORTERS, export, exporting, write_card
from mobilenets.runtimes import RUNTIMES, open_session, parse_target, read_card, runtime_of


def test_every_exporter_has_a_runtime():
    assert sorted(EXPORTERS) == sorted(RUNTIMES)


def test_export_reports_parity_on_the_images_it_was_given(exported, subject):
    assert exported.parity.n == len(subject.pixels)
    assert exported.parity.agreement == 1
    assert exported.parity.max_abs < 1e-3


def test_the_file_carries_the_card(exported, subject):
    assert read_card(exported.path) == subject.card == exported.card


def test_nothing_but_the_file_is_left_behind(exported):
    assert [path.name for path in exported.path.parent.iterdir()] == [exported.path.name]


def test_a_card_is_replaced_and_the_answers_stay(exported, subject, tmp_path):
    path = tmp_path / exported.path.name
    path.write_bytes(exported.path.read_bytes())
    target = parse_target(f"{runtime_of(path)}:cpu:1")
    before = open_session(path, target).run(subject.pixels)
    card = with_metric(subject.card, "top1", 0.75, 8, "test")
    for _ in range(2):  # twice, since the second finds what the first wrote
        write_card(path, card)
    session = open_session(path, target)
    assert session.card == read_card(path) == card
    np.testing.assert_array_equal(session.run(subject.pixels), before)
    assert path.stat().st_size < exported.path.stat().st_size + 2000, "the old card is gone"


def test_a_card_is_not_written_into_a_broken_file(exported, subject, tmp_path):
    path = tmp_path / exported.path.name
    path.write_bytes(exported.path.read_bytes()[:50])
    with pytest.raises(MobilenetsError):
        write_card(path, subject.card)
    assert path.read_bytes() == exported.path.read_bytes()[:50]
    assert list(tmp_path.iterdir()) == [path]


def test_a_card_is_not_written_into_a_missing_file(subject, tmp_path):
    with pytest.raises(RunError, match="does not exist"):
        write_card(tmp_path / "none.tflite", subject.card)


@pytest.fixture
def torch_file(tmp_path):
    """A path for the quick format, which shares every check with the others."""
    return tmp_path / "model.safetensors"


def test_a_file_that_answers_otherwise_takes_nobodys_place(subject, torch_file, monkeypatch):
    torch_file.write_bytes(b"what was there")
    write = exporting.import_module(EXPORTERS["torch"]).write

    def write_spoilt(network, card, path):
        with torch.no_grad():
            network.head.classifier.bias[0] += 0.05
        write(network, card, path)
        with torch.no_grad():
            network.head.classifier.bias[0] -= 0.05

    monkeypatch.setattr(f"{EXPORTERS['torch']}.write", write_spoilt)
    with pytest.raises(ParityError, match=r"probabilities differ by up to 0\.\d+"):
        export(subject.network, subject.card, torch_file, "torch", subject.pixels)
    assert torch_file.read_bytes() == b"what was there"
    assert list(torch_file.parent.iterdir()) == [torch_file]


def test_the_network_is_left_as_it_is(subject, torch_file):
    network = subject.network.train()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    export(network, subject.card, torch_file, "torch", subject.pixels)
    assert network.training
    network.eval()
    assert all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())


@pytest.mark.parametrize(
    ("changes", "kind", "message"),
    [
        ({"to": "tflight"}, UnknownName, "no export format 'tflight'"),
        ({"to": "onnx"}, UsageError, r"a file for onnx ends in \.onnx"),
        ({"samples": np.zeros((0, 64, 64, 3), np.uint8)}, UsageError, "at least one"),
        ({"samples": np.zeros((1, 32, 32, 3), np.uint8)}, MobilenetsError, r"\(B, 64, 64, 3\)"),
    ],
)
def test_bad_requests_are_refused_in_one_line(subject, torch_file, changes, kind, message):
    asked = {"path": torch_file, "to": "torch", "samples": subject.pixels} | changes
    with pytest.raises(kind, match=message) as caught:
        export(subject.network, subject.card, **asked)
    assert "\n" not in str(caught.value)
    assert not list(torch_file.parent.iterdir())


def test_another_networks_card_is_refused(subject, torch_file):
    arch = replace(subject.card.arch, name="other")
    with pytest.raises(ExportError, match="another network"):
        export(subject.network, replace(subject.card, arch=arch), torch_file, "torch", subject.pixels)


def test_the_card_is_plain_json_for_others(exported, subject):
    """What a program without this package finds: the text of the card, in the file as it is."""
    if runtime_of(exported.path) == "torch":
        content = exported.path.read_bytes()
        header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
        text = header["__metadata__"]["mobilenets"]
    elif runtime_of(exported.path) == "onnx":
        import onnx

        text = {entry.key: entry.value for entry in onnx.load(exported.path).metadata_props}["mobilenets"]
    else:
        content = exported.path.read_bytes()
        start = content.index(b'{"schema": 1, "task"')
        text, _ = json.JSONDecoder().raw_decode(content[start:].decode(errors="replace"))
        assert text["labels"] == list(subject.card.labels)
        return
    assert json.loads(text)["labels"] == list(subject.card.labels)
