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
STRETCHED = """\
import numpy as np
from PIL import Image, ImageOps

photo = ImageOps.exif_transpose(Image.open("photo.jpg")).convert("RGB")
square = photo.resize(({crop}, {crop}), Image.Resampling.{method})  # the whole photograph, whatever its shape
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
OUTPUTS = {
    "litert": """
from ai_edge_litert.interpreter import Interpreter

model = Interpreter({file!r})
model.allocate_tensors()
model.set_tensor(model.get_input_details()[0]["index"], pixels)
model.invoke()
outputs = [model.get_tensor(output["index"])[0] for output in model.get_output_details()]
""",
    "onnx": """
import onnxruntime

model = onnxruntime.InferenceSession({file!r})
outputs = [output[0] for output in model.run(None, {{model.get_inputs()[0].name: pixels}})]
""",
}
READINGS = {
    ("detect", "nms"): """
labels = {labels!r}
boxes, classes, scores, count = outputs
for box, index, score in list(zip(boxes, classes, scores))[: int(count)]:
    top, left, bottom, right = box * ((photo.height, photo.width) * 2)
    print(labels[int(index)], f"{{score:.1%}}", left, top, right, bottom)
""",
    ("segment", "argmax"): """
labels = {labels!r}
mask = Image.fromarray(outputs[0].squeeze().astype(np.uint8)).resize(photo.size, Image.Resampling.NEAREST)
print([labels[index] for index in np.unique(mask)])
""",
    ("segment", "scores"): """
labels = {labels!r}
mask = outputs[0].argmax(axis=-1)  # a class for each pixel of the input
print([labels[index] for index in np.unique(mask)])
""",
    ("embed", ""): """
vector = outputs[0]  # of length 1: the product of two is the cosine between two images
""",
}
TASKS = {
    "detect": """\
import mediapipe as mp

detector = mp.tasks.vision.ObjectDetector.create_from_model_path({file!r})
found = detector.detect(mp.Image.create_from_file("photo.jpg"))
for one in found.detections:
    print(one.categories[0].category_name, f"{{one.categories[0].score:.1%}}", one.bounding_box)
""",
    "segment": """\
import mediapipe as mp

segmenter = mp.tasks.vision.ImageSegmenter.create_from_model_path({file!r})
found = segmenter.segment(mp.Image.create_from_file("photo.jpg"))
print([mask.numpy_view().mean() for mask in found.confidence_masks])  # the share of each class
""",
    "embed": """\
import mediapipe as mp

embedder = mp.tasks.vision.ImageEmbedder.create_from_model_path({file!r})
found = embedder.embed(mp.Image.create_from_file("photo.jpg"))
print(found.embeddings[0].embedding)
""",
}
OPENED = {("detect", "mediapipe"), ("segment", "scores"), ("embed", "")}  # by MediaPipe Tasks
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
TITLES = {"litert": "LiteRT", "onnx": "ONNX Runtime"}
FOLDER = """\
import mobilenets

print(mobilenets.embed("photos", model={file!r}, out="vectors.npz"))
"""
SEEN = """\
import mobilenets

mobilenets.predict({file!r}, ["photo.jpg"], out="drawn")  # a picture, and what was found as JSON
"""
FEW = 40  # class names that may stand in a snippet


def snippets(artifact: str, card: dict[str, Any], labels: list[str]) -> list[tuple[str, str]]:
    """Pairs of title and Python code that use `artifact`, a path relative to where the code is run.

    `card` is that of the run as plain data; its `outputs` say what the file gives.
    """
    file, suffix = str(PurePosixPath(artifact)), PurePosixPath(artifact).suffix
    task, form = card.get("task") or "classify", card.get("outputs") or ""
    engine = {".tflite": "litert", ".onnx": "onnx"}.get(suffix)
    if task != "classify":
        return _of_task(file, task, form, engine, card, labels)
    if engine is None:
        return [("Python", TORCH.format(file=file))]
    names = NAMES.format(labels=list(labels)) if 0 < len(labels) <= FEW else BARE
    found = []
    if card.get("preprocess"):
        run = {"litert": LITERT, "onnx": ONNX}[engine].format(file=file)
        found.append((TITLES[engine], _reading(card["preprocess"]) + run + names))
    if suffix == ".tflite":
        found.append(("MediaPipe Tasks", MEDIAPIPE.format(file=file)))
    return found


def _of_task(
    file: str, task: str, form: str, engine: str | None, card: dict[str, Any], labels: list[str]
) -> list[tuple[str, str]]:
    """Those for the other tasks: our own, the runtime's where the file needs no decoding, MediaPipe's."""
    found = [("Python", (FOLDER if task == "embed" else SEEN).format(file=file))]
    reading = READINGS.get((task, form))
    if engine and reading and card.get("preprocess"):
        run = OUTPUTS[engine].format(file=file)
        found.append(
            (TITLES[engine], _reading(card["preprocess"]) + run + reading.format(labels=list(labels)))
        )
    if engine == "litert" and (task, form) in OPENED:
        found.append(("MediaPipe Tasks", TASKS[task].format(file=file)))
    return found


def _reading(preprocess: dict[str, Any]) -> str:
    """The lines that bring a photograph to the network's input, as the preprocessing record says."""
    crop, resize = preprocess["crop"], preprocess["resize"]
    edge = (1 - crop / resize) / 2
    bleed = f", bleed={edge:.4g}" if edge else ""
    method = str(preprocess.get("interpolation", "bilinear")).upper()
    if preprocess.get("fit") == "stretch":
        return STRETCHED.format(crop=crop, method=method)
    return READ.format(crop=crop, method=method, bleed=bleed)
