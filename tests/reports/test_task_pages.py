"""The page of a detector, a segmenter, embeddings: the facts of result.json, pictures that can be seen."""

import base64
import json
import re
from io import BytesIO

import numpy as np
import pytest
from PIL import Image
from task_folders import detect_folder, embed_folder, segment_folder
from test_report_page import edited, opened

from mobilenets.reports import summary
from mobilenets.reports.palette import OKABE_ITO

FOLDERS = {"detect": detect_folder, "segment": segment_folder, "embed": embed_folder}


def pictures(run):
    """The images of a page."""
    found = re.findall(r'data:image/jpeg;base64,([^"]+)', run.report.read_text(encoding="utf-8"))
    return [np.asarray(Image.open(BytesIO(base64.b64decode(text)))).astype(int) for text in found]


def has(picture, colour):
    """Whether a colour is in a picture, as near as JPEG leaves it."""
    return (np.abs(picture - colour).max(axis=-1) < 24).any()


def test_a_detector_is_told_with_boxes_beside_boxes(tmp_path):
    run = detect_folder(tmp_path / "run")
    page, result = opened(run), json.loads(run.result.read_text())
    metrics, faulty = result["metrics"], [row for row in result["predictions"] if row["wrong"]]
    for words in (
        "mAP at IoU 0.5 of the exported file", f"{100 * metrics['mAP50']:.1f} %", "10 test images",
        f"COCO mAP {100 * metrics['mAP']:.1f} %", f"out of {len(faulty)} with any", "score of 30 %",
        "test/02.png: 1 right, 2 wrong or missed", "<b>cow</b>", "background", "Without a mistake",
        "Classes, the weakest first", "mAP at IoU 0.5 is", "3 classes; 40 train, 10 test images",
    ):  # fmt: skip
        assert words in page.text, words
    assert {path.name for path in run.plots.iterdir()} == {
        "candidates.svg", "confusion.svg", "curves.svg", "precision_recall.svg",
    }  # fmt: skip
    shown = pictures(run)
    assert len(shown) == 10
    assert 0 < len(faulty) < 8
    worst = shown[0]  # two of its three boxes were missed
    half = worst.shape[1] // 2
    assert all(has(worst[:, :half], colour) for colour in OKABE_ITO[:3])
    assert [has(worst[:, half:], colour) for colour in OKABE_ITO[:3]] == [True, False, False]


def test_a_segmenter_is_told_with_masks_beside_masks(tmp_path):
    run = segment_folder(tmp_path / "run")
    page, result = opened(run), json.loads(run.result.read_text())
    for words in (
        "mean IoU of the exported file", f"{100 * result['metrics']['mIoU']:.1f} %", "Least overlap",
        f"pixels right {100 * result['metrics']['pixel_accuracy']:.1f} %", "Of 14 images", "Most overlap",
        "test/13.png: mean IoU", "test/00.png: mean IoU 100.0 %", "Per cent of the pixels of a class",
    ):  # fmt: skip
        assert words in page.text, words
    assert page.text.index("test/13.png") < page.text.index("test/12.png") < page.text.index("test/00.png")
    assert (run.plots / "iou.svg").exists()
    shown = pictures(run)
    assert len(shown) == 12
    third = shown[0].shape[1] // 3
    annotated, predicted = shown[0][:, third : 2 * third - 8], shown[0][:, -third + 8 :]
    assert np.abs(annotated - predicted[:, -annotated.shape[1] :]).mean() > 5
    photograph = shown[0][40:-4, : third - 8]
    assert np.abs(photograph - annotated[40:-4, : photograph.shape[1]]).mean() > 20


def test_embeddings_are_told_with_what_they_find(tmp_path):
    run = embed_folder(tmp_path / "run")
    page, result = opened(run), json.loads(run.result.read_text())
    for words in (
        "recall at 1 of the exported file", f"{100 * result['value']:.1f} %", "95 % confidence",
        "among 30 others", "Nearest neighbours that are another class", "mobilenets.embed(",
    ):  # fmt: skip
        assert words in page.text, words
    strips = result["neighbours"]
    assert len(pictures(run)) == sum(1 + len(row["nearest"]) for row in strips)
    right = sum(one["index"] == row["index"] for row in strips for one in row["nearest"])
    assert page.text.count("✓ 0.") == right
    assert page.text.count("✗ 0.") == sum(len(row["nearest"]) for row in strips) - right


@pytest.mark.parametrize("task", FOLDERS)
def test_images_that_are_gone_leave_the_numbers(tmp_path, task):
    run = FOLDERS[task](tmp_path / "run")
    for path in (tmp_path / "images").rglob("*.png"):
        path.unlink()
    page = opened(run)
    assert "img" not in page.tags
    assert "meets 5 ms" in page.text
    assert {"detect": "mAP at IoU 0.5", "segment": "mean IoU", "embed": "recall at 1"}[task] in summary(run)


@pytest.mark.parametrize("task", FOLDERS)
def test_a_result_without_evidence_still_makes_a_page(tmp_path, task):
    run = FOLDERS[task](tmp_path / "run")
    result = json.loads(run.result.read_text())
    kept = ("task", "metric", "value", "n", "split", "latency_ms", "target", "artifact")
    run.result.write_text(json.dumps({key: result[key] for key in kept}))
    assert "img" not in opened(run).tags


def test_masks_that_are_broken_or_lie_outside_are_passed_over(tmp_path):
    run = segment_folder(tmp_path / "run")
    rows = json.loads(run.result.read_text())["masks"]
    rows[0]["predicted"] = "no base64!"
    rows[1]["truth"] = base64.b64encode(b"no picture").decode()
    rows[2]["file"] = "../images/test/00.png"
    edited(run.result, masks=rows)
    opened(run)
    assert len(pictures(run)) == 9
