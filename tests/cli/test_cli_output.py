import io
import sys

from mobilenets.base.files import write_json
from mobilenets.base.run import open_run
from mobilenets.cli import benchmark, describe, evaluate, fit, models, predict
from mobilenets.cli.output import facts, number, percent, table


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self):
        return True


def test_tables_are_plain_where_piped(capsys):
    table(("name", "n"), [("a", 1), ("long", 100)], right=(1,))
    assert capsys.readouterr().out == "name    n\n----  ---\na       1\nlong  100\n"


def test_tables_on_a_terminal_show_cells_as_they_are(monkeypatch):
    monkeypatch.setattr("sys.stdout", Terminal())
    monkeypatch.setenv("COLUMNS", "60")
    table(("file", "n"), [("[red]a[/red] [1].jpg", 1)], right=(1,))
    assert "[red]a[/red] [1].jpg" in sys.stdout.getvalue()


def test_tables_are_plain_on_a_terminal_that_is_too_narrow(monkeypatch):
    monkeypatch.setattr("sys.stdout", Terminal())
    monkeypatch.setenv("COLUMNS", "10")
    table(("file",), [("a name of some length.jpg",)])
    assert sys.stdout.getvalue().splitlines()[2] == "a name of some length.jpg"


def test_facts_are_the_plain_values(capsys):
    facts({"run": "runs/x", "top1": 0.87512, "best_epoch": 3, "none": None, "nested": {"a": 1}})
    assert capsys.readouterr().out == "run         runs/x\ntop1        0.8751\nbest epoch  3\n"


def test_numbers_are_short_and_absent_ones_a_dash():
    assert [percent(0.7194), percent(None)] == ["71.9 %", "-"]
    assert [number(5.678), number(None)] == ["5.68", "-"]


def test_several_guesses_are_several_lines(capsys):
    guesses = [{"index": 1, "label": "cat", "score": 0.9}, {"index": 0, "label": "dog", "score": 0.1}]
    predict.show({"predictions": [{"file": "a.jpg", **guesses[0], "top": guesses}]})
    lines = capsys.readouterr().out.splitlines()
    assert [line.split() for line in lines[2:]] == [
        ["a.jpg", "cat", "90.0", "%"],
        ["a.jpg", "dog", "10.0", "%"],
    ]


def test_the_worst_classes_come_first_and_the_rest_is_counted(capsys):
    classes = [{"label": f"c{i}", "n": 10, "recall": i / 30, "precision": None} for i in reversed(range(30))]
    evaluate.show({"top1": 0.5, "top5": 0.9, "n": 300, "split": "test", "per_class": classes})
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "50.0 % top-1, 90.0 % top-5 on 300 images (test)"
    assert [line.split()[0] for line in lines[4:7]] == ["c0", "c1", "c2"]
    assert lines[-1].startswith("and 10 classes")


def test_a_fit_shows_accuracy_and_latency_of_the_file(tmp_path, capsys):
    result = {"artifact": "exports/model.tflite", "value": 0.9125, "n": 1200, "split": "val", "met": True,
              "target": "litert:cpu:1", "latency_ms": 1.234, "budget_ms": 2.0, "weights": "none"}  # fmt: skip
    run = open_run(tmp_path, {"verb": "fit", "budget": "2ms"})
    write_json(run.result, result)
    fit.show({"run": str(tmp_path), "report": "runs/x/report.html"})
    out = capsys.readouterr().out
    for text in ("model.tflite", "91.2", "1.23", "litert:cpu:1", "2 ms", "report: runs/x/report.html"):
        assert text in out


def test_a_benchmark_shows_floor_and_share_of_the_ceiling(capsys):
    row = {
        "model": "m",
        "target": "litert:cpu:1",
        "median_ms": 4.0,
        "iqr_ms": 0.25,
        "floor_ms": 2.0,
        "runs": 50,
    }
    bare = {"model": "x.onnx", "target": "onnx:cpu:1", "median_ms": 1.0}
    benchmark.show({"results": [row, bare], "ceiling_gflops": 99.8})
    out = capsys.readouterr().out
    assert "4.00" in out
    assert "50.0 %" in out
    assert "x.onnx" in out


def test_a_description_shows_what_was_published_and_measured(capsys):
    from mobilenets.jobs.models import describe as job

    document = job("mobilenet_v3_large")
    timing = {
        "median_ms": 5.678,
        "iqr_ms": 0.1,
        "runs": 77,
        "target": "litert:cpu:1",
        "environment": {"cpu": "X"},
    }
    document["measured"] = document["redesign"][0]["measured"] = timing
    describe.show(document)
    out = capsys.readouterr().out
    for text in ("bneck 5x5", "blocks.15.squeeze.reduce", "5.48 M parameters", "216.6 M multiply", "Pixel 3",
                 "arXiv 1905.02244, table 3", "original last stage", "30.00 M", "5.68 ms", "77 runs",
                 "litert:cpu:1"):  # fmt: skip
        assert text in out, text


def test_the_list_of_models_names_the_sources_and_the_target(capsys):
    from mobilenets.jobs.models import list_models

    document = list_models(filter="mobilenetv3_small_100")
    models.show(document)
    plain = capsys.readouterr().out
    assert "here, ms" not in plain
    for text in ("2.54 M", "56.51 M", "1.3 MiB", "67.6 %", "15.8", "timm results"):
        assert text in plain
    document["models"][0]["measured"] = {
        "median_ms": 1.25,
        "target": "litert:cpu:1",
        "environment": {"cpu": "X"},
    }
    models.show(document)
    out = capsys.readouterr().out
    assert "here, ms" in out
    assert "1.25" in out
    assert "measured on litert:cpu:1, X" in out
