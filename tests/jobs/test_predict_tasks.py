"""`predict` and scoring beyond classes: boxes and masks in the pixels of an image, videos, mistakes."""

import csv
import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from mobilenets.arch.card import Card
from mobilenets.arch.heads import with_head
from mobilenets.arch.preprocess import Preprocess
from mobilenets.arch.zoo import find
from mobilenets.base.errors import DataError, MissingPackage, RunError, UnknownName, UsageError
from mobilenets.base.files import read_json
from mobilenets.cli.predict import show
from mobilenets.data.dataset import Box, BoxedSample, Coding, Dataset, MaskedSample, Sample
from mobilenets.jobs import predict as predicting
from mobilenets.jobs import score as scoring
from mobilenets.jobs.predict import predict
from mobilenets.jobs.score import score
from mobilenets.reports.palette import OKABE_ITO

av = pytest.importorskip("av")
SIDE = 64
LABELS = {
    "detect": ("disc", "cross"),
    "segment": ("red", "green", "blue"),
    "embed": (),
    "classify": ("dark", "light"),
}


class Fake:
    """A session that sees what is plainly there: the white area as a box, channels as classes, brightness."""

    path, target = Path("model.onnx"), "fake"

    def __init__(self, task, outputs=""):
        arch = with_head(find("mobilenet_v2", 0.35, SIDE), task, len(LABELS[task]))
        fit = "stretch" if task in ("detect", "segment") else "crop"
        self.card = Card(task, arch, LABELS[task], Preprocess(SIDE, SIDE, fit=fit), outputs=outputs)

    def outputs(self, pixels):
        if self.card.task == "detect":
            return tuple(np.array(rows, np.float32) for rows in zip(*map(self._boxes, pixels), strict=True))
        if self.card.task == "segment":
            return (np.eye(3, dtype=np.float32)[pixels.argmax(axis=-1)],)
        if self.card.task == "embed":
            vectors = pixels.reshape(len(pixels), -1, 3).mean(axis=1) + 1
            return ((vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32),)
        light = pixels.reshape(len(pixels), -1).mean(axis=1) / 255
        return (np.stack([1 - light, light], axis=1).astype(np.float32),)

    def run(self, pixels):
        return self.outputs(pixels)[0]

    def _boxes(self, pixels):
        """Boxes, classes, scores, count of a file with NMS inside."""
        rows, columns = (np.flatnonzero((pixels.min(axis=-1) > 200).any(axis=axis)) for axis in (1, 0))
        if not len(rows):
            return np.zeros((2, 4)), [0, 0], [0, 0], 0
        box = np.array([rows[0], columns[0], rows[-1] + 1, columns[-1] + 1]) / SIDE
        return [box, [0, 0, 1, 1]], [0, 1], [0.9, 0.2], 2


@pytest.fixture
def model(monkeypatch):
    """Has `predict` open a fake: `model("detect", "nms")`."""

    def chosen(*words):
        fake = Fake(*words)
        monkeypatch.setattr(predicting, "open_subject", lambda *_: fake)
        return "model.onnx"

    return chosen


def photo(path, box=(100, 50, 220, 140), size=(320, 200)):
    """A white rectangle on grey."""
    image = Image.new("RGB", size, (90, 90, 90))
    ImageDraw.Draw(image).rectangle((box[0], box[1], box[2] - 1, box[3] - 1), fill="white")
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path)
    return path


def street(path, size=(320, 200)):
    """Red above, blue below, a green quarter."""
    pixels = np.zeros((size[1], size[0], 3), np.uint8)
    pixels[: size[1] // 2, :, 0] = pixels[size[1] // 2 :, :, 2] = 200
    pixels[: size[1] // 2, : size[0] // 2] = (0, 200, 0)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


def clip(path, n=10, size=(320, 200)):
    """A white rectangle that moves to the right, from its fourth frame on."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 10)
        for i in range(n):
            pixels = np.full((size[1], size[0], 3), 90, np.uint8)
            if i >= 3:
                pixels[50:140, 60 + 10 * i : 140 + 10 * i] = 255
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts, frame.time_base = i, Fraction(1, 10)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def frames_of(path):
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def test_boxes_are_told_in_the_pixels_of_the_image(model, tmp_path):
    photo(tmp_path / "in/a.png")
    Image.new("RGB", (320, 200), (90, 90, 90)).save(tmp_path / "in/b.png")
    document = predict(model("detect", "nms"), tmp_path / "in", out=tmp_path / "out")
    (box,), none = (row["boxes"] for row in document["predictions"])
    assert none == []
    assert (box["index"], box["label"], box["score"]) == (0, "disc", 0.9)
    assert box["box"] == pytest.approx([100, 50, 220, 140], abs=5)  # a pixel of the input is five of these
    assert json.loads((tmp_path / "out/predictions.json").read_text()) == document
    rows = list(csv.DictReader((tmp_path / "out/predictions.csv").open()))
    assert list(rows[0]) == ["file", "index", "label", "score", "x1", "y1", "x2", "y2"]
    assert [float(rows[0][key]) for key in ("x1", "y1", "x2", "y2")] == box["box"]
    drawn = np.asarray(Image.open(tmp_path / "out/0_a.jpg")).astype(int)
    assert drawn.shape == (200, 320, 3)
    x1, y1, x2, _ = (round(side) for side in box["box"])
    assert np.abs(drawn[100, [x1, x2 - 1]] - OKABE_ITO[0]).max() < 60
    assert np.abs(drawn[y1 + 40, x1 + 40] - 255).max() < 20
    more = predict(model("detect", "nms"), tmp_path / "in/a.png", score=0.1)["predictions"][0]["boxes"]
    assert [one["box"] for one in more] == [box["box"], [0, 0, 320, 200]]


def test_masks_are_told_by_share_and_written_as_indices(model, tmp_path):
    street(tmp_path / "in/a.png", size=(500, 300))
    document = predict(model("segment", "scores"), tmp_path / "in/a.png", out=tmp_path / "out")
    (row,) = document["predictions"]
    assert [(one["index"], one["label"]) for one in row["shares"]] == [(2, "blue"), (0, "red"), (1, "green")]
    assert [one["share"] for one in row["shares"]] == pytest.approx([0.5, 0.25, 0.25], abs=0.01)
    mask = Image.open(row["mask"])
    assert mask.mode == "P"
    wanted = np.asarray(Image.open(tmp_path / "in/a.png")).argmax(axis=-1)
    assert (np.asarray(mask) != wanted).mean() < 0.02
    assert Image.open(row["overlay"]).size[0] == 500
    assert "mask" not in predict(model("segment", "scores"), tmp_path / "in/a.png")["predictions"][0]
    seen = predict(model("segment", "scores"), tmp_path / "in/a.png", window=SIDE, out=tmp_path / "fine")
    assert (np.asarray(Image.open(seen["predictions"][0]["mask"])) == wanted).all()


def test_a_video_becomes_a_video_and_a_row_per_frame(model, tmp_path):
    source = clip(tmp_path / "a.mp4")
    document = predict(model("detect", "nms"), source, out=tmp_path / "seen.mp4")
    (row,) = document["predictions"]
    assert (row["frames"], row["seconds"], row["video"]) == (10, 0.9, str(tmp_path / "seen.mp4"))
    assert row["classes"] == [{"index": 0, "label": "disc", "frames": 7, "highest": 0.9}]
    frames = json.loads((tmp_path / "seen.json").read_text())["frames"]
    assert [frame["frame"] for frame in frames] == list(range(10))
    assert [len(frame["boxes"]) for frame in frames] == [0] * 3 + [1] * 7
    lefts = [frame["boxes"][0]["box"][0] for frame in frames[3:]]
    assert lefts == pytest.approx([60 + 10 * i for i in range(3, 10)], abs=6)
    table = list(csv.DictReader((tmp_path / "seen.csv").open()))
    assert [(r["frame"], r["label"]) for r in table] == [(str(i), "disc") for i in range(3, 10)]
    drawn = frames_of(tmp_path / "seen.mp4")
    assert len(drawn) == 10
    assert drawn[0].shape == (200, 320, 3)
    orange = np.abs(drawn[9].astype(int) - OKABE_ITO[0]).max(axis=-1) < 70
    assert np.flatnonzero(orange.any(axis=0))[0] == pytest.approx(lefts[-1], abs=6)
    assert not (np.abs(drawn[0].astype(int) - OKABE_ITO[0]).max(axis=-1) < 70).any()


@pytest.mark.parametrize("task", ["classify", "detect", "segment"])
def test_every_task_watches_videos_beside_images(model, tmp_path, task, capsys):
    words = {"detect": "nms", "segment": "scores", "classify": ""}[task]
    given = [clip(tmp_path / "a.mp4"), photo(tmp_path / "b.png"), clip(tmp_path / "c.mp4", n=5)]
    document = predict(model(task, words), given, out=tmp_path / "out")
    assert [row["file"] for row in document["predictions"]] == [str(given[i]) for i in (1, 0, 2)]
    assert [row.get("frames") for row in document["predictions"]] == [None, 10, 5]
    assert {path.name for path in (tmp_path / "out").iterdir() if path.is_file()} == {
        "predictions.json", "predictions.csv", "0_b.jpg",
        *(f"{name}.{kind}" for name in ("1_a", "2_c") for kind in ("mp4", "json", "csv")),
    }  # fmt: skip
    assert len({frame.shape for frame in frames_of(tmp_path / "out/1_a.mp4")}) == 1
    assert not list(tmp_path.rglob(".*.part"))
    capsys.readouterr()
    show(document)
    told = capsys.readouterr().out
    assert f"{given[0]}: 10 frames, 0.9 s" in told
    assert f"drawn: {tmp_path / 'out/1_a.mp4'}" in told
    heads = {"detect": "score  x1", "segment": "pixels", "classify": "score"}
    assert heads[task].split() == told.splitlines()[0].split()[2 : 2 + len(heads[task].split())]
    assert str(given[1]) in told


def test_an_image_without_boxes_has_its_line_at_its_place(model, tmp_path, capsys):
    paths = [photo(tmp_path / "a.png"), tmp_path / "b.png", photo(tmp_path / "c.png")]
    Image.new("RGB", (320, 200), (90, 90, 90)).save(paths[1])
    show(predict(model("detect", "nms"), tmp_path))
    rows = [line.split() for line in capsys.readouterr().out.splitlines() if ".png" in line]
    assert [row[0] for row in rows] == [str(path) for path in paths]
    assert [row[1] for row in rows] == ["disc", "nothing", "disc"]


def test_frames_go_to_one_table_when_that_is_asked(model, tmp_path):
    source = clip(tmp_path / "a.mp4")
    predict(model("classify"), source, out=tmp_path / "seen.csv")
    assert len((tmp_path / "seen.csv").read_text().splitlines()) == 11
    document = predict(model("classify"), source, out=tmp_path / "seen.json")
    assert len(json.loads((tmp_path / "seen.json").read_text())["frames"]) == 10
    assert [path.suffix for path in tmp_path.iterdir()].count(".mp4") == 1
    (row,) = predict(model("classify"), str(source))["predictions"]
    assert row | {"json": str(tmp_path / "seen.json")} == document["predictions"][0]


def test_few_frames_are_in_memory_at_once(model, tmp_path, monkeypatch):
    from mobilenets.data import video

    alive, most = set(), []
    turn = video._upright

    class Counted(Image.Image):
        def __del__(self):
            alive.discard(id(self))

    def upright(frame):
        image = turn(frame)
        image.__class__ = Counted
        alive.add(id(image))
        most.append(len(alive))
        return image

    monkeypatch.setattr(video, "_upright", upright)
    predict(model("classify"), clip(tmp_path / "a.mp4", n=60))
    assert len(most) == 60
    assert max(most) <= 9  # two batches and one


@pytest.mark.parametrize(("task", "options", "words"), [
    ("classify", {"score": 0.5}, "--score is for models to detect; model.onnx is one to classify"),
    ("segment", {"nms": "file"}, "--nms is for models to detect"),
    ("detect", {"window": 64}, "--window is for models to segment"),
    ("detect", {"top": 3}, "--top is for models to classify"),
    ("detect", {"score": 1.5}, "score must be from 0 to 1, got 1.5"),
    ("classify", {"top": 0}, "top must be at least 1, got 0"),
    ("segment", {"window": 0}, "window must be at least 1 pixel, got 0"),
    ("embed", {}, "gives embeddings and names nothing; use mobilenets embed"),
    ("classify", {"out": "x.mp4"}, "x.mp4 can take one video"),
    ("classify", {"out": "x.xlsx"}, "x.xlsx cannot be written; give a folder, or a .csv, .json, .mp4 file"),
])  # fmt: skip
def test_what_does_not_go_together_is_one_line(model, tmp_path, task, options, words):
    with pytest.raises(UsageError, match=words) as caught:
        predict(model(task), photo(tmp_path / "a.png"), **options)
    assert "\n" not in str(caught.value)


def test_rules_are_those_of_the_file_or_known_by_name(model, tmp_path):
    source = photo(tmp_path / "a.png")
    with pytest.raises(UsageError, match="has its own NMS inside; leave --nms out"):
        predict(model("detect", "nms"), source, nms="mediapipe")
    with pytest.raises(UnknownName, match="no nms 'mediapip'; did you mean mediapipe"):
        predict(model("detect", "plain"), source, nms="mediapip")


def test_a_broken_video_costs_nothing_else(model, tmp_path, capsys):
    (tmp_path / "broken.mp4").write_bytes(b"no video" * 100)
    given = [photo(tmp_path / "a.png"), tmp_path / "broken.mp4", clip(tmp_path / "b.mp4", n=5)]
    document = predict(model("classify"), given, out=tmp_path / "out")
    assert [Path(one["file"]).name for one in document["predictions"]] == ["a.png", "b.mp4"]
    [left] = document["skipped"]
    assert left["file"] == str(tmp_path / "broken.mp4")
    assert "left out" in capsys.readouterr().err
    assert read_json(tmp_path / "out" / "predictions.json") == document


def test_videos_that_cannot_be_used_are_one_line(model, tmp_path, monkeypatch):
    (tmp_path / "broken.mp4").write_bytes(b"no video" * 100)
    for given, words in [(tmp_path / "broken.mp4", "broken.mp4 cannot be read as a video"),
                         (tmp_path / "gone.mp4", "gone.mp4 does not exist")]:  # fmt: skip
        with pytest.raises(DataError, match=words):
            predict(model("classify"), given, out=tmp_path / "out")
    source = clip(tmp_path / "a.mp4")
    with pytest.raises(UsageError, match="is the video itself"):
        predict(model("classify"), source, out=source)
    with pytest.raises(UsageError, match="cannot hold frames beside other results; give a folder"):
        predict(model("classify"), [source, photo(tmp_path / "b.png")], out=tmp_path / "x.json")
    monkeypatch.setitem(__import__("sys").modules, "av", None)
    with pytest.raises(MissingPackage, match=r"pip install 'mobilenets\[video\]'"):
        predict(model("classify"), source)
    assert not (tmp_path / "out").exists()


def boxed(root, n=4):
    """Photographs whose boxes have classes in another order than the model's."""
    samples = []
    for i in range(n):
        box = (60 + 10 * i, 50, 180 + 10 * i, 140)
        path = photo(root / f"test/{i}.png", box)
        samples.append(BoxedSample(path, 320, 200, (Box(1, *map(float, box)),)))
    return Dataset(root, ("cross", "disc"), tuple(samples), tuple(samples), tuple(samples))


def masked(root, n=3):
    """Streets and their masks, whose classes come in another order than the model's."""
    samples = []
    for i in range(n):
        path = street(root / f"test/{i}.png")
        order = np.array([2, 0, 1], np.uint8)[np.asarray(Image.open(path)).argmax(axis=-1)]
        order[:5] = 255
        Image.fromarray(order).save(root / f"{i}.png")
        table = bytes([0, 1, 2, *[254] * 252, 255])
        samples.append(MaskedSample(path, root / f"{i}.png", 320, 200, Coding(table)))
    return Dataset(root, ("green", "blue", "red"), tuple(samples), tuple(samples), tuple(samples))


def test_boxes_are_judged_under_their_names(tmp_path):
    scored = score(Fake("detect", "nms"), boxed(tmp_path), "test")
    assert scored.metrics["mAP50"] == pytest.approx(1)
    assert scored.per_class()[0]["label"] == "disc"
    assert np.array(scored.confusion())[0, 0] == 4
    assert scored.document()["predictions"][0]["file"] == "test/0.png"


@pytest.mark.parametrize("window", [0, SIDE])
def test_masks_are_judged_under_their_names(tmp_path, window):
    scored = score(Fake("segment", "scores"), masked(tmp_path), "test", window=window)
    assert scored.counts.sum() == 3 * 195 * 320
    assert [row["label"] for row in scored.per_class()] == ["red", "green", "blue"]
    assert scored.metrics["mIoU"] > (0.9999 if window else 0.96)


def test_embeddings_look_into_the_train_split(tmp_path):
    groups = {
        split: tuple(Sample(solid(tmp_path / f"{split}/{i}.png", i % 3), i % 3) for i in range(9))
        for split in ("train", "val", "test")
    }
    dataset = Dataset(tmp_path, ("a", "b", "c"), **groups)
    scored = score(Fake("embed"), dataset, "test")
    assert scored.metrics["recall1"] == 1.0
    told = scored.document()
    assert told["gallery"] == 9
    assert all(one["file"].startswith("train/") for row in told["neighbours"] for one in row["nearest"])
    alone = score(Fake("embed"), dataset, "train").document()
    assert all(one["file"] != row["file"] for row in alone["neighbours"] for one in row["nearest"])


def solid(path, channel):
    """A picture of one colour."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (80, 80), tuple(200 if k == channel else 20 for k in range(3))).save(path)
    return path


def test_model_and_data_of_other_tasks_are_one_line(tmp_path):
    boxes = boxed(tmp_path)
    for fake, words in [("segment", "model to segment and needs images with masks; .* was read with boxes"),
                        ("classify", "needs images with a class for each image")]:  # fmt: skip
        with pytest.raises(DataError, match=words):
            score(Fake(fake), boxes, "test")
    with pytest.raises(UsageError, match="windows are for models that segment"):
        score(Fake("detect", "nms"), boxes, "test", window=64)
    strange = Dataset(tmp_path, ("disc", "hat"), boxes.train, boxes.val, boxes.test)
    with pytest.raises(DataError, match="the data has the class 'hat', which the model does not know"):
        score(Fake("detect", "nms"), strange, "test")
    bare = Fake("detect", "nms")
    bare.card = None
    with pytest.raises(RunError, match="carries no card"):
        scoring.score(bare, boxes, "test")
