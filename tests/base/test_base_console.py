"""The terminal: aligned tables, one JSON document, silence when piped."""

import json
import os
import subprocess
import sys

import pytest

from mobilenets.base import console


def test_a_table_is_aligned():
    text = console.table(("name", "ms"), [("v2", 7.4), ("mobilenet_v3", 12.25)], right=(1,))
    assert text.splitlines() == [
        "name             ms",
        "------------  -----",
        "v2              7.4",
        "mobilenet_v3  12.25",
    ]


def test_a_table_without_rows_shows_its_heads():
    assert console.table(("a", "bc"), []) == "a  bc\n-  --"


def test_emit_writes_one_json_document_on_stdout_and_nothing_else(capsys):
    document = {"label": "Straße", "odd": "\udcff", "n": None}
    console.emit(document)
    shown = capsys.readouterr()
    assert json.loads(shown.out) == document
    assert shown.out.isascii()
    assert shown.err == ""


def test_emit_reaches_a_terminal_that_knows_ascii_only():
    code = "from mobilenets.base import console; console.emit({'label': 'Straße \\udcff'})"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        check=True,
        env={"PYTHONIOENCODING": "ascii", **_path()},
    )
    assert json.loads(done.stdout) == {"label": "Straße \udcff"}


def _path():
    return {"PYTHONPATH": ":".join(sys.path)}


def test_notes_go_to_stderr(capsys):
    console.say("measuring 3 candidates")
    assert capsys.readouterr() == ("", "measuring 3 candidates\n")


def test_a_note_that_nobody_reads_harms_nothing():
    read, write = os.pipe()
    os.close(read)
    code = "from mobilenets.base.console import say\nsay('a')\nsay('b')\nprint('on')"
    done = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=write, check=True)
    os.close(write)
    assert done.stdout == b"on\n"


def test_track_passes_everything_and_is_silent_when_piped(capsys):
    assert list(console.track(iter("abc"), "images", total=3)) == ["a", "b", "c"]
    assert capsys.readouterr() == ("", "")


def test_track_stops_where_its_reader_stops():
    taken = []
    source = iter(range(10))
    for item in console.track(source, "images"):
        taken.append(item)
        if item == 2:
            break
    assert taken == [0, 1, 2]
    assert next(source) == 3


def test_progress_is_silent_when_piped(capsys):
    pytest.importorskip("rich")
    with console.progress() as bar:
        task = bar.add_task("epochs", total=2)
        bar.advance(task)
    assert capsys.readouterr().out == ""
