"""The published quantised TFLite files as float networks of ours, beside LiteRT running the files."""

import os
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from refusals import refused

from mobilenets.arch.zoo import find
from mobilenets.base.errors import WeightsError
from mobilenets.data.preprocess import read_pixels
from mobilenets.nn import build, normalise
from mobilenets.runtimes import open_session, parse_target
from mobilenets.weights import imagenet_labels, load_weights, read_weights

DATA = Path(os.environ.get("MOBILENETS_DATA", "../shared/data"))
ARCHIVE = DATA / "imagenet-sample.zip"
FILES = {  # file: network, width, side
    "mobilenet_v1_0.25_128_quant": ("mobilenet_v1", 0.25, 128),
    "mobilenet_v1_0.5_160_quant": ("mobilenet_v1", 0.5, 160),
    "mobilenet_v1_0.75_192_quant": ("mobilenet_v1", 0.75, 192),
    "mobilenet_v2_1.0_224_quant": ("mobilenet_v2", 1.0, 224),
}
present = pytest.mark.skipif(
    not (DATA / "tflite").is_dir() or not ARCHIVE.exists(),
    reason=f"tflite/ and photographs are not in {DATA}",
)


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    """500 photographs by file; the first four digits of a name are its class."""
    folder = tmp_path_factory.mktemp("photographs")
    with zipfile.ZipFile(ARCHIVE) as file:
        file.extractall(folder)
    return sorted(folder.rglob("*.jpg"))


def place(name):
    return DATA / "tflite" / f"{name}.tflite"


def both(name, paths):
    """Top-1 of LiteRT running the file, and of our float network of 1001 classes, on the same pixels."""
    family, width, side = FILES[name]
    network = build(find(family, width, side, 1001, "tensorflow")).eval()
    origin = load_weights(network, place(name))
    session = open_session(place(name), parse_target("litert:cpu:1"))
    theirs, ours = [], []
    for path in paths:
        pixels = read_pixels(origin.preprocess, path)[None]  # (1, 3, H, W)
        raw = pixels.round().clamp(0, 255).to(torch.uint8)
        theirs.append(int(session.run(raw.permute(0, 2, 3, 1).numpy()).argmax()))
        with torch.inference_mode():
            ours.append(int(network(normalise(origin.preprocess, raw.float())).argmax()))
    return np.array(theirs), np.array(ours)


@present
def test_a_quantised_file_becomes_a_float_network_that_sees_the_same(photographs):
    theirs, ours = both("mobilenet_v1_0.25_128_quant", photographs[::12])
    assert len(theirs) == 42
    assert (theirs == ours).mean() >= 0.85
    assert len(set(ours)) > 20


@present
@pytest.mark.slow
@pytest.mark.parametrize("name", FILES)
def test_ninety_per_cent_of_the_photographs_get_the_files_own_answer(name, photographs, capsys):
    theirs, ours = both(name, photographs)
    truth = np.array([int(path.name[:4]) + 1 for path in photographs])  # row 0 is the background
    with capsys.disabled():
        print(
            f"\n{name}: {(theirs == ours).mean():.1%} agree; top-1 {(ours == truth).mean():.1%} as a float"
            f" network, {(theirs == truth).mean():.1%} in LiteRT, on {len(truth)} photographs"
        )
    assert len(truth) == 500
    assert (theirs == ours).mean() >= 0.90
    assert abs((ours == truth).mean() - (theirs == truth).mean()) <= 0.02


@present
def test_what_the_file_says_of_its_input_and_classes():
    name = "mobilenet_v1_0.25_128_quant"
    found = read_weights(place(name))
    assert (found.preprocess.crop, found.preprocess.resize, found.classes) == (128, 146, 1001)
    assert found.preprocess.mean == pytest.approx((128 / 255,) * 3)  # real = (level - 128) / 128
    assert found.preprocess.std == pytest.approx((128 / 255,) * 3)
    network = build(find("mobilenet_v1", 0.25, 128, 1001, "tensorflow"))
    labels = load_weights(network, place(name)).labels
    assert labels == ("background", *imagenet_labels())


@present
def test_without_the_background_1000_classes_are_left():
    name = "mobilenet_v1_0.25_128_quant"
    whole, fewer = (build(find("mobilenet_v1", 0.25, 128, count, "tensorflow")) for count in (1001, 1000))
    load_weights(whole, place(name))
    assert load_weights(fewer, place(name)).labels == imagenet_labels()
    x = torch.randn(2, 3, 128, 128)
    with torch.inference_mode():
        torch.testing.assert_close(fewer.eval()(x), whole.eval()(x)[:, 1:])
    other = build(find("mobilenet_v1", 0.25, 128, 5, "tensorflow"))
    assert load_weights(other, place(name)).new_head


@present
def test_weights_are_the_files_numbers_times_its_scale():
    """The first filter by hand: scale 0.00888241, zero point 157 (as the LiteRT interpreter states them)."""
    from ai_edge_litert.interpreter import Interpreter

    path = place("mobilenet_v1_0.25_128_quant")
    interpreter = Interpreter(str(path))
    interpreter.allocate_tensors()
    for detail in interpreter.get_tensor_details():
        if tuple(detail["shape"]) == (8, 3, 3, 3):
            scale, zero = detail["quantization"]
            numbers = interpreter.get_tensor(detail["index"]).astype(np.float64)
    expected = torch.from_numpy(scale * (numbers - zero)).permute(0, 3, 1, 2).float()
    torch.testing.assert_close(read_weights(path).convs[0].tensors["weight"], expected)


# Files that are broken or no MobileNet: one line each


def model(*operators, side=32):
    """A float TFLite file of operators: name, weight, fused activation, and stride where it is not 1.

    A weight is an array in TFLite's layout; operators without one take their input alone.
    """
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    whole, graph = schema.ModelT(), schema.SubGraphT()
    whole.version, whole.buffers, whole.operatorCodes = 3, [schema.BufferT()], []
    graph.tensors, graph.operators = [], []

    def tensor(shape, array=None):
        one = schema.TensorT()
        one.shape, one.type, one.name, one.buffer = list(shape), 0, f"t{len(graph.tensors)}", 0
        if array is not None:
            buffer = schema.BufferT()
            buffer.data = np.frombuffer(np.ascontiguousarray(array).tobytes(), np.uint8)
            one.type = {"f": 0, "i": 2}[array.dtype.kind]
            one.buffer = len(whole.buffers)
            whole.buffers.append(buffer)
        graph.tensors.append(one)
        return len(graph.tensors) - 1

    last = tensor((1, side, side, 3))
    graph.inputs = [last]
    for name, weight, fused, *stride in operators:
        code, operator = schema.OperatorCodeT(), schema.OperatorT()
        code.builtinCode = getattr(schema.BuiltinOperator, name)
        code.deprecatedBuiltinCode = min(code.builtinCode, 127)
        operator.opcodeIndex, operator.inputs = len(whole.operatorCodes), [last]
        if name in OPTIONS:
            options = getattr(schema, f"{OPTIONS[name]}T")()
            options.fusedActivationFunction = fused
            if hasattr(options, "strideH"):
                options.strideH = options.strideW = stride[0] if stride else 1
            operator.builtinOptions = options
            operator.builtinOptionsType = getattr(schema.BuiltinOptions, OPTIONS[name])
            out = weight.shape[-1] if name == "DEPTHWISE_CONV_2D" else weight.shape[0]
            bias = tensor((out,), np.zeros(out, np.float32))
            operator.inputs = [last, tensor(weight.shape, weight), bias]
        elif weight is not None:
            operator.inputs = [last, tensor(weight.shape, weight)]
        last = tensor((1, 1))
        operator.outputs = [last]
        whole.operatorCodes.append(code)
        graph.operators.append(operator)
    graph.outputs = [last]
    whole.subgraphs = [graph]
    builder = flatbuffers.Builder(1024)
    builder.Finish(whole.Pack(builder), b"TFL3")
    return bytes(builder.Output())


OPTIONS = {
    "CONV_2D": "Conv2DOptions",
    "DEPTHWISE_CONV_2D": "DepthwiseConv2DOptions",
    "FULLY_CONNECTED": "FullyConnectedOptions",
}


def kernel(*shape):
    return np.ones(shape, np.float32)


CONV = ("CONV_2D", kernel(8, 3, 3, 3), 3)
DEPTHWISE = ("DEPTHWISE_CONV_2D", kernel(1, 3, 3, 8), 3)


@pytest.mark.parametrize(
    ("operators", "message"),
    [
        ([CONV, DEPTHWISE], r"has .* of stride 1 where blocks.0 is \(8, 3, 3, 3\), stride 2"),
        ([("CONV_2D", kernel(8, 3, 3, 3), 1, 2), DEPTHWISE], "has .* with relu where blocks.0 .* relu6"),
        ([CONV], "has no depthwise convolution, so it is no MobileNet"),
        ([("LSTM", None, 0)], "has the operation LSTM, which no MobileNet has"),
        ([("MUL", kernel(1, 1, 1, 3), 0), CONV, DEPTHWISE], "has MUL with an array of numbers"),
        ([("CONV_2D", kernel(8, 5, 5, 3), 3), DEPTHWISE], r"has .* of shape \(8, 3, 5, 5\) where blocks.0"),
        (
            [("PAD", np.array([[0, 0], [1, 1], [1, 1], [0, 0]], np.int32), 0), CONV, DEPTHWISE],
            "pads its images in the manner called symmetric",
        ),
    ],
)
def test_a_tflite_file_of_another_network_is_one_line(operators, message, tmp_path):
    (tmp_path / "other.tflite").write_bytes(model(*operators))
    refused(tmp_path / "other.tflite", message, "tensorflow")


@pytest.mark.parametrize("share", [0.0, 0.002, 0.5, 0.9])
def test_a_tflite_file_cut_off_anywhere_is_one_line(share, tmp_path):
    whole = model(CONV, DEPTHWISE)
    (tmp_path / "cut.tflite").write_bytes(whole[: int(len(whole) * share)])
    refused(tmp_path / "cut.tflite", "is (cut off or no sound TFLite file|no TFLite file)", "tensorflow")


def test_an_operation_that_nobody_knows_yet(tmp_path, monkeypatch):
    from ai_edge_litert import schema_py_generated as schema

    (tmp_path / "new.tflite").write_bytes(model(CONV, DEPTHWISE))
    monkeypatch.delattr(schema.BuiltinOperator, "CONV_2D")  # as to an older reader
    refused(tmp_path / "new.tflite", "has the operation number 3", "tensorflow")


@given(st.data())
@settings(max_examples=40, deadline=None)
def test_damaged_bytes_never_end_in_a_traceback(data):
    """Any byte changed: our own error, or layers."""
    content = bytearray(model(CONV, DEPTHWISE))
    for place in data.draw(st.lists(st.integers(8, len(content) - 1), min_size=1, max_size=8)):
        content[place] = data.draw(st.integers(0, 255))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "damaged.tflite"
        path.write_bytes(content)
        line = ""
        try:
            found = read_weights(path)
        except WeightsError as error:
            line = str(error)
        assert line.startswith(str(path)) if line else found.depthwise
