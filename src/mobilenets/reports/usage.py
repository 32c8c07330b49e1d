"""A few lines of code that run the file a person just got, for its runtime."""

from pathlib import PurePosixPath
from typing import Any

READ = """\
import numpy as np
from PIL import Image, ImageOps

photo = ImageOps.exif_transpose(Image.open("photo.jpg")).convert("RGB")
square = ImageOps.fit(photo, ({crop}, {crop}), Image.Resampling.{method}{bleed})
pixels = np.asarray(square, np.float32)[None]  # raw, 0 to 255: the file normalises inside
"""
LITERT = """
from ai_edge_litert.interpreter import Interpreter

model = Interpreter({file!r})
model.allocate_tensors()
model.set_tensor(model.get_input_details()[0]["index"], pixels)
model.invoke()
scores = model.get_tensor(model.get_output_details()[0]["index"])[0]
"""
ONNX = """
import onnxruntime

model = onnxruntime.InferenceSession({file!r})
scores = model.run(None, {{model.get_inputs()[0].name: pixels}})[0][0]
"""
NAMES = """
labels = {labels!r}
for i in scores.argsort()[::-1][:5]:
    print(labels[i], f"{{scores[i]:.1%}}")
"""
BARE = """
for i in scores.argsort()[::-1][:5]:
    print(i, f"{scores[i]:.1%}")  # class names, in this order, are in the file's metadata
"""
MEDIAPIPE = """\
import mediapipe as mp

classifier = mp.tasks.vision.ImageClassifier.create_from_model_path({file!r})
found = classifier.classify(mp.Image.create_from_file("photo.jpg"))
for category in found.classifications[0].categories[:5]:
    print(category.category_name, f"{{category.score:.1%}}")
"""
TORCH = """\
import mobilenets

print(mobilenets.predict({file!r}, ["photo.jpg"], top=5))
"""
FEW = 40  # class names that may stand in a snippet


def snippets(artifact: str, preprocess: dict[str, Any], labels: list[str]) -> list[tuple[str, str]]:
    """Pairs of title and Python code that use `artifact`, a path relative to where the code is run."""
    file, suffix = str(PurePosixPath(artifact)), PurePosixPath(artifact).suffix
    engine = {".tflite": ("LiteRT", LITERT), ".onnx": ("ONNX Runtime", ONNX)}.get(suffix)
    if engine is None:
        return [("Python", TORCH.format(file=file))]
    names = NAMES.format(labels=list(labels)) if 0 < len(labels) <= FEW else BARE
    found = []
    if preprocess:
        found.append((engine[0], _reading(preprocess) + engine[1].format(file=file) + names))
    if suffix == ".tflite":
        found.append(("MediaPipe Tasks", MEDIAPIPE.format(file=file)))
    return found


def _reading(preprocess: dict[str, Any]) -> str:
    """The lines that bring a photograph to the network's input, as the preprocessing record says."""
    crop, resize = preprocess["crop"], preprocess["resize"]
    edge = (1 - crop / resize) / 2
    bleed = f", bleed={edge:.4g}" if edge else ""
    method = str(preprocess.get("interpolation", "bilinear")).upper()
    return READ.format(crop=crop, method=method, bleed=bleed)
