"""The page says what the run reached, fetches nothing, runs nothing, and survives what is missing."""

import json
import re
import time
from html.parser import HTMLParser
from pathlib import Path

import pytest
from folders import fit_folder, train_folder

from mobilenets.base.errors import RunError
from mobilenets.base.run import Run
from mobilenets.reports import summary, write_report

TEN = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
HOSTILE = ["<script>alert(1)</script>", '" onload="x', "{{ 7*7 }}", "猫 & Käse", "$x_1$ 100%", "#0072b2"]
VOID = {"meta", "br", "img", "link", "input", "hr"}


class Page(HTMLParser):
    """Tags that are left open, attributes, and the text a reader sees."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.open, self.attributes, self.tags, self.words = [], [], [], []
        self.feed(path.read_text(encoding="utf-8"))
        self.close()
        self.text = " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if not self.open or self.open[-1] != "style":
            self.words.append(data)


def opened(run: Run) -> Page:
    page = Page(write_report(run))
    assert page.open == []
    assert "script" not in page.tags
    for key, value in page.attributes:
        assert not key.startswith("on")
        if key in ("src", "href", "xlink:href"):
            assert value.startswith(("data:image/", "#")), value
    assert not re.search(r"url\((?!#)|@import", run.report.read_text(encoding="utf-8"))
    ids = [value for key, value in page.attributes if key == "id"]
    assert len(ids) == len(set(ids))
    return page


def edited(path: Path, **changes) -> None:
    document = json.loads(path.read_text(encoding="utf-8")) | changes
    path.write_text(json.dumps(document), encoding="utf-8")


def test_a_whole_run_is_told_with_its_numbers(tmp_path):
    run = fit_folder(tmp_path / "run", TEN)
    page = opened(run)
    for words in (
        "birds",
        "85.0 %",
        "4.32 ms",
        "meets 5 ms",
        "86 % of the budget of 5 ms on litert:cpu:1",
        "60 test images",
        "fine-tuned from torchvision/mobilenet_v2.imagenet1k_v1",
        "exports/model.tflite",
        "2.86 MiB",
        "2.24 M parameters",
        "mobilenet_v2 ×1 at 96 pixels",
        "99.8 GFLOP/s",
        "1 more were too slow",
        "mobilenets fit birds --budget 5ms",
        "Example 9000",
        "a<b>.jpg: it is empty",
        "75.3 %",
        "64 real images",
        "ImageClassifier",
        "ai_edge_litert",
    ):
        assert words in page.text, words
    assert page.tags.count("img") == 9 + 12
    assert page.tags.count("svg") == 2
    assert {path.name for path in run.plots.iterdir()} == {"candidates.svg", "confusion.svg", "curves.svg"}


def test_a_training_alone_shows_its_best_epoch(tmp_path):
    run = train_folder(tmp_path / "run", ["cat", "dog"])
    page = opened(run)
    assert "88.3 %" in page.text
    assert "of the best epoch" in page.text
    assert "model.safetensors" in page.text
    assert "Why this network" not in page.text
    assert "img" not in page.tags


def test_the_epoch_that_is_named_is_the_one_whose_weights_are_kept(tmp_path):
    run = train_folder(tmp_path / "run", ["cat", "dog"])
    edited(run.dataset, counts={"val": [200, 200]})
    rows = [f"{epoch},1.0,0.1,1.0,1.0,{top1}" for epoch, top1 in enumerate((0.8, 0.84, 0.83, 0.6), 1)]
    run.metrics.write_text("\n".join(["epoch,seconds,lr,train_loss,val_loss,top1", *rows]))
    page = opened(run)
    assert "the best was 3 with 83.0 %" in page.text  # one standard error is 1.8 points
    assert "84.0 %" not in page.text


def test_names_from_the_data_stay_text(tmp_path):
    run = fit_folder(tmp_path / "run", HOSTILE)
    edited(run.candidates, candidates=[
        one | {"name": "<i>#0072b2"} for one in json.loads(run.candidates.read_text())["candidates"]
    ])  # fmt: skip
    page = opened(run)
    for name in [*HOSTILE, "<i>#0072b2"]:
        assert name in page.text, name
    drawn = run.report.read_text(encoding="utf-8")
    assert "var(--blue)" in drawn
    assert not re.search(r'style="[^"]*#(0072b2|d55e00|009e73|20242a)', drawn)


def test_many_classes_show_pairs_in_place_of_the_matrix(tmp_path):
    labels = [f"class {i:03}" for i in range(150)]
    run = fit_folder(tmp_path / "run", labels, n=2000, errors=200, images=40)
    edited(run.result, weights="none", met=False, latency_ms=6.0)
    start = time.process_time()  # not the clock: machines may be busy
    page = opened(run)
    assert time.process_time() - start < 10  # about one second
    assert "Which class is taken for which" not in page.text
    assert "Most confused pairs" in page.text
    assert "class 149" in page.text
    assert "trained from scratch" in page.text
    assert "misses 5 ms" in page.text
    assert "✓" not in page.text


def test_thirty_classes_still_show_the_matrix(tmp_path):
    page = opened(fit_folder(tmp_path / "run", [f"c{i}" for i in range(30)], errors=30))
    assert "Which class is taken for which" in page.text


def test_no_mistake_is_said_so(tmp_path):
    page = opened(fit_folder(tmp_path / "run", TEN, errors=0))
    assert "Not one of the held-out images was misjudged" in page.text
    assert "Most confused pairs" not in page.text
    assert page.tags.count("img") == 12


def test_images_that_are_gone_or_outside_are_passed_over(tmp_path):
    run = fit_folder(tmp_path / "run", TEN, images=0, errors=4)
    rows = json.loads(run.result.read_text())["predictions"]
    edited(run.result, predictions=[row | {"file": "../secret.png"} for row in rows[:1]] + rows[1:])
    (tmp_path / "secret.png").write_bytes(next((tmp_path / "images" / "test").iterdir()).read_bytes())
    (tmp_path / "images" / "test" / "00001.png").write_bytes(b"no image")
    page = opened(run)
    assert page.tags.count("img") == 2


@pytest.mark.parametrize("names", ["dataset card", "candidates weights", "metrics arch", "result config"])
def test_any_file_may_be_missing(tmp_path, names):
    run = fit_folder(tmp_path / "run", ["cat", "dog"])
    for name in names.split():
        getattr(run, name).unlink()
    assert "mobilenet_v2" in opened(run).text
    assert "top-1" in summary(run)


def test_only_a_result_is_enough(tmp_path):
    run = fit_folder(tmp_path / "run", ["cat", "dog"])
    for path in (
        run.dataset,
        run.card,
        run.candidates,
        run.metrics,
        run.arch,
        run.config,
        run.folder / "env.json",
    ):
        path.unlink()
    assert "85.0 %" in opened(run).text


def test_nothing_to_report_is_one_line(tmp_path):
    with pytest.raises(RunError, match="nothing to report yet"):
        write_report(Run(tmp_path))


@pytest.mark.parametrize("text", ["[1, 2]", "{", "7"])
def test_a_broken_file_is_one_line(tmp_path, text):
    run = fit_folder(tmp_path / "run", ["cat", "dog"])
    run.result.write_text(text)
    with pytest.raises(RunError, match=r"result\.json"):
        write_report(run)


def test_no_budget_and_unfinished_epochs(tmp_path):
    run = fit_folder(tmp_path / "run", ["cat", "dog"])
    edited(run.result, budget_ms=None, met=None, parity=None, torch_value=None)
    edited(run.candidates, budget_ms=None)
    run.metrics.write_text("epoch,seconds,lr,train_loss,val_loss,top1\n0,1.0,0.1,nan,,0.5\n1,2.0,0.1,,")
    page = opened(run)
    assert "no budget was given" in page.text
    assert "nan" not in page.text.lower()
    assert ">None" not in run.report.read_text(encoding="utf-8")


def test_the_same_run_gives_the_same_page(tmp_path):
    run = fit_folder(tmp_path / "run", TEN)
    assert write_report(run).read_bytes() == write_report(run).read_bytes()


def test_candidates_without_published_accuracy_are_drawn_by_macs(tmp_path):
    run = fit_folder(tmp_path / "run", TEN)
    listed = json.loads(run.candidates.read_text())["candidates"]
    edited(run.candidates, candidates=[one | {"top1": None} for one in listed])
    assert "multiply-accumulates, millions" in opened(run).text


@pytest.mark.parametrize(("ms", "words"), [(1500, "meets 1500 ms"), (12.34, "meets 12.34 ms")])
def test_a_budget_is_told_as_it_was_given(tmp_path, ms, words):
    run = fit_folder(tmp_path / "run", ["cat", "dog"])
    edited(run.result, budget_ms=ms)
    assert words in opened(run).text


def test_a_network_that_was_found_has_no_width_of_the_zoo(tmp_path):
    run = fit_folder(tmp_path / "run", ["cat", "dog"])
    run.candidates.unlink()
    for verb, words in (("train", "mobilenet_v2 ×0.5 at 96"), ("search", "mobilenet_v2 at 96")):
        run.config.write_text(f"verb: {verb}\nwidth: 0.5\n")
        assert words in opened(run).text


def test_what_is_amiss_with_the_data_is_told(tmp_path):
    run = fit_folder(tmp_path / "run", ["cat", "dog"])
    one = {"id": "unannotated", "level": "warning", "message": "has no mask", "fix": "annotate it"}
    edited(run.dataset, warnings=[{**one, "file": f"<{i}>.png"} for i in range(3)])
    assert "<0>.png: has no mask (and 2 more like it); annotate it" in opened(run).text


def test_a_budget_of_what_is_counted(tmp_path):
    run = fit_folder(tmp_path / "run", ["cat", "dog"])
    edited(run.candidates, budget_ms=None)
    edited(run.result, budget_ms=None, budget=150e6, unit="MACs", reached=120e6, met=True)
    page = opened(run)
    for words in ("meets 150 M MACs", "80 % of the budget of 150 M MACs"):
        assert words in page.text, words
    assert "no budget was given" not in page.text
    assert "150 M MACs: meets 150 M MACs" in summary(run)


@pytest.mark.parametrize(
    ("status", "words"),
    [
        ({"stage": "train", "state": "done"}, "train done, not finished"),
        ({"stage": "train", "state": "failed", "reason": "the loss is nan"}, "train failed: the loss is nan"),
        ({"stage": "train", "state": "running"}, "running"),
    ],
)
def test_what_is_not_finished_is_not_told_as_such(tmp_path, status, words):
    run = fit_folder(tmp_path / "run", ["cat", "dog"])
    run.result.unlink()
    edited(run.candidates, budget_ms=None)
    run.config.write_text("verb: fit\ndata: birds\n")
    run.status.write_text(json.dumps(status))
    assert words in opened(run).text


def test_the_summary_is_a_plain_table(tmp_path):
    text = summary(fit_folder(tmp_path / "run", TEN))
    assert text.isascii()
    for words in ("model.tflite", "85.0 % of 60 test images", "4.32 ms on litert:cpu:1", "5 ms: meets",
                  "3,000,000 bytes", "2,236,682", "55,021,952"):  # fmt: skip
        assert words in text, words


def test_an_adaptation_and_both_ways_are_told(tmp_path):
    run = fit_folder(tmp_path / "run", TEN)
    before, after = {"blocks.1.hidden": 96, "blocks.2.out": 24}, {"blocks.1.hidden": 48, "blocks.2.out": 24}

    def point(cost, metric, widths):
        return {"cost": cost, "metric": metric, "loss": 0.4, "widths": widths}

    chosen = point(2.9, 0.83, after)
    rounds = [
        {"round": 1, "name": "blocks.1.hidden-48", "fine_tuned": 2, "proposals": [{}] * 7, "chosen": chosen}
    ]
    run.adaptation.write_text(
        json.dumps(
            {"resource": "latency", "unit": "ms", "budget": 3.0, "reached": 2.9, "error_percent": 2.5,
             "start": point(5.0, 0.86, before), "rounds": rounds, "images": {"all": 2560, "lineage": 1280},
             "layers": [{"name": "blocks.1 inverted", "before": 2.0, "after": 1.0}]}
        )
    )  # fmt: skip
    arch = json.loads(run.arch.read_text())
    run.ways.write_text(
        json.dumps(
            {"kept": "adapted",
             "ways": [{"way": way, "arch": arch, "params": 1, "macs": 2, "metric": {"value": value, "n": 20}}
                      for way, value in (("fits", 0.8), ("adapted", 0.83))]}
        )
    )  # fmt: skip
    text = opened(run).text
    for words in ("From 5 to 2.9 ms for a budget of 3, in 1 round.", "blocks.1.hidden-48",
                  "mean error of 2.5 %", "the next larger one, adapted · kept", "the largest that fits",
                  "80.0 %"):  # fmt: skip
        assert words in text, words
    assert "mobilenet_v2 at 96 pixels" in text
    assert "mobilenet_v2 ×1 at" not in text, "that is the network that was not kept"
    assert {"path.svg", "widths.svg", "layers.svg"} <= {path.name for path in run.plots.iterdir()}
