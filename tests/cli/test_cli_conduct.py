import json
import subprocess
import sys
from types import ModuleType

import pytest

from mobilenets.base.errors import DataError, Interrupted, UsageError
from mobilenets.cli.main import main

DOCUMENT = {"task": "classify", "n": 4, "top1": 0.75, "split": "test"}
FAKE = """
import os, sys, types
job = types.ModuleType("mobilenets.jobs.evaluate")
def evaluate(*values, **more):
    {body}
    return {{"task": "classify", "n": 4, "top1": 0.75, "split": "test"}}
job.evaluate = evaluate
sys.modules["mobilenets.jobs.evaluate"] = job
from mobilenets.cli.main import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.fixture
def evaluating(monkeypatch):
    """Put a function in place of the job behind `mobilenets evaluate`."""

    def put(function):
        job = ModuleType("mobilenets.jobs.evaluate")
        job.evaluate = function
        monkeypatch.setitem(sys.modules, "mobilenets.jobs.evaluate", job)

    return put


def raising(error):
    def job(*values, **more):
        raise error

    return job


def test_json_is_one_document_on_stdout(evaluating, capsys):
    evaluating(lambda *values, **more: DOCUMENT)
    assert main(["evaluate", "model", "data", "--json"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out) == DOCUMENT
    assert err == ""


def test_people_get_words(evaluating, capsys):
    evaluating(lambda *values, **more: DOCUMENT)
    assert main(["evaluate", "model", "data"]) == 0
    assert "75.0 % top-1 on 4 images (test)" in capsys.readouterr().out


@pytest.mark.parametrize("flags", [(), ("--json",)])
def test_of_several_processes_one_prints_the_result(flags, monkeypatch, capsys):
    job = ModuleType("mobilenets.jobs.train")
    job.train = lambda *values, **more: DOCUMENT
    monkeypatch.setitem(sys.modules, "mobilenets.jobs.train", job)
    monkeypatch.setenv("WORLD_SIZE", "2")
    said = []
    for rank in ("0", "1"):
        monkeypatch.setenv("RANK", rank)
        assert main(["train", "data", *flags]) == 0
        said.append(capsys.readouterr().out)
    assert "0.75" in said[0]
    assert said[1] == ""


def test_several_processes_are_for_training_only(evaluating, monkeypatch, capsys):
    evaluating(lambda *values, **more: DOCUMENT)
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert main(["evaluate", "model", "data"]) == 2
    assert capsys.readouterr() == (
        "",
        "error: evaluate is work for one process; use torchrun for train only\n",
    )


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (DataError("no images"), 1, "error: no images"),
        (UsageError("no such split"), 2, "error: no such split"),
        (Interrupted("stopped; its state is saved"), 130, "error: stopped; its state is saved"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (PermissionError(13, "Permission denied", "runs/x"), 1, "error: runs/x: Permission denied"),
        (ZeroDivisionError("a\nb"), 1, "error: unexpected ZeroDivisionError: a b; run again with --debug"),
        (BrokenPipeError(32, "Broken pipe"), 1,
         "error: unexpected BrokenPipeError: [Errno 32] Broken pipe; run again with --debug"),
    ],
)  # fmt: skip
def test_what_fails_ends_in_one_line(error, code, line, evaluating, capsys):
    evaluating(raising(error))
    assert main(["evaluate", "model", "data"]) == code
    assert capsys.readouterr() == ("", line + "\n")


def test_debug_shows_the_traceback_and_keeps_the_line(evaluating, capsys):
    evaluating(raising(DataError("no images")))
    assert main(["evaluate", "model", "data", "--debug"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("Traceback")
    assert err.endswith("error: no images\n")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "missing argument 'MODEL'"),
        (["model"], "missing argument 'DATA'"),
        (["model", "data", "more"], "more"),
        (["model", "data", "--widht", "1"], "no option '--widht'; did you mean --width"),
        (["model", "data", "--width"], "'--width' requires an argument"),
        (["model", "data", "--resolution", "wide"], "got 'wide'"),
    ],
)
def test_wrong_usage_gives_one_line_and_exit_2(words, message, capsys):
    assert main(["evaluate", *words]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert err.startswith("error: ")
    assert err.endswith("; see: mobilenets evaluate --help\n")
    assert message in err


def spoken(body, *words, **options):
    """`mobilenets evaluate` in a process of its own, around a job with this body."""
    command = [sys.executable, "-c", FAKE.format(body=body), "evaluate", "model", "data", *words]
    return subprocess.run(command, text=True, check=False, stderr=subprocess.PIPE, **options)


def test_nothing_a_job_prints_reaches_stdout():
    body = 'print("python"); os.write(1, b"library\\n"); os.system("echo child")'
    done = spoken(body, "--json", stdout=subprocess.PIPE)
    assert json.loads(done.stdout) == DOCUMENT
    assert done.stderr.split() == ["python", "library", "child"]


def test_a_reader_that_leaves_is_no_error():
    reader = subprocess.Popen([sys.executable, "-c", "pass"], stdin=subprocess.PIPE)
    reader.wait()
    done = spoken("pass", stdout=reader.stdin)
    reader.stdin.close()
    assert (done.returncode, done.stderr) == (0, "")


def test_a_closed_stdout_is_no_error():
    command = [sys.executable, "-c", FAKE.format(body="print(1)"), "evaluate", "model", "data"]
    done = subprocess.run(
        ["sh", "-c", 'exec "$@" >&-', "sh", *command], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "1\n")


def test_names_that_are_not_utf8_are_printed_escaped():
    done = spoken("return {'n': 1, 'top1': 1.0, 'split': 'caf\\udce9'}", stdout=subprocess.PIPE)
    assert done.returncode == 0, done.stderr
    assert "caf\\udce9" in done.stdout
