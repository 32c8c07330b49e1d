"""Files that others made."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch

from mobilenets.base.errors import ExportError
from mobilenets.runtimes import open_session, parse_target, read_card
from mobilenets.runtimes.litert import as_input

FOLDER = Path(os.environ.get("MOBILENETS_DATA", "../shared/data"))
QUANTISED = FOLDER / "tflite" / "mobilenet_v1_0.25_128_quant.tflite"
V2 = FOLDER / "tflite" / "mobilenet_v2_1.0_224_quant.tflite"


@pytest.mark.skipif(not QUANTISED.exists(), reason="the published TFLite files are not in $MOBILENETS_DATA")
def test_a_published_quantised_file_runs():
    session = open_session(QUANTISED, parse_target("litert:cpu:1"))
    assert session.card is None
    assert read_card(QUANTISED) is None
    assert session.input_shape == (1, 128, 128, 3)
    rows = session.run(np.random.default_rng(0).integers(0, 256, (2, 128, 128, 3), dtype=np.uint8))
    assert rows.shape == (2, 1001)
    assert rows.dtype == np.float32
    assert (rows * 256 % 1 == 0).all(), "probabilities again, in the file's own steps"
    assert (rows.sum(axis=1) > 0.5).all()
    assert (rows.sum(axis=1) < 1.5).all()


@pytest.mark.skipif(not V2.exists(), reason="the published TFLite files are not in $MOBILENETS_DATA")
def test_a_published_quantised_file_sees_what_is_on_the_photographs():
    """26 photographs: a wrong quantisation of the input would leave chance, one in a thousand."""
    import io
    import zipfile

    from PIL import Image

    with zipfile.ZipFile(FOLDER / "imagenet-sample.zip") as archive:
        names = sorted(name for name in archive.namelist() if name.endswith(".jpg"))[::20]
        images = [Image.open(io.BytesIO(archive.read(name))).convert("RGB") for name in names]
    pixels = np.stack([np.asarray(image.resize((224, 224))) for image in images])
    truth = [int(Path(name).name[:4]) + 1 for name in names]  # row 0 is the background
    predicted = open_session(V2, parse_target("litert:cpu:2")).run(pixels).argmax(axis=1)
    assert len(names) > 20
    assert (predicted == truth).mean() > 0.5


def test_integer_inputs_hold_the_levels_of_a_pixel():
    pixels = np.array([[0, 127, 255]], np.uint8)
    assert as_input(pixels, np.uint8).tolist() == [[0, 127, 255]]
    assert as_input(pixels, np.int8).tolist() == [[-128, -1, 127]]
    assert as_input(pixels + np.float32(0.4), np.uint8).tolist() == [[0, 127, 255]]


@pytest.mark.parametrize(
    ("shape", "message"),
    [((1, 3, 8, 8), "only one image of raw pixels"), ((2, 8, 8, 3), "only one image of raw pixels")],
)
def test_an_onnx_file_of_another_layout_is_refused(shape, message, tmp_path):
    path = _identity(tmp_path / "other.onnx", shape)
    assert read_card(path) is None
    with pytest.raises(ExportError, match=message):
        open_session(path, parse_target("onnx:cpu:1"))


def _identity(path, shape):
    """An ONNX file that gives back its input."""
    from onnx import TensorProto, helper, save

    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in ("x", "y")]
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "g", values[:1], values[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])
    model.ir_version = 9
    save(model, path)
    return path


def test_torch_keeps_its_threads_when_something_fails():
    from mobilenets.runtimes.torch import threads

    before = torch.get_num_threads()
    with pytest.raises(ZeroDivisionError), threads(before + 1):
        _fail_at(before + 1)
    assert torch.get_num_threads() == before


def _fail_at(count):
    """Fail, with so many threads in use."""
    assert torch.get_num_threads() == count
    raise ZeroDivisionError
