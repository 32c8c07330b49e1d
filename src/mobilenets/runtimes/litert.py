"""TFLite files in LiteRT, with XNNPACK, which it applies by itself."""

from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from flatbuffers import flexbuffers

from mobilenets.arch import card as cards
from mobilenets.arch.card import Card
from mobilenets.base.errors import ExportError, UsageError, needs
from mobilenets.runtimes.cards import parsed
from mobilenets.runtimes.quiet import quiet
from mobilenets.runtimes.session import checked, image_shape, joined, one_input, only
from mobilenets.runtimes.target import Target

with needs("ai-edge-litert", "litert"):
    from ai_edge_litert import schema_py_generated as schema
    from ai_edge_litert.interpreter import Interpreter

NMS = b"TFLite_Detection_PostProcess"


class LiteRtSession:
    """A TFLite file in LiteRT. Quantised files of others run too; a float file of theirs gets raw pixels."""

    def __init__(self, path: Path, target: Target) -> None:
        self.path, self.target = path, target
        content = path.read_bytes()
        self._interpreter = _interpreter(content, path, target.threads)
        inputs, outputs = self._interpreter.get_input_details(), self._interpreter.get_output_details()
        one_input(inputs, path)
        self._input, self._outputs = inputs[0], outputs
        self.input_shape = image_shape([int(side) for side in self._input["shape"]], path)
        self.card = parsed(card_text(content), path)
        _refuse_threads(content, self.card, target, path)
        self._set(np.full(self.input_shape, 128, np.uint8))

    def outputs(self, pixels: np.ndarray) -> tuple[np.ndarray, ...]:
        """Raw pixels (B, H, W, 3) to every output (B, ...), one image after another."""
        rows = []
        for image in checked(pixels, self.input_shape, self.path):
            self._set(image[None])
            self._interpreter.invoke()
            rows.append([self._value(output) for output in self._outputs])
        return joined(rows)

    def run(self, pixels: np.ndarray) -> np.ndarray:
        """The only output (B, ...), one image after another."""
        return only(self.outputs(pixels), self.path)

    def invoke(self) -> None:
        """One inference on the input that is already set."""
        self._interpreter.invoke()

    def versions(self) -> dict[str, str]:
        """The runtime's version."""
        return {"ai-edge-litert": metadata.version("ai-edge-litert")}

    def _set(self, pixels: np.ndarray) -> None:
        """Put one image (1, H, W, 3) into the input tensor."""
        self._interpreter.set_tensor(self._input["index"], as_input(pixels, self._input["dtype"]))

    def _value(self, output: dict[str, Any]) -> np.ndarray:
        """One output as float32."""
        values = self._interpreter.get_tensor(output["index"])
        scale, zero = output["quantization"]
        if np.issubdtype(values.dtype, np.integer) and scale:
            values = (values.astype(np.float32) - zero) * scale
        result: np.ndarray = values.astype(np.float32)
        return result


class LiteRtGraph:
    """Any TFLite file, to be timed only: it gets numbers from 0 to 1 for whatever its inputs are."""

    def __init__(self, path: Path, target: Target) -> None:
        self.path, self.target = path, target
        self._interpreter = _interpreter(path.read_bytes(), path, target.threads)
        numbers = np.random.default_rng(0)
        for entry in self._interpreter.get_input_details():
            values = numbers.random(entry["shape"]).astype(entry["dtype"])
            self._interpreter.set_tensor(entry["index"], values)

    def invoke(self) -> None:
        """One inference on the inputs that are already set."""
        self._interpreter.invoke()

    def versions(self) -> dict[str, str]:
        """The runtime's version."""
        return {"ai-edge-litert": metadata.version("ai-edge-litert")}


def _refuse_threads(content: bytes, card: Card | None, target: Target, path: Path) -> None:
    """Raise UsageError where NMS in a sound file would leave out a class (`exporters.tflite_nms` says why).

    Files of this package have spare classes before their own, which may be left out; others need not.
    """
    classes = _nms_classes(content)
    spare = classes - len(card.labels) if card is not None else 0
    if max(spare, 2) <= target.threads < classes:
        raise UsageError(
            f"{path} holds LiteRT's NMS, which leaves a class out on {target.threads} threads; "
            f"use {'at most ' if spare > 2 else ''}{max(spare - 1, 1)}, or export it with --form plain"
        )


def _nms_classes(content: bytes) -> int:
    """How many classes LiteRT's NMS takes one by one in a sound file; 0 where there is none."""
    model = schema.Model.GetRootAs(content)
    graph = model.Subgraphs(0)
    for index in range(graph.OperatorsLength()):
        operator = graph.Operators(index)
        if model.OperatorCodes(operator.OpcodeIndex()).CustomCode() == NMS:
            options = flexbuffers.GetRoot(operator.CustomOptionsAsNumpy().tobytes()).Value
            return int(options["num_classes"]) if options.get("use_regular_nms") else 0
    return 0


def open_file(path: Path, target: Target) -> LiteRtSession:
    """A TFLite file on a target. Raises ExportError when it is broken or takes no image."""
    return LiteRtSession(path, target)


def open_graph(path: Path, target: Target) -> LiteRtGraph:
    """Any TFLite file on a target, to be timed. Raises ExportError when it is broken."""
    return LiteRtGraph(path, target)


def card_of(path: Path) -> Card | None:
    """The card in a TFLite file, None when it has none. Raises ExportError when the file is broken."""
    content = path.read_bytes()
    _interpreter(content, path, threads=1, allocate=False)  # it verifies the whole file, the schema does not
    return parsed(card_text(content), path)


def card_text(content: bytes) -> bytes | None:
    """The text of the card in the bytes of a sound TFLite file."""
    model = schema.Model.GetRootAs(content)
    for index in range(model.MetadataLength()):
        entry = model.Metadata(index)
        if entry.Name() == cards.KEY.encode():
            return bytes(model.Buffers(entry.Buffer()).DataAsNumpy())
    return None


def as_input(pixels: np.ndarray, dtype: type) -> np.ndarray:
    """Raw pixels as the input tensor's type.

    Integer inputs hold the 256 levels of a pixel themselves: uint8 as they are, int8 moved down by 128.
    Their scale and zero point say what those levels mean to the network, not to us.
    """
    if dtype == np.float32:
        return pixels.astype(np.float32)
    levels = np.clip(np.rint(pixels.astype(np.float32)), 0, 255)
    return (levels - 128 if dtype == np.int8 else levels).astype(dtype)


def _interpreter(content: bytes, path: Path, threads: int, allocate: bool = True) -> Any:
    """The interpreter of a file. Raises ExportError when it is broken."""
    try:
        with quiet():
            interpreter = Interpreter(model_content=content, num_threads=threads)
            if allocate:
                interpreter.allocate_tensors()
                interpreter.invoke()  # the first run prepares what later ones reuse
    except (ValueError, RuntimeError) as error:
        reason = (str(error).splitlines() or ["no reason given"])[0]
        raise ExportError(
            f"{path} is not a whole TFLite file that LiteRT can run ({reason}); export or copy it again"
        ) from error
    return interpreter
