"""ONNX files in ONNX Runtime."""

from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from mobilenets.arch import card as cards
from mobilenets.arch.card import Card
from mobilenets.base.errors import ExportError, needs
from mobilenets.runtimes.cards import parsed
from mobilenets.runtimes.session import checked, image_shape, joined, one_input, only
from mobilenets.runtimes.target import Target

with needs("onnxruntime", "onnx"):
    import onnxruntime
    from onnxruntime.capi import onnxruntime_pybind11_state as states

ERRORS_ONLY = 3  # of ONNX Runtime's log levels
# what opening a broken or foreign file raises; ONNX Runtime has no common base for them
BROKEN = (
    states.Fail,
    states.InvalidArgument,
    states.InvalidGraph,
    states.InvalidProtobuf,
    states.NotImplemented,
    states.RuntimeException,
    states.NoSuchFile,
    RuntimeError,
)


class OnnxSession:
    """An ONNX file in ONNX Runtime, its operations one after another on the given threads."""

    def __init__(self, path: Path, target: Target) -> None:
        self.path, self.target = path, target
        self._session = _session(path, target.threads)
        inputs = self._session.get_inputs()
        one_input(inputs, path)
        self.input_shape = image_shape(inputs[0].shape, path)
        if inputs[0].type != "tensor(float)":
            raise ExportError(f"{path} takes {inputs[0].type}; only float32 input can be fed")
        self.card = parsed(_card_text(self._session), path)
        self._input = inputs[0].name
        self._binding = self._session.io_binding()
        self._binding.bind_cpu_input(self._input, np.full(self.input_shape, 128, np.float32))
        for output in self._session.get_outputs():
            self._binding.bind_output(output.name)

    def outputs(self, pixels: np.ndarray) -> tuple[np.ndarray, ...]:
        """Raw pixels (B, H, W, 3) to every output (B, ...), one image after another."""
        images = checked(pixels, self.input_shape, self.path)
        return joined(
            self._session.run(None, {self._input: image[None].astype(np.float32)}) for image in images
        )

    def run(self, pixels: np.ndarray) -> np.ndarray:
        """The only output (B, ...), one image after another."""
        return only(self.outputs(pixels), self.path)

    def invoke(self) -> None:
        """One inference on the input that is already bound."""
        self._session.run_with_iobinding(self._binding)

    def versions(self) -> dict[str, str]:
        """The runtime's version."""
        return {"onnxruntime": metadata.version("onnxruntime")}


class OnnxGraph:
    """Any ONNX file, to be timed only: it gets numbers from 0 to 1 for whatever its inputs are."""

    def __init__(self, path: Path, target: Target) -> None:
        self.path, self.target = path, target
        self._session = _session(path, target.threads)
        self._binding = self._session.io_binding()
        numbers = np.random.default_rng(0)
        for entry in self._session.get_inputs():
            self._binding.bind_cpu_input(entry.name, numbers.random(entry.shape, np.float32))
        for output in self._session.get_outputs():
            self._binding.bind_output(output.name)

    def invoke(self) -> None:
        """One inference on the inputs that are already bound."""
        self._session.run_with_iobinding(self._binding)

    def versions(self) -> dict[str, str]:
        """The runtime's version."""
        return {"onnxruntime": metadata.version("onnxruntime")}


def open_graph(path: Path, target: Target) -> OnnxGraph:
    """Any ONNX file on a target, to be timed. Raises ExportError when it is broken."""
    return OnnxGraph(path, target)


def open_file(path: Path, target: Target) -> OnnxSession:
    """An ONNX file on a target. Raises ExportError when it is broken or takes no image."""
    return OnnxSession(path, target)


def card_of(path: Path) -> Card | None:
    """The card in an ONNX file, None when it has none. Raises ExportError when the file is broken."""
    return parsed(_card_text(_session(path, threads=1)), path)


def _card_text(session: Any) -> str | None:
    """The text of the card in an opened file."""
    text: str | None = session.get_modelmeta().custom_metadata_map.get(cards.KEY)
    return text


def _session(path: Path, threads: int) -> Any:
    """ONNX Runtime's session of a file. Raises ExportError when it is broken."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.log_severity_level = ERRORS_ONLY
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except BROKEN as error:
        reason = str(error).splitlines()[0]
        raise ExportError(
            f"{path} is not a whole ONNX file that ONNX Runtime can run ({reason}); export or copy it again"
        ) from error
