"""TFLite classifiers, quantised or not, as float layers: read by the flatbuffer schema, never run.

Quantised numbers become real ones by the file's own scales: scale * (number - zero point), per tensor or per
channel. Batch norms are folded into the convolutions by then. What the file computes beside a MobileNet is
refused, so that nothing is dropped in silence.
"""

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mobilenets.arch.preprocess import Preprocess
from mobilenets.arch.spec import Padding
from mobilenets.base.errors import WeightsError, needs, shown
from mobilenets.weights.ordered import HALF, Ordered, Unit

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

SUFFIX = ".tflite"
IDENTIFIER = b"TFL3"  # at byte 4
LARGEST = 512 << 20  # bytes
MOST_OPERATORS = 4096
LAYERS = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")
# Beside them a classifier may hold these; those of the second row only without arrays of their own, in which
# a batch norm or a normalisation of the image would hide.
HARMLESS = (
    "AVERAGE_POOL_2D", "MEAN", "RESHAPE", "SQUEEZE", "SOFTMAX", "HARD_SWISH", "RELU", "RELU6", "LOGISTIC",
    "PAD", "PADV2", "QUANTIZE", "DEQUANTIZE", "SHAPE", "STRIDED_SLICE", "PACK",
)  # fmt: skip
ELEMENTWISE = ("ADD", "MUL", "SUB", "DIV", "MINIMUM", "MAXIMUM")
DTYPES = {0: "<f4", 1: "<f2", 2: "<i4", 3: "<u1", 9: "<i1"}  # of TensorType


def read_tflite(path: Path) -> Ordered:
    """The layers of a TFLite file. Raises WeightsError, MissingPackage."""
    content = _content(path)
    try:
        graph = _Graph(content)
        layers = list(graph.layers())
        preprocess, padding = graph.preprocess(), graph.padding()
    except WeightsError as error:
        raise WeightsError(f"{path} {error}") from error
    except MemoryError as error:
        raise WeightsError(f"{path} claims more than fits into memory; copy it again") from error
    except (struct.error, IndexError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise WeightsError(f"{path} is cut off or no sound TFLite file ({error}); copy it again") from error
    convs = tuple(unit for name, unit in layers if name != "DEPTHWISE_CONV_2D")
    depthwise = tuple(unit for name, unit in layers if name == "DEPTHWISE_CONV_2D")
    if not depthwise:
        raise WeightsError(f"{path} has no depthwise convolution, so it is no MobileNet; give another file")
    dialects = ("tensorflow", "keras") if padding == "same" else ("torchvision", "timm")
    return Ordered(convs, depthwise, padding=padding, dialects=dialects, preprocess=preprocess)


def _content(path: Path) -> bytes:
    """The bytes of a file that says it is TFLite. Raises WeightsError."""
    try:
        if path.stat().st_size > LARGEST:
            raise WeightsError(
                f"{path} is larger than {LARGEST >> 20} MB, no MobileNet is; give another file"
            )
        content = path.read_bytes()
    except OSError as error:
        raise WeightsError(f"{path} cannot be read: {error.strerror}") from error
    if content[4:8] != IDENTIFIER:
        raise WeightsError(f"{path} is no TFLite file (no {IDENTIFIER.decode()} at its start); copy it again")
    return content


class _Graph:
    """The first graph of a TFLite model, read where it is asked."""

    def __init__(self, content: bytes) -> None:
        with needs("ai-edge-litert", "litert"):
            from ai_edge_litert import schema_py_generated as schema

        self.schema = schema
        self.model = schema.Model.GetRootAs(content, 0)
        if self.model.SubgraphsLength() != 1:
            raise WeightsError(
                f"holds {self.model.SubgraphsLength()} graphs, a classifier has one; give another"
            )
        self.graph = self.model.Subgraphs(0)
        if self.graph.OperatorsLength() > MOST_OPERATORS:
            raise WeightsError(
                f"has more than {MOST_OPERATORS} operations, no MobileNet has; give another file"
            )
        names = {number: name for name, number in vars(schema.BuiltinOperator).items() if type(number) is int}
        codes = [self.model.OperatorCodes(index) for index in range(self.model.OperatorCodesLength())]
        numbers = [max(code.BuiltinCode(), code.DeprecatedBuiltinCode()) for code in codes]
        self.names = [names.get(number, f"number {number}") for number in numbers]
        self.operators = [self.graph.Operators(index) for index in range(self.graph.OperatorsLength())]
        self.sources = {
            int(operator.Outputs(0)): operator for operator in self.operators if operator.OutputsLength()
        }

    def layers(self) -> Iterator[tuple[str, Unit]]:
        """Every convolution and linear layer with the name of its operation, in order of computing."""
        for operator in self.operators:
            name = self._name(operator)
            inputs = [int(index) for index in operator.InputsAsNumpy()]
            if name in LAYERS:
                yield name, self._unit(name, operator, inputs)
            elif name in ELEMENTWISE and any(self._size(index) > 1 for index in inputs):
                raise WeightsError(
                    f"has {name} with an array of numbers, so a batch norm that is not folded or a "
                    "normalisation of the image; give a file without either"
                )
            elif name not in (*HARMLESS, *ELEMENTWISE):
                raise WeightsError(f"has the operation {name}, which no MobileNet has; give another file")

    def _name(self, operator: Any) -> str:
        """The operation's name in the schema."""
        name: str = self.names[operator.OpcodeIndex()]
        return name

    def _size(self, index: int) -> int:
        """Entries of a constant; 0 for what is computed."""
        if index < 0 or not self.model.Buffers(self.graph.Tensors(index).Buffer()).DataLength():
            return 0
        return (
            int(self.graph.Tensors(index).ShapeAsNumpy().prod())
            if self.graph.Tensors(index).ShapeLength()
            else 1
        )

    def _unit(self, name: str, operator: Any, inputs: list[int]) -> Unit:
        """A layer in torch's layouts: OHWI to OIHW, a depthwise 1HWC to C1HW."""
        weight = self._array(inputs[1])
        tensors = {"weight": _layout(name, weight)}
        if len(inputs) > 2 and inputs[2] >= 0:
            tensors["bias"] = _layout("", self._array(inputs[2]))
        kinds = {"CONV_2D": "Conv2DOptions", "DEPTHWISE_CONV_2D": "DepthwiseConv2DOptions",
                 "FULLY_CONNECTED": "FullyConnectedOptions"}  # fmt: skip
        options = getattr(self.schema, kinds[name])()
        table = operator.BuiltinOptions()
        options.Init(table.Bytes, table.Pos)
        fused = {1: "relu", 3: "relu6"}.get(options.FusedActivationFunction())
        label = (self.graph.Tensors(int(operator.Outputs(0))).Name() or b"").decode("utf-8", "replace")
        stride = None if name == "FULLY_CONNECTED" else int(options.StrideH())
        return Unit(shown(label.partition(";")[0]), tensors, stride, fused)

    def _array(self, index: int) -> "np.ndarray":
        """The real numbers of a constant, or of one that is made real by an operation."""
        import numpy as np

        tensor = self.graph.Tensors(index)
        buffer = self.model.Buffers(tensor.Buffer())
        source = self.sources.get(index)
        if not buffer.DataLength():
            if source is None or self._name(source) != "DEQUANTIZE":
                raise WeightsError("computes its weights, which no MobileNet does; give another file")
            index = int(source.Inputs(0))
            tensor = self.graph.Tensors(index)
            buffer = self.model.Buffers(tensor.Buffer())
        if tensor.Type() not in DTYPES:
            raise WeightsError(
                f"keeps weights as tensor type {tensor.Type()}; give float, float16 or 8-bit ones"
            )
        numbers = np.frombuffer(buffer.DataAsNumpy().tobytes(), DTYPES[tensor.Type()])
        return _real(numbers.reshape(tensor.ShapeAsNumpy()), tensor.Quantization())

    def preprocess(self) -> Preprocess:
        """How the input wants its images: its side, and what its quantisation makes of pixels 0 to 255.

        A float input says nothing of its range; -1 to 1 stands, as slim and Keras train.
        """
        tensor = self.graph.Tensors(int(self.graph.Inputs(0)))
        shape = [int(side) for side in tensor.ShapeAsNumpy()]
        if len(shape) != 4 or shape[1] != shape[2] or shape[3] != 3 or not 0 < shape[1] <= 4096:
            raise WeightsError(
                f"takes an input of shape {tuple(shape)}, wanted are RGB squares; give another file"
            )
        mean, std = HALF, HALF
        if tensor.Type() in (3, 9):
            scale, zero = float(tensor.Quantization().Scale(0)), int(tensor.Quantization().ZeroPoint(0))
            level = (zero + (128 if tensor.Type() == 9 else 0)) / 255
            mean, std = (level,) * 3, (1 / (255 * scale),) * 3
        return Preprocess(shape[1], round(shape[1] / 0.875), "bilinear", mean, std)

    def padding(self) -> Padding:
        """Symmetric where an image is padded by as much before as behind, else TensorFlow's."""
        for operator in self.operators:
            if self._name(operator) in ("PAD", "PADV2"):
                before, behind = self._array(int(operator.Inputs(1)))[1]
                if before == behind:
                    return "symmetric"
        return "same"


def _real(numbers: "np.ndarray", quantisation: Any) -> "np.ndarray":
    """Quantised numbers as real ones; float ones and plain integers as they are."""
    import numpy as np

    if numbers.dtype.kind == "f" or quantisation is None or not quantisation.ScaleLength():
        return numbers.astype(np.float64 if numbers.dtype.kind == "i" else np.float32)
    shape = [1] * numbers.ndim
    if quantisation.ScaleLength() > 1:
        shape[quantisation.QuantizedDimension()] = quantisation.ScaleLength()
    scale = quantisation.ScaleAsNumpy().astype(np.float64).reshape(shape)
    zero = quantisation.ZeroPointAsNumpy().reshape(shape) if quantisation.ZeroPointLength() else 0
    real: np.ndarray = (scale * (numbers.astype(np.float64) - zero)).astype(np.float32)
    return real


def _layout(name: str, array: "np.ndarray") -> "Tensor":
    """An array in torch's layout for the operation `name`."""
    import numpy as np
    import torch

    if name == "CONV_2D":
        array = array.transpose(0, 3, 1, 2)
    elif name == "DEPTHWISE_CONV_2D":
        array = array.transpose(3, 0, 1, 2)
    return torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32))
