"""Tables of networks: NAS-Bench-Macro's, and files that are none."""

import json
import os
from pathlib import Path

import numpy as np
import pytest

from mobilenets.arch import cost
from mobilenets.base.errors import DataError, UsageError
from mobilenets.nas.strategies.strategy import networks
from mobilenets.nas.tables import macro, read_table

DATA = Path(os.environ.get("MOBILENETS_DATA", Path(__file__).parents[3] / "shared" / "data"))
FILE = DATA / "nas-bench-macro" / "nas-bench-macro_cifar10.json"
SPACE = macro()


@pytest.fixture(scope="module")
def table():
    if not FILE.exists():
        pytest.skip(f"{FILE} is not there")
    return read_table(FILE, SPACE)


def small(tmp_path, document) -> Path:
    path = tmp_path / "table.json"
    path.write_text(document if isinstance(document, str) else json.dumps(document), encoding="utf-8")
    return path


def row(quality: float = 50.0) -> dict:
    return {"test_acc": [quality - 1, quality + 1], "mean_acc": quality, "std": 1.0, "flops": 7}


def test_the_space_has_as_many_distinct_networks_as_the_paper_says():
    assert SPACE.size == 6561
    assert len(networks(SPACE)) == 3969


def test_params_and_macs_of_built_networks_are_the_table_s(table):
    for k in np.random.default_rng(0).choice(len(table.rows), 60, replace=False):
        genotype = list(table.rows)[k]
        found = cost(SPACE.arch(genotype))
        assert (found.params, found.macs) == table.costs(genotype, ("params", "flops"))


def test_networks_that_are_taken_for_the_same_cost_the_same(table):
    for genotype, found in table.rows.items():
        assert table.rows[SPACE.canonical(genotype)].costs == found.costs


def test_an_outcome_is_the_mean_or_a_run(table):
    genotype = (2, 1, 0, 2, 1, 1, 0, 1)
    found = table.row(genotype)
    assert len(found.runs) == 3
    assert table.outcome(genotype).quality == pytest.approx(np.mean(found.runs), abs=0.01)
    assert table.outcome(genotype, ("flops",), run=1).quality == found.runs[1]
    assert table.outcome(genotype, ("flops",)).costs == table.costs(genotype, ("flops",))


def test_any_table_of_this_layout_makes_a_space(tmp_path):
    found = read_table(small(tmp_path, {f"{a}{b}": row(a + b) for a in range(2) for b in range(3)}))
    assert [len(decision.options) for decision in found.space.decisions] == [2, 3]
    assert found.outcome((1, 2), ("flops",)).quality == 3.0
    with pytest.raises(UsageError, match="the table tells accuracies alone"):
        found.space.arch((0, 0))


@pytest.mark.parametrize(
    ("document", "line"),
    [
        ("{", "is no table of networks"),
        ("[" * 100_000, "is no table of networks"),
        ("[]", "it should map choices"),
        ({}, "it should map choices"),
        ({"01": row(), "011": row()}, "its keys differ in length"),
        ({"0x": row()}, "it should be one digit for every choice"),
        ({"": row()}, "it should be one digit for every choice"),
        ({"00": 3}, "it should have test_acc, mean_acc and numbers"),
        ({"00": {"test_acc": [1.0]}}, "it should have test_acc, mean_acc and numbers"),
        ({"00": row() | {"flops": "many"}}, "it should have test_acc, mean_acc and numbers"),
    ],
)
def test_files_that_are_none_give_one_clear_line(tmp_path, document, line):
    with pytest.raises(DataError, match=line) as caught:
        read_table(small(tmp_path, document))
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 600


def test_a_file_that_is_not_there_and_a_space_that_does_not_fit(tmp_path):
    with pytest.raises(DataError, match="is no table of networks"):
        read_table(tmp_path / "none.json")
    with pytest.raises(UsageError, match="are no choices of the space 'nas-bench-macro'"):
        read_table(small(tmp_path, {"00": row()}), SPACE)


def test_what_a_table_lacks_is_told(tmp_path):
    found = read_table(small(tmp_path, {"00": row(), "11": row()}))
    with pytest.raises(
        UsageError, match="lacks the network 01; search a space of which it holds every network"
    ):
        found.row((0, 1))
    with pytest.raises(UsageError, match="the table knows no cost 'latency'; it has flops"):
        found.costs((0, 0), ("latency",))
