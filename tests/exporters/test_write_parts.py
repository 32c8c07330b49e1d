"""Many modules in one conversion, a file for each: every file computes what its module computes."""

import numpy as np
import pytest
import torch
from torch import nn

from mobilenets.bench.modules import inputs, module
from mobilenets.bench.pieces import Piece
from mobilenets.exporters import litert, onnx
from mobilenets.runtimes import parse_target
from mobilenets.runtimes.litert import open_graph as open_tflite
from mobilenets.runtimes.onnx import open_graph as open_onnx

PIECES = (
    Piece("conv", 9, 6, 8, kernel=3, stride=2, padding="symmetric"),
    Piece("depthwise", 9, 6, 6, kernel=5, groups=0),
    Piece("squeeze", 5, 8, 8, activation="hardsigmoid", sizes=(4,)),
    Piece("add", 5, 3, 3),
    Piece("linear", 1, 7, 5),
)


@pytest.fixture(scope="module")
def parts():
    """The modules, and inputs for each."""
    torch.manual_seed(3)
    made = [module(piece).eval() for piece in PIECES]
    return made, [[torch.rand(shape) for shape in inputs(piece)] for piece in PIECES]


def shapes():
    return [inputs(piece) for piece in PIECES]


def test_tflite_files_compute_what_their_modules_compute(parts, tmp_path):
    from ai_edge_litert.interpreter import Interpreter

    made, given = parts
    paths = [tmp_path / f"{index}.tflite" for index in range(len(made))]
    litert.write_parts(made, shapes(), paths)
    for part, values, path in zip(made, given, paths, strict=True):
        interpreter = Interpreter(str(path))
        interpreter.allocate_tensors()
        taken = interpreter.get_input_details()
        assert len(taken) == len(values)
        for entry, value in zip(taken, values, strict=True):
            maps = value.permute(0, 2, 3, 1) if value.dim() == 4 else value
            interpreter.set_tensor(entry["index"], maps.contiguous().numpy())
        interpreter.invoke()
        (entry,) = interpreter.get_output_details()
        out = torch.tensor(interpreter.get_tensor(entry["index"]))
        wanted = part(*values)
        torch.testing.assert_close(
            out.permute(0, 3, 1, 2) if out.dim() == 4 else out, wanted, rtol=1e-4, atol=1e-5
        )
        assert not any("TRANSPOSE" in op["op_name"] for op in interpreter._get_ops_details())
        open_tflite(path, parse_target("litert:cpu:1")).invoke()


def test_onnx_files_compute_what_their_modules_compute(parts, tmp_path):
    import onnxruntime

    made, given = parts
    paths = [tmp_path / f"{index}.onnx" for index in range(len(made))]
    onnx.write_parts(made, shapes(), paths)
    for part, values, path in zip(made, given, paths, strict=True):
        session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        feed = {entry.name: value.numpy() for entry, value in zip(session.get_inputs(), values, strict=True)}
        (out,) = session.run(None, feed)
        np.testing.assert_allclose(out, part(*values).detach().numpy(), rtol=1e-4, atol=1e-5)
        open_onnx(path, parse_target("onnx:cpu:1")).invoke()


class Unheard(nn.Module):
    """What no converter knows."""

    def forward(self, x):
        return torch.linalg.eigvals(x[0, 0]).real


@pytest.mark.parametrize("exporter", [litert, onnx])
def test_what_cannot_be_converted_is_one_line(exporter, tmp_path):
    from mobilenets.base.errors import ExportError

    with pytest.raises(ExportError, match="cannot convert 1 modules"):
        exporter.write_parts([Unheard()], [((1, 1, 4, 4),)], [tmp_path / "x"])
