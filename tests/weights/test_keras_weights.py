"""Keras applications saved by Keras, loaded by us: the same logits. And files that are none."""

import json
import os
import subprocess
import sys
import zipfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from refusals import refused

from mobilenets.arch.lower import lower
from mobilenets.arch.zoo import find
from mobilenets.base.errors import MissingPackage
from mobilenets.nn import build, normalise
from mobilenets.weights import keras, load_weights, read_weights
from mobilenets.weights.keras import LEGACY_NORM
from mobilenets.weights.ordered import NORM

h5py = pytest.importorskip("h5py")
LAYOUTS = ("model.keras", "whole.h5", "model.weights.h5", "legacy.h5")
WORKER = Path(__file__).with_name("keras_worker.py")
# Keras's name, its options, our name and width
MATRIX = [
    ("MobileNet", {"alpha": 1.0}, "mobilenet_v1", 1.0),
    ("MobileNet", {"alpha": 0.25}, "mobilenet_v1", 0.25),
    ("MobileNetV2", {"alpha": 1.0}, "mobilenet_v2", 1.0),
    ("MobileNetV2", {"alpha": 0.35}, "mobilenet_v2", 0.35),
    ("MobileNetV2", {"alpha": 1.3}, "mobilenet_v2", 1.3),
    ("MobileNetV2", {"alpha": 1.4, "classes": 7}, "mobilenet_v2", 1.4),
    ("MobileNetV3Small", {}, "mobilenet_v3_small", 1.0),
    ("MobileNetV3Small", {"alpha": 0.75}, "mobilenet_v3_small", 0.75),
    ("MobileNetV3Small", {"minimalistic": True}, "mobilenet_v3_small_minimalistic", 1.0),
    ("MobileNetV3Large", {}, "mobilenet_v3_large", 1.0),
    ("MobileNetV3Large", {"alpha": 0.75}, "mobilenet_v3_large", 0.75),
    ("MobileNetV3Large", {"minimalistic": True}, "mobilenet_v3_large_minimalistic", 1.0),
]


def agree(folder, name, width, classes=1000, dialect="keras"):
    """Loads every layout that Keras saved in `folder` and compares logits on raw pixels."""
    expected = np.load(folder / "expected.npz")
    images = torch.from_numpy(expected["images"]).permute(0, 3, 1, 2)  # (B, 3, H, W), 0 to 255
    theirs = torch.from_numpy(expected["logits"])
    assert 0.9 < theirs.std() < 1.1
    assert (theirs.std(0) > 0.01 * theirs.std()).all(), "the logits must depend on the images"
    for layout in LAYOUTS:
        ours = build(find(name, width, images.shape[-1], classes, dialect)).eval()
        origin = load_weights(ours, folder / layout)
        with torch.inference_mode():
            got = ours(normalise(origin.preprocess, images))
        torch.testing.assert_close(got, theirs, rtol=0, atol=1e-4)
        assert origin.preprocess.crop == images.shape[-1]
        assert not origin.new_head


def test_a_small_network_of_keras(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "torch")  # builds in a tenth of the time that jax needs
    pytest.importorskip("keras")
    monkeypatch.syspath_prepend(WORKER.parent)
    import keras_worker

    keras_worker.main(tmp_path, "MobileNet", 32, json.dumps({"alpha": 0.25, "classes": 10}))
    agree(tmp_path, "mobilenet_v1", 0.25, classes=10)


@pytest.mark.slow
@pytest.mark.parametrize(("theirs", "options", "name", "width"), MATRIX)
def test_every_application_of_keras_on_jax(theirs, options, name, width, tmp_path):
    pytest.importorskip("jax")
    environment = os.environ | {"KERAS_BACKEND": "jax"}
    words = [sys.executable, WORKER, tmp_path, theirs, "64", json.dumps(options)]
    subprocess.run(words, check=True, env=environment, capture_output=True)
    agree(tmp_path, name, width, options.get("classes", 1000))


# Files that are broken, of another network or hostile: one line each, nothing executed


@pytest.fixture(scope="module")
def layers():
    """The layers of MobileNet 0.25 as Keras orders them: (class, name, arrays in its layouts)."""
    arch = find("mobilenet_v1", 0.25, 32, 10, "keras")
    state = build(arch).state_dict()
    found = []
    for name, op in lower(arch).named_ops():
        if op.kind not in ("conv", "linear"):
            continue
        weight = state[f"{name}.conv.weight" if op.norm else f"{name}.weight"].numpy()
        if op.groups > 1:
            found.append(("depthwise_conv2d", name, {"depthwise_kernel": weight.transpose(2, 3, 0, 1)}))
        elif op.kind == "conv":
            found.append(("conv2d", name, {"kernel": weight.transpose(2, 3, 1, 0)}))
        else:
            found.append(("dense", name, {"kernel": weight.T, "bias": state[f"{name}.bias"].numpy()}))
        if op.norm:
            theirs = zip(LEGACY_NORM, NORM, strict=True)
            norm = {key: state[f"{name}.norm.{ours}"].numpy() for key, ours in theirs}
            found.append(("batch_normalization", f"{name}_bn", norm))
    return found


def legacy(path, layers):
    """A file as Keras 2 wrote them, names ending in :0."""
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = [name.encode() for _, name, _ in layers]
        for _, name, arrays in layers:
            group = file.create_group(name)
            group.attrs["weight_names"] = [f"{name}/{key}:0".encode() for key in arrays]
            for key, array in arrays.items():
                group[f"{name}/{key}:0"] = array
    return path


def numbered(path, layers):
    """A file as Keras 3 writes them."""
    counts = Counter()
    with h5py.File(path, "w") as file:
        for kind, _, arrays in layers:
            number = f"_{counts[kind]}" if counts[kind] else ""
            counts[kind] += 1
            for index, array in enumerate(arrays.values()):
                file[f"layers/{kind}{number}/vars/{index}"] = array
    return path


def target():
    return build(find("mobilenet_v1", 0.25, 32, 10, "keras"))


@pytest.mark.parametrize(("write", "name"), [(legacy, "v1.h5"), (numbered, "v1.weights.h5")])
def test_layouts_written_by_hand(write, name, layers, tmp_path):
    ours = target()
    origin = load_weights(ours, write(tmp_path / name, layers))
    expected = layers[0][2]["kernel"].transpose(3, 2, 0, 1)
    assert torch.equal(ours.blocks[0].conv.weight, torch.from_numpy(expected.copy()))
    assert (origin.description, origin.new_head) == (name, False)
    assert load_weights(build(find("mobilenet_v1", 0.25, 32, 3, "keras")), tmp_path / name).new_head


CHANGES = {
    "another network": (lambda layers: layers[:20], r"ends before blocks.*so it is not mobilenet_v1"),
    "one layer more": (
        lambda layers: [*layers, ("dense", "extra", {"kernel": np.ones((10, 2)), "bias": np.ones(2)})],
        "goes on with .* so it is not mobilenet_v1",
    ),
    "a layer of another kind": (
        lambda layers: [*layers, ("lstm", "lstm", {"recurrent_kernel": np.ones((4, 4))})],
        "has the layer .*, which no MobileNet has",
    ),
    "another shape": (
        lambda layers: [("conv2d", "conv1", {"kernel": np.ones((3, 3, 3, 9))}), *layers[1:]],
        r"of shape \(9, 3, 3, 3\) where blocks.0 is \(8, 3, 3, 3\)",
    ),
    "diverged": (
        lambda layers: [("conv2d", "conv1", {"kernel": np.full((3, 3, 3, 8), np.nan)}), *layers[1:]],
        "has NaN or infinity in .*: its training went wrong",
    ),
    "two filters per channel": (
        lambda layers: [*layers[:2], ("depthwise_conv2d", "dw", {"depthwise_kernel": np.ones((3, 3, 8, 2))})],
        "has the layer .* in a shape that no depthwise has",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("write", "name"), [(legacy, "v1.h5"), (numbered, "v1.weights.h5")])
@pytest.mark.parametrize("case", CHANGES)
def test_what_does_not_fit_is_one_line(case, write, name, layers, tmp_path):
    change, message = CHANGES[case]
    refused(write(tmp_path / name, change(layers)), message, "keras")


@pytest.mark.parametrize("share", [0.0, 0.001, 0.5, 0.99])
@pytest.mark.parametrize("name", ["v1.h5", "v1.keras"])
def test_a_file_cut_off_anywhere_is_one_line(name, share, layers, tmp_path):
    path = archive(tmp_path, layers) if name == "v1.keras" else legacy(tmp_path / "whole.h5", layers)
    whole = path.read_bytes()
    (tmp_path / "cut").mkdir()
    (tmp_path / "cut" / name).write_bytes(whole[: int(len(whole) * share)])
    refused(tmp_path / "cut" / name, "is no whole weights file of Keras", "keras")


def archive(folder, layers, config=b"{}"):
    """A .keras file."""
    weights = numbered(folder / "model.weights.h5", layers)
    with zipfile.ZipFile(folder / "v1.keras", "w", zipfile.ZIP_DEFLATED) as file:
        file.write(weights, "model.weights.h5")
        file.writestr("config.json", config)
    return folder / "v1.keras"


def test_an_archive_gives_the_side_of_the_input(layers, tmp_path):
    config = b'{"config": {"batch_shape": [null, 48, 48, 3]}, "class_name": "Lambda", "code": "import os"}'
    path = archive(tmp_path, layers, config)
    assert read_weights(path).preprocess.crop == 48
    assert load_weights(target(), path).preprocess.crop == 32  # that of the network that is filled


def test_an_archive_that_swells_is_refused_before_it_does(tmp_path, monkeypatch):
    with zipfile.ZipFile(tmp_path / "bomb.keras", "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("model.weights.h5", bytes(3 << 20))
        file.writestr("config.json", b"{}")
    assert (tmp_path / "bomb.keras").stat().st_size < 10_000
    monkeypatch.setattr(keras, "LARGEST", 1 << 20)
    monkeypatch.setattr(zipfile.ZipFile, "read", lambda *_: pytest.fail("unpacked"))
    refused(tmp_path / "bomb.keras", "unpacks model.weights.h5 to over 1 MB", "keras")


def test_arrays_that_are_claimed_but_not_there_are_not_read(layers, tmp_path):
    path = numbered(tmp_path / "v1.weights.h5", layers)
    with h5py.File(path, "a") as file:  # no space in the file, a terabyte in memory
        file.create_dataset("layers/conv2d_99/vars/0", (1 << 20, 1 << 18), "f4", chunks=(1024, 1024))
    assert path.stat().st_size < 10 << 20
    refused(path, "claims .* MB of weights", "keras")


def test_links_out_of_the_file_are_not_followed(layers, tmp_path):
    secret = legacy(tmp_path / "secret.h5", layers)
    path = numbered(tmp_path / "v1.weights.h5", layers)
    with h5py.File(path, "a") as file:
        file["layers/conv2d_99"] = h5py.ExternalLink(str(secret), "/")
    refused(path, "has a link to another file in 'layers'", "keras")


def test_pickled_objects_in_an_array_are_refused(layers, tmp_path):
    path = numbered(tmp_path / "v1.weights.h5", layers)
    with h5py.File(path, "a") as file:
        file.create_dataset("layers/conv2d_99/vars/0", data=["text"], dtype=h5py.string_dtype())
    refused(path, "elsewhere or not as numbers", "keras")


def test_without_h5py_there_is_a_line_with_the_command(tmp_path, monkeypatch):
    (tmp_path / "v1.h5").write_bytes(b"")
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(MissingPackage, match=r"pip install 'mobilenets\[keras\]'"):
        load_weights(target(), tmp_path / "v1.h5")
