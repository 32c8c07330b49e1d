"""`mobilenets latency`: its words, its mistakes, what it prints; the table is written by hand."""

import json

import pytest

from mobilenets.arch.zoo import find
from mobilenets.bench.families import work
from mobilenets.bench.pieces import pieces
from mobilenets.bench.table import Check, Measured, Span, Table, Terms, write_table
from mobilenets.cli.main import main

SEED = find("mobilenet_v3_small", resolution=64)


@pytest.fixture
def table(tmp_path):
    terms = Terms("litert:cpu:1", 1, "float32", "a processor", (("ai-edge-litert", "2.3.0"),))

    def ms(piece):
        does = work(piece)
        return 0.001 + does.macs * piece.cout / 50e6 + does.weights / 10e6

    found = {piece: Measured(ms(piece), 0.001, 30, 0.5, "2026-11-25T10:00:00") for piece in pieces(SEED)}
    path = tmp_path / "t.json"
    check = Check(2.5, 4.0, 0.99, 40)
    write_table(Table(terms, found, {}, SEED, (Span(SEED, "varied", (3, 5)),), check), path)
    return path


def test_predictions_are_printed_with_how_good_they_are(table, capsys):
    assert (
        main(["latency", "predict", "mobilenet_v3_small", "--resolution", "64", "--table", str(table)]) == 0
    )
    out = capsys.readouterr().out
    assert "mobilenet_v3_small" in out
    assert "off by 2.5 % on average over 40 random networks it had not seen" in out
    assert "a processor, measured 2026-11-25" in out
    assert "not measured" not in out


def test_predictions_as_json_name_what_is_missing(table, capsys):
    words = ["latency", "predict", "mobilenet_v2", "--resolution", "64", "--table", str(table), "--json"]
    assert main(words) == 0
    document = json.loads(capsys.readouterr().out)
    (row,) = document["results"]
    assert row["ms"] > 0
    assert row["error_ms"] > 0
    assert row["missing"]
    assert (document["target"], document["check"]["mae_pct"]) == ("litert:cpu:1", 2.5)


@pytest.mark.parametrize(
    ("words", "code", "line"),
    [
        (["predict", "mobilenet_v2", "--table", "none.json"], 1, "there is no latency table at none.json"),
        (["predict", "mobilenet_v9"], 2, "no model 'mobilenet_v9'"),
        (["build", "--space", "mobilenet_v9"], 2, "no model 'mobilenet_v9'"),
        (
            ["build", "--kernels", "three"],
            2,
            "kernels must be whole numbers with commas between, got 'three'",
        ),
        (["build", "--target", "litert:gpu:1"], 2, "no device 'gpu'"),
        (["build", "--csv", "none.csv"], 2, "a table from a CSV needs a place; give --out FILE"),
        (["check", "--table", "none.json"], 1, "there is no latency table at none.json"),
        (["chek"], 2, "did you mean latency check"),
    ],
)
def test_mistakes_are_one_line(table, tmp_path, monkeypatch, capsys, words, code, line):
    monkeypatch.chdir(tmp_path)
    if words[:2] == ["predict", "mobilenet_v9"]:
        words = [*words, "--table", str(table)]
    assert main(["latency", *words]) == code
    err = capsys.readouterr().err
    assert line in err
    assert len(err.strip().splitlines()) == 1


def test_a_broken_table_is_refused_in_one_line(tmp_path, capsys):
    (tmp_path / "t.json").write_text("{}")
    assert main(["latency", "predict", "mobilenet_v2", "--table", str(tmp_path / "t.json")]) == 1
    err = capsys.readouterr().err
    assert "is not a whole latency table" in err
    assert len(err.strip().splitlines()) == 1


def test_a_table_measured_elsewhere_is_not_checked_here(table, capsys):
    assert main(["latency", "check", "--table", str(table)]) == 2
    assert "was measured with cpu a processor, here it is" in capsys.readouterr().err
