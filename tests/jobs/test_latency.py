"""Latency tables as jobs: what is measured, kept, gone on with and refused; slow ones use real runtimes."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import pytest

from mobilenets.arch import edit
from mobilenets.arch.spec import Arch, Classifier, Conv, Inverted
from mobilenets.arch.zoo import find
from mobilenets.base.errors import ExportError, RunError, UsageError
from mobilenets.bench import building
from mobilenets.bench.families import family, work
from mobilenets.bench.pieces import pieces
from mobilenets.bench.record import Timing
from mobilenets.bench.table_reading import read_table
from mobilenets.cli import latency_check
from mobilenets.jobs import latency_tables
from mobilenets.jobs.latency import build_latency, predict_latency
from mobilenets.jobs.latency_check import check_latency, compared, drawn, spearman
from mobilenets.jobs.latency_tables import table_for
from mobilenets.runtimes import parse_target

DIALECT = find("mobilenet_v2").dialect
SMALL = Arch(
    "small",
    32,
    (Conv(3, 8, 2), Inverted(3, 24, 16, 2), Inverted(3, 48, 16, squeeze=8)),
    Classifier(10, dropout=0.0),
    DIALECT,
)
TARGET = parse_target("litert:cpu:1")


def law(piece):
    does = work(piece)
    return 0.002 + does.macs * piece.cout / 50e6 + 4 * (does.weights + does.read + does.written) / 40e6


class Bench:
    """A stand-in for converting and measuring, which takes as long as the law says; it notes what it did."""

    def __init__(self, monkeypatch):
        self.converted, self.exported, self.broken = [], [], ()
        monkeypatch.setattr(building, "convert", self.convert)
        monkeypatch.setattr(building, "export", self.export)
        monkeypatch.setattr(building, "timings", self.timings)
        monkeypatch.setattr(building, "PIECES", 10)

    def convert(self, several, runtime, folder):
        for piece in several:
            if piece in self.broken:
                raise KeyboardInterrupt
            self.converted.append(piece)
            yield piece, folder / str(len(self.converted))

    def export(self, arch, runtime, path):
        self.exported.append(arch)
        return path

    def timings(self, files, target, seconds):
        def ms(key):
            if key == building.REFERENCE:
                return 0.5
            return law(key) if not isinstance(key, Arch) else sum(1.1 * law(piece) for piece in pieces(key))

        return {key: Timing(ms(key), 0.0, ms(key), ms(key), 30, 1, 1, str(target), {}) for key in files}


@pytest.fixture
def bench(monkeypatch, tmp_path):
    monkeypatch.setenv("MOBILENETS_CACHE", str(tmp_path / "cache"))
    return Bench(monkeypatch)


def test_a_table_for_a_network_tells_it_and_its_narrower_versions(bench, tmp_path, capsys):
    table = table_for([SMALL], "litert:cpu:1", tmp_path / "t.json")
    assert read_table(tmp_path / "t.json") == table
    assert set(pieces(SMALL)) <= set(table.pieces)
    assert SMALL in table.networks
    found = predict_latency("mobilenet_v2", table=tmp_path / "t.json", resolution=32)
    assert found["results"][0]["missing"]
    checked = check_latency(tmp_path / "t.json", n=6)
    latency_check.show(checked)
    told = capsys.readouterr().out
    assert all(row["name"] in told for row in checked["rows"])
    assert checked["mae_pct"] < 2
    assert checked["spearman"] > 0.9
    assert not any(row["missing"] for row in checked["rows"])


def test_what_is_there_is_not_measured_again(bench, tmp_path):
    path = tmp_path / "t.json"
    table_for([SMALL], "litert:cpu:1", path)
    before = len(bench.converted), len(bench.exported), path.read_bytes()
    table_for([SMALL], "litert:cpu:1", path)
    assert (len(bench.converted), len(bench.exported), path.read_bytes()) == before
    wider = replace(SMALL, resolution=48)
    grown = table_for([wider], "litert:cpu:1", path)
    assert len(bench.converted) == len(set(bench.converted)) == len(grown.pieces)
    assert {span.arch for span in grown.spans} == {SMALL, wider}


def test_an_interrupted_build_keeps_what_is_done_and_goes_on(bench, tmp_path):
    path = tmp_path / "t.json"
    bench.broken = latency_tables._lacking([latency_span(SMALL)], empty(path))[25:26]
    with pytest.raises(KeyboardInterrupt):
        table_for([SMALL], "litert:cpu:1", path)
    kept = read_table(path)
    assert len(kept.pieces) == 20
    bench.broken, bench.converted = (), []
    done = table_for([SMALL], "litert:cpu:1", path)
    assert not set(kept.pieces) & set(bench.converted)
    assert {piece: done.pieces[piece] for piece in kept.pieces} == kept.pieces


def latency_span(arch):
    from mobilenets.bench.table import Span

    return Span(arch, "narrower")


def empty(path):
    from mobilenets.bench.table import Table

    return Table(building.terms_of(TARGET))


def test_the_table_is_kept_in_the_cache_by_its_terms(bench, tmp_path):
    table_for([SMALL], "litert:cpu:1")
    one, other = latency_tables.kept("litert:cpu:1"), latency_tables.kept("litert:cpu:2")
    assert one.parent == tmp_path / "cache" / "latency"
    assert one.exists()
    assert one != other
    with pytest.raises(
        RunError, match=r"there is no latency table at .*; mobilenets latency build makes one"
    ):
        predict_latency("mobilenet_v2", target="litert:cpu:2")


def test_a_table_of_other_terms_is_refused_in_one_line(bench, tmp_path):
    path = tmp_path / "t.json"
    table_for([SMALL], "litert:cpu:1", path)
    document = json.loads(path.read_text())
    for name, value in (
        ("cpu", "Another"),
        ("versions", {"ai-edge-litert": "1.0"}),
        ("target", "litert:cpu:2"),
    ):
        other = {**document, "terms": {**document["terms"], name: value}}
        path.write_text(json.dumps(other))
        for attempt in (lambda: table_for([SMALL], "litert:cpu:1", path), lambda: check_latency(path, n=3)):
            if name == "target" and attempt.__code__.co_names[0] == "check_latency":
                continue  # it takes the target from the table
            with pytest.raises(UsageError, match=f"was measured with {name} .* here it is") as caught:
                attempt()
            assert "\n" not in str(caught.value)
    assert predict_latency("mobilenet_v2", table=path)["results"]


def test_a_space_is_drawn_around_its_seeds(bench, tmp_path):
    done = build_latency(space="mobilenet_v3_small", resolution="32", out=tmp_path / "t.json")
    table = read_table(tmp_path / "t.json")
    assert done["pieces"] == len(table.pieces) > 50
    assert [(span.arch.name, span.way, span.kernels) for span in table.spans] == [
        ("mobilenet_v3_small", "varied", (3, 5))
    ]
    networks = drawn(table.spans, 5, 2_000_000)
    assert len(set(networks)) == 5
    assert not set(networks) & set(table.networks)
    found = check_latency(tmp_path / "t.json", n=12)
    assert found["mae_pct"] < 3
    assert (found["n"], len(found["rows"])) == (12, 12)
    assert read_table(tmp_path / "t.json").check.n == 12


def test_what_others_add_meanwhile_stays(bench, tmp_path, monkeypatch, capsys):
    path = tmp_path / "t.json"
    build_latency(model=[_saved(SMALL, tmp_path)], out=path)
    alone, usual = read_table(path), bench.timings
    wider = edit.at(SMALL, 64)

    def meanwhile(files, target, seconds):
        monkeypatch.setattr(building, "timings", usual)
        build([wider])
        return usual(files, target, seconds)

    def build(archs):
        table_for(archs, "litert:cpu:1", path)

    monkeypatch.setattr(building, "timings", meanwhile)
    check_latency(path, n=3)
    assert "has grown meanwhile" in capsys.readouterr().err
    grown = read_table(path)
    assert grown.check is None
    assert {*alone.pieces} < {*grown.pieces}
    monkeypatch.setattr(building, "timings", meanwhile)
    wider = edit.at(SMALL, 96)
    build([edit.at(SMALL, 48)])
    assert {48, 96} <= {arch.resolution for arch in read_table(path).networks}


def test_the_error_is_scaled_by_the_reference(bench, tmp_path, monkeypatch):
    build_latency(model=[_saved(SMALL, tmp_path)], out=tmp_path / "t.json")
    usual = bench.timings

    def slower(files, target, seconds):
        found = usual(files, target, seconds)
        return {key: replace(one, median_ms=1.2 * one.median_ms) for key, one in found.items()}

    monkeypatch.setattr(building, "timings", slower)
    found = check_latency(tmp_path / "t.json", n=5)
    assert found["mae_pct"] < 3
    assert found["mae_raw_pct"] > 13


def _saved(arch, folder):
    """A weights file of the network."""
    import torch

    from mobilenets.jobs.subject import blank_card
    from mobilenets.nn import build, save_model

    torch.manual_seed(0)
    save_model(folder / "small.safetensors", build(arch), blank_card(arch))
    return folder / "small.safetensors"


def test_a_piece_that_cannot_be_converted_is_named_and_left_out(tmp_path, monkeypatch, capsys):
    several = list(dict.fromkeys(pieces(SMALL)))
    odd = several[4]

    class Exporter:
        @staticmethod
        def write_parts(modules, shapes, paths):
            if building.modules.inputs(odd) in shapes:
                raise ExportError("no such operation")

    monkeypatch.setattr(building, "import_module", lambda name: Exporter)
    found = dict(building.convert(several, "litert", tmp_path))
    assert set(found) == {
        piece for piece in several if building.modules.inputs(piece) != building.modules.inputs(odd)
    }
    assert f"{odd} is left out: no such operation" in capsys.readouterr().err


def test_times_of_a_phone_are_taken_from_a_csv(bench, tmp_path):
    names = ("kind", "side", "cin", "cout", "kernel", "stride", "groups", "padding", "activation", "sizes")
    rows = [
        [
            *(getattr(piece, name) for name in names[:-1]),
            " ".join(map(str, piece.sizes)),
            f"{3 * law(piece):.5f}",
        ]
        for piece in dict.fromkeys(pieces(SMALL))
    ]
    csv = tmp_path / "phone.csv"
    csv.write_text("".join(",".join(map(str, row)) + "\n" for row in ((*names, "ms"), *rows)))
    target = "litert:adb=PHONE:1"
    done = build_latency(csv=csv, target=target, out=tmp_path / "phone.json")
    assert done["pieces"] == len(rows)
    table = table_for([SMALL], target, tmp_path / "phone.json")
    assert not bench.converted
    assert table.terms.target == target
    with pytest.raises(UsageError, match="holds times of litert:adb=PHONE:1, the target is litert:cpu:1"):
        table_for([SMALL], "litert:cpu:1", tmp_path / "phone.json")
    found = predict_latency(_saved(SMALL, tmp_path), table=tmp_path / "phone.json")["results"][0]
    assert found["ms"] == pytest.approx(sum(3 * law(piece) for piece in pieces(SMALL)), rel=0.15)
    with pytest.raises(UsageError, match="give --out FILE"):
        build_latency(csv=csv, target=target)
    with pytest.raises(UsageError, match="holds times from a CSV, to which none is added"):
        build_latency(model=[_saved(SMALL, tmp_path)], target=target, out=tmp_path / "phone.json")
    with pytest.raises(UsageError, match=r"small\.safetensors already says its resolution"):
        build_latency(model=[_saved(SMALL, tmp_path)], resolution=64, out=tmp_path / "other.json")
    for other in ("litert:cpu:1", "nonsense"):
        with pytest.raises(UsageError, match=r"holds times of litert:adb=PHONE:1|nonsense"):
            predict_latency("mobilenet_v2", table=tmp_path / "phone.json", target=other)


@pytest.mark.parametrize(
    ("attempt", "line"),
    [
        (lambda: table_for([SMALL], "torch:cpu:1"), "latency tables are for litert and onnx, not for torch"),
        (lambda: build_latency(space="mobilenet_v9"), "no model 'mobilenet_v9'"),
        (
            lambda: build_latency(resolution="big"),
            "resolution must be whole numbers with commas between",
        ),
        (lambda: build_latency(kernels=""), "kernels are whole numbers with commas between, such as 3,5"),
        (
            lambda: build_latency(model="mobilenet_v2", kernels="5"),
            "its own; leave --kernels out",
        ),
        (lambda: build_latency(csv="t.csv", kernels="5", out="t.json"), "leave .* --kernels out"),
    ],
)
def test_what_cannot_be_built_is_one_line(bench, attempt, line):
    with pytest.raises(UsageError, match=line):
        attempt()


def test_a_check_needs_a_table_that_says_what_it_is_for(bench, tmp_path):
    path = tmp_path / "t.json"
    table_for([SMALL], "litert:cpu:1", path)
    with pytest.raises(UsageError, match="at least 3 networks are checked"):
        check_latency(path, n=2)
    path.write_text(json.dumps({**json.loads(path.read_text()), "spans": []}))
    with pytest.raises(UsageError, match="does not say what networks it is meant for"):
        check_latency(path, n=3)


def test_rank_correlation_is_scipys():
    stats = pytest.importorskip("scipy.stats")
    one, other = [3.0, 1.0, 2.0, 2.0, 5.0, 9.0], [2.0, 1.0, 4.0, 3.0, 3.0, 8.0]
    assert spearman(one, other) == pytest.approx(stats.spearmanr(one, other).statistic)
    assert spearman([1.0, 2.0], [5.0, 5.0]) == 0.0
    row = {"predicted_ms": 1.0, "scaled_ms": 1.0, "error_pct": -4.0, "error_raw_pct": 10.0}
    assert compared([row, {**row, "error_pct": 2.0}])["mae_pct"] == 3.0


BUILD = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from test_latency import SMALL
from mobilenets.bench import building
from mobilenets.cli import latency_check
from mobilenets.jobs import latency_tables
building.PIECES, building.SECONDS, building.NETWORK_SECONDS = 6, 0.02, 0.02
latency_tables.MOST_OTHERS, latency_tables.MOST = 1, {}
latency_tables.CORRECTING = {"narrower": 1, "varied": 1}
latency_tables.table_for([SMALL], "litert:cpu:1", Path(sys.argv[2]))
"""


@pytest.mark.slow
def test_a_killed_build_goes_on_where_it_was(tmp_path):
    """SIGKILL in the middle, with the real runtime: no finished piece is measured again."""
    path = tmp_path / "t.json"
    words = [sys.executable, "-c", BUILD, os.path.dirname(__file__), str(path)]  # noqa: PTH120 - as text
    process = subprocess.Popen(words)
    deadline = time.monotonic() + 300
    while not path.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    before = read_table(path)
    assert before.pieces
    assert not before.networks
    subprocess.run(words, check=True)
    after = read_table(path)
    assert set(pieces(SMALL)) <= set(after.pieces)
    assert after.networks
    assert {piece: after.pieces[piece] for piece in before.pieces} == before.pieces


@pytest.mark.slow
@pytest.mark.parametrize("runtime", ["litert", "onnx"])
def test_every_piece_of_many_networks_is_measured(tmp_path, runtime, monkeypatch):
    """A piece of each family of many blocks and heads at a small side, through the real runtimes."""
    from mobilenets.arch.heads import with_head

    monkeypatch.setattr(building, "SECONDS", 0.02)
    small = find("mobilenet_v3_small", 0.35, 64)
    archs = [
        with_head(small, "segment", 3),
        with_head(small, "embed", 16),
        with_head(small, "detect", 3),
        find("mobilenet_v4_hybrid_medium", resolution=64),
    ]
    wanted = list({family(piece): piece for arch in archs for piece in pieces(arch)}.values())
    path = tmp_path / "t.json"
    target = parse_target(f"{runtime}:cpu:1")
    table = building.build(
        replace(empty(path), terms=building.terms_of(target)), target, wanted, archs[:2], path
    )
    assert set(table.pieces) == set(wanted)
    assert all(0.0001 < one.ms < 100 for one in table.pieces.values())
    assert read_table(path) == table
