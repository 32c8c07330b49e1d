"""The table's file: what is written is read, what is broken or of other terms is refused in one line."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from arch_strategies import archs, damaged
from hypothesis import given, settings
from hypothesis import strategies as st
from tables import SEED, TERMS, table

from mobilenets.base.errors import MobilenetsError, RunError, UsageError
from mobilenets.bench.pieces import Piece, pieces
from mobilenets.bench.table import Check, Measured, Span, Table, Terms, merged, write_table
from mobilenets.bench.table_reading import read_csv, read_table

times = st.floats(1e-6, 1e6)
measured = st.builds(
    Measured,
    ms=times,
    spread_ms=st.floats(0, 1e6),
    runs=st.integers(1, 10**6),
    reference_ms=st.none() | times,
    date=st.sampled_from(("", "2026-11-25T10:00:00+00:00")),
)
terms = st.builds(
    Terms,
    target=st.sampled_from(("litert:cpu:1", "litert:adb=R58:4")),
    threads=st.integers(1, 8),
    precision=st.just("float32"),
    cpu=st.text(max_size=8),
    versions=st.dictionaries(st.text(max_size=4), st.text(max_size=4), max_size=2).map(
        lambda known: tuple(sorted(known.items()))
    ),
)


@st.composite
def tables(draw):
    """Any table."""
    several = draw(st.lists(archs(most_blocks=3), max_size=3, unique=True))
    found = {piece: draw(measured) for arch in several for piece in pieces(arch)}
    spans = tuple(Span(arch, draw(st.sampled_from(("varied", "narrower"))), (3, 5)) for arch in several[:1])
    check = draw(st.none() | st.builds(Check, times, times, st.floats(-1, 1), st.integers(3, 99)))
    return Table(
        draw(terms),
        found,
        {arch: draw(measured) for arch in several},
        several[0] if several else None,
        spans,
        check,
    )


@given(tables())
@settings(max_examples=40)
def test_what_is_written_is_read(tmp_path_factory, table):
    path = tmp_path_factory.mktemp("table") / "table.json"
    write_table(table, path)
    assert read_table(path) == table
    assert json.loads(path.read_text())["schema"] == 1


@pytest.fixture(scope="module")
def document(tmp_path_factory):
    path = tmp_path_factory.mktemp("sound") / "table.json"
    write_table(table(known=1, correcting=1), path)
    return json.loads(path.read_text())


@given(data=st.data())
@settings(max_examples=150)
def test_damage_is_one_line_that_names_the_file(tmp_path_factory, document, data):
    broken = data.draw(damaged(json.loads(json.dumps(document))))
    path = tmp_path_factory.mktemp("broken") / "table.json"
    path.write_text(json.dumps(broken))
    try:
        read_table(path)
    except RunError as error:
        line = str(error)
        assert line.startswith(f"{path} is not a whole latency table")
        assert "\n" not in line


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (lambda d: d.update(schema=2), "schema must be 1, got 2; written by another version?"),
        (lambda d: d.update(extra=1), "table has the unknown key 'extra'"),
        (lambda d: d["pieces"][0].update(ms=0), r"pieces\[0\].ms must be a time or count above 0, got 0"),
        (lambda d: d["pieces"][0].update(ms="1"), r"pieces\[0\].ms must be of type float"),
        (lambda d: d["pieces"][0].pop("side"), r"pieces\[0\].side is missing"),
        (lambda d: d["pieces"].append(d["pieces"][0]), "is there twice"),
        (lambda d: d["networks"][0]["arch"].pop("head"), r"networks\[0\]: arch.head is missing"),
        (lambda d: d["terms"].update(threads="1"), "terms.threads must be of type int"),
        (lambda d: d["spans"][0].update(way="wider"), r"spans\[0\].way must be one of varied, narrower"),
    ],
)
def test_each_mistake_is_named_by_its_path(tmp_path, document, change, line):
    broken = json.loads(json.dumps(document))
    change(broken)
    (tmp_path / "t.json").write_text(json.dumps(broken))
    with pytest.raises(RunError, match=line):
        read_table(tmp_path / "t.json")


@pytest.mark.parametrize("content", [b"", b"\x80\x04\x95", b"[1]", b'{"schema": 1', b"[" * 100_000])
def test_files_of_other_kinds_are_refused(tmp_path, content):
    (tmp_path / "t.json").write_bytes(content)
    with pytest.raises(RunError, match="is not a whole latency table"):
        read_table(tmp_path / "t.json")


def test_a_missing_file_says_what_makes_one(tmp_path):
    with pytest.raises(RunError, match="does not exist; mobilenets latency build makes a table"):
        read_table(tmp_path / "none.json")


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"target": "litert:cpu:2"}, "was measured with target litert:cpu:1, here it is litert:cpu:2"),
        ({"cpu": "another"}, "was measured with cpu a processor, here it is another"),
        (
            {"versions": (("ai-edge-litert", "2.4.0"),)},
            "versions ai-edge-litert 2.3.0, here it is ai-edge-litert 2.4.0",
        ),
    ],
)
def test_a_table_of_other_terms_is_refused(change, line):
    with pytest.raises(UsageError, match=line) as caught:
        Table(TERMS).expect(replace(TERMS, **change), Path("t.json"))
    assert "give another file" in str(caught.value)


def test_versions_that_nobody_noted_are_not_compared():
    Table(replace(TERMS, versions=())).expect(TERMS, Path("t.json"))


def test_times_are_scaled_to_the_usual_speed_of_the_machine():
    one = Piece("add", 7, 8, 8)
    others = {Piece("add", 7, 8 * i, 8 * i): Measured(1.0, reference_ms=0.5) for i in range(2, 5)}
    found = Table(TERMS, {one: Measured(3.0, reference_ms=1.0), **others})
    assert found.reference_ms == 0.5
    assert found.scaled(found.pieces[one]) == 1.5
    assert found.scaled(Measured(3.0)) == 3.0


def test_merging_keeps_both_and_prefers_the_newer():
    a, b = Piece("add", 7, 8, 8), Piece("add", 7, 16, 16)
    one, other = Table(TERMS, {a: Measured(1.0)}), Table(TERMS, {a: Measured(2.0), b: Measured(3.0)})
    assert {piece: m.ms for piece, m in merged(one, other, Path("x")).pieces.items()} == {a: 2.0, b: 3.0}
    with pytest.raises(UsageError, match=r"x\.json was measured with threads 4"):
        merged(one, Table(replace(TERMS, threads=4)), Path("x.json"))


def test_what_is_added_outdates_the_check():
    checked = replace(table(known=1), check=Check(1.0, 1.0, 1.0, 40))
    assert checked.spanning([Span(SEED, "narrower")]).check is not None
    assert checked.extended({Piece("add", 7, 8, 8): Measured(1.0)}).check is None


CSV = "kind,side,cin,cout,kernel,stride,groups,padding,activation,sizes,ms,runs\n"


def test_timings_from_elsewhere_come_as_csv(tmp_path):
    path = tmp_path / "phone.csv"
    path.write_text(
        CSV
        + "conv,14,64,384,1,1,,,,,0.123,50\n"
        + "depthwise,14,384,384,3,2,0,symmetric,,,0.05,50\n"
        + "squeeze,7,96,96,,,,,hardsigmoid,24,0.02,\n"
    )
    found = read_csv(path, TERMS)
    assert found.pieces == {
        Piece("conv", 14, 64, 384): Measured(0.123, runs=50),
        Piece("depthwise", 14, 384, 384, kernel=3, stride=2, groups=0, padding="symmetric"): Measured(
            0.05, runs=50
        ),
        Piece("squeeze", 7, 96, 96, activation="hardsigmoid", sizes=(24,)): Measured(0.02),
    }
    assert found.reference_ms is None


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("kind,side,cin,ms\n", "the first line.cout is missing"),
        (CSV.replace("runs", "speed"), "the first line has the unknown key 'speed'"),
        (CSV + "conv,14,64,384,1,1,,,,,fast,50\n", "line 2: ms cannot be 'fast'"),
        (CSV + "conv,14,64,384,1,1\n", "line 2 has not as many columns as the first"),
        (CSV + "dense,14,64,384,1,1,,,,,0.1,50\n", "line 2.kind must be one of conv"),
        (CSV + "conv,14,64,384,1,1,,,,,,50\n", "line 2.ms is missing"),
        (CSV + "conv,14,64,384,1,1,,,,,nan,50\n", "line 2.ms must be a time or count above 0"),
        (CSV, "holds no timings"),
        ("", "the first line.kind is missing"),
    ],
)
def test_mistakes_in_a_csv_are_named_by_their_line(tmp_path, text, line):
    (tmp_path / "phone.csv").write_text(text)
    with pytest.raises(RunError, match=line) as caught:
        read_csv(tmp_path / "phone.csv", TERMS)
    assert "docs/latency.md" in str(caught.value)


def test_a_table_that_cannot_be_written_keeps_the_old_one(tmp_path):
    path = tmp_path / "folder" / "t.json"
    path.parent.write_text("a file where a folder should be")
    with pytest.raises(MobilenetsError, match="cannot write"):
        write_table(table(known=1), path)
