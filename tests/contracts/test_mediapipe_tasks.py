"""Files for detection, segmentation and embeddings in MediaPipe Tasks, on photographs."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from task_subjects import LABELS, SIDE, as_filed, decoded, photographs, task_subject

from mobilenets.exporters import export, write_card
from mobilenets.runtimes import open_session, parse_target
from mobilenets.tasks.detect import RULES, Rules

mediapipe = pytest.importorskip("mediapipe")
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Paths by task and form; the plain detector and the one for MediaPipe differ in what they say only."""
    made = {}
    folder = tmp_path_factory.mktemp("files")
    for task, form in (("detect", "plain"), ("detect", "nms"), ("segment", "scores"), ("embed", None)):
        subject = task_subject(task)
        path = folder / f"{task}-{form}.tflite"
        made[task, form] = export(subject.network, subject.card, path, "litert", subject.pixels, form=form)
    plain = made["detect", "plain"]
    path = folder / "detect-mediapipe.tflite"
    path.write_bytes(plain.path.read_bytes())
    write_card(path, replace(plain.card, outputs="mediapipe"))
    made["detect", "mediapipe"] = replace(plain, path=path)
    return {key: exported.path for key, exported in made.items()}


@pytest.fixture(scope="module")
def pixels():
    return np.stack([np.asarray(image.resize((SIDE, SIDE))) for image in photographs()])


def opened(files, task, form):
    return open_session(files[task, form], parse_target("litert:cpu:1"))


def detected(path, images):
    """What ObjectDetector finds: per image rows of corners, label and score; boxes may have several."""
    from mediapipe.tasks.python import BaseOptions, vision

    options = vision.ObjectDetectorOptions(base_options=BaseOptions(model_asset_path=str(path)))
    with vision.ObjectDetector.create_from_options(options) as detector:
        for image in images:
            rows = []
            for found in detector.detect(as_image(image)).detections:
                box = found.bounding_box
                corners = np.array([box.origin_x, box.origin_y, box.width, box.height], float)
                corners[2:] += corners[:2]
                rows += [(corners, entry.category_name, entry.score) for entry in found.categories]
            yield sorted(rows, key=lambda row: -row[2])


def as_image(image):
    data = np.ascontiguousarray(np.asarray(image))
    return mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=data)


def sampled(image):
    """A photograph as MediaPipe stretches it, within two levels: pixel x is read at x * width / SIDE, between
    the four around that; no shift by half a pixel, no antialiasing (OpenCV's warpPerspective).
    """
    values = torch.from_numpy(np.array(image)).permute(2, 0, 1).float()
    height, width = values.shape[1:]
    y, x = torch.arange(SIDE) * height / SIDE, torch.arange(SIDE) * width / SIDE
    grid = (
        torch.stack(torch.broadcast_tensors(x[None] / (width - 1), y[:, None] / (height - 1)), dim=2) * 2 - 1
    )
    pixels = torch.nn.functional.grid_sample(values[None], grid[None], align_corners=True)
    return pixels[0].permute(1, 2, 0).round().to(torch.uint8).numpy()


def agrees(found, ours, score):
    """The same labels, scores within `score`, corners within a pixel."""
    assert len(found) == len(ours) > 20
    assert [label for _, label, _ in found] == [LABELS[index] for index in ours.labels.tolist()]
    np.testing.assert_allclose([rank for *_, rank in found], ours.scores, rtol=0, atol=score)
    assert (np.abs(np.stack([box for box, *_ in found]) - ours.boxes.numpy()) <= 1).all()


def test_the_detector_finds_what_this_package_decodes(files, pixels):
    session = opened(files, "detect", "plain")
    outputs = session.outputs(pixels)
    assert np.ptp(outputs[1], axis=0).max() > 0.2, "scores must depend on the image"
    for index, found in enumerate(detected(files["detect", "mediapipe"], pixels)):
        ours = decoded(outputs, index, session.card, (SIDE, SIDE), RULES["mediapipe"])
        assert set(ours.labels.tolist()) == {0, 1, 2}
        agrees(found, ours, 1e-3)


def matched(found, ours):
    """The share of ours that were found: same label, score within 0.02, corners within 2 pixels."""
    hits = [
        any(
            label == LABELS[int(own)]
            and abs(rank - float(score)) < 0.02
            and np.abs(box - mine.numpy()).max() <= 2
            for box, label, rank in found
        )
        for mine, own, score in zip(ours.boxes, ours.labels, ours.scores, strict=True)
    ]
    return np.mean(hits)


def test_photographs_of_any_shape_are_stretched(files):
    """Boxes are in pixels of the photograph, whatever its shape; scores move with the levels it rounds to."""
    session = opened(files, "detect", "plain")
    images = photographs(4)
    assert len({image.size for image in images}) > 2
    shares = []
    for stretched in (sampled, lambda image: np.asarray(image.resize((SIDE, SIDE)))):
        outputs = session.outputs(np.stack([stretched(image) for image in images]))
        ours = [decoded(outputs, i, session.card, images[i].size, RULES["mediapipe"]) for i in range(4)]
        everything = detected(files["detect", "mediapipe"], images)
        shares.append(np.mean([matched(found, own) for found, own in zip(everything, ours, strict=True)]))
    # the subject makes much of small differences, such as the two levels
    assert shares[0] > 0.5
    assert shares[1] < 0.2, "antialiased, the answers are others"


def test_the_detector_takes_the_file_with_nms_as_well(files, pixels):
    """It merges equal boxes of several classes and rounds, nothing more."""
    outputs = opened(files, "detect", "nms").outputs(pixels)
    for index, found in enumerate(detected(files["detect", "nms"], pixels)):
        ours = as_filed(outputs, index, (SIDE, SIDE))
        assert len(found) == len(ours) == 100
        np.testing.assert_allclose([rank for *_, rank in found], ours.scores, rtol=0, atol=1e-6)
        assert found[0][1] == LABELS[int(ours.labels[0])]


def test_the_file_with_nms_agrees_with_ours_to_a_thousandth_of_a_pixel(files, pixels):
    plain, whole = opened(files, "detect", "plain"), opened(files, "detect", "nms")
    heads, outputs = plain.outputs(pixels), whole.outputs(pixels)
    rules: Rules = RULES["file"]
    for index in range(len(pixels)):
        ours = decoded(heads, index, plain.card, (640, 480), rules)
        theirs = as_filed(outputs, index, (640, 480))
        assert torch.equal(ours.labels, theirs.labels)
        assert torch.equal(ours.scores, theirs.scores)
        assert (ours.boxes - theirs.boxes).abs().max() < 1e-3


def test_the_segmenter_gives_our_classes_and_probabilities(files, pixels):
    from mediapipe.tasks.python import BaseOptions, vision

    path = files["segment", "scores"]
    wanted = opened(files, "segment", "scores").run(pixels)
    assert min(np.bincount(wanted.argmax(axis=-1).ravel(), minlength=3)) > 100
    options = vision.ImageSegmenterOptions(
        base_options=BaseOptions(model_asset_path=str(path)),
        output_category_mask=True,
        output_confidence_masks=True,
    )
    with vision.ImageSegmenter.create_from_options(options) as segmenter:
        assert segmenter.labels == list(LABELS)
        for image, probabilities in zip(pixels, wanted, strict=True):
            result = segmenter.segment(as_image(image))
            classes = result.category_mask.numpy_view().squeeze()
            masks = np.stack([mask.numpy_view().squeeze() for mask in result.confidence_masks], axis=-1)
            assert (classes == probabilities.argmax(axis=-1)).mean() > 0.99
            np.testing.assert_allclose(masks, probabilities, rtol=0, atol=1e-5)


def test_the_embedder_gives_our_vectors(files, pixels):
    from mediapipe.tasks.python import BaseOptions, vision

    wanted = opened(files, "embed", None).run(pixels)
    base = BaseOptions(model_asset_path=str(files["embed", None]))
    with vision.ImageEmbedder.create_from_options(vision.ImageEmbedderOptions(base_options=base)) as embedder:
        for image, vector in zip(pixels, wanted, strict=True):
            given = embedder.embed(as_image(image)).embeddings[0].embedding
            np.testing.assert_allclose(given, vector, rtol=0, atol=1e-5)
