import json

import pytest

from mobilenets.base.errors import RunError
from mobilenets.base.files import write_json, write_text
from mobilenets.base.run import open_run
from mobilenets.cli.main import main
from mobilenets.jobs.report import report


@pytest.fixture
def run(tmp_path):
    """A run folder with a finished training in it."""
    run = open_run(tmp_path / "run", {"verb": "train", "data": "photos", "model": "mobilenet_v2"})
    counts = {"train": [8, 8], "val": [2, 2], "test": [0, 0]}
    write_json(run.dataset, {"source": "photos", "labels": ["cat", "dog"], "counts": counts, "left_out": []})
    write_text(run.metrics, "epoch,seconds,lr,train_loss,val_loss,top1\n1,2.5,0.001,0.7,0.6,0.75\n")
    return run


def test_the_page_is_written_into_the_run(run):
    assert report(run.folder) == {"report": str(run.report)}
    page = run.report.read_text(encoding="utf-8")
    assert page.lower().startswith("<!doctype html>")
    assert "mobilenet_v2" in page


def test_the_command_says_where_the_page_is(run, capsys):
    assert main(["report", str(run.folder)]) == 0
    assert capsys.readouterr().out == f"{run.report}\n"
    assert main(["report", str(run.folder), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"report": str(run.report)}


def test_what_is_no_run_is_refused(tmp_path, capsys):
    with pytest.raises(RunError, match="not a run folder"):
        report(tmp_path)
    assert main(["report", str(tmp_path / "none")]) == 1
    assert capsys.readouterr().err.count("\n") == 1
