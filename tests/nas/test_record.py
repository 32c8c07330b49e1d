"""The record: what is written is read, trials of the dead go on, what cannot be used is said in one line."""

import json
import sqlite3
from contextlib import closing
from dataclasses import replace
from threading import Barrier, Thread

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from mobilenets.base.errors import ConfigMismatch, MissingPackage, RunError, StorageError, UsageError
from mobilenets.nas import record as record_module
from mobilenets.nas.databases import File
from mobilenets.nas.leases import Leases, dead
from mobilenets.nas.record import Record, read_record
from mobilenets.nas.reward import Outcome
from mobilenets.nas.trial import Done, Evaluation
from search_cases import PROBLEM, SPACE, known, opened

GENOTYPES = st.tuples(*(st.integers(0, len(one.options) - 1) for one in SPACE.decisions))
NUMBERS = st.floats(0.01, 1e6)
DONE = st.one_of(
    st.builds(
        lambda quality, cost, metrics: Evaluation(Outcome(quality, (cost,)), metrics),
        NUMBERS, NUMBERS, st.dictionaries(st.text(max_size=5), NUMBERS, max_size=2),
    ),
    st.text("ab c", min_size=1).map(lambda text: text.strip() or "x"),
)  # fmt: skip


def added(record, genotype=(0, 0, 0, 0), arch=None):
    """A new trial of a record."""
    with record.alone():
        return record.add(genotype, arch)


def done(number, quality=0.5, cost=5.0):
    """A good end."""
    return Done(number, 1.5, Evaluation(Outcome(quality, (cost,)), {"loss": 0.25}))


@settings(max_examples=5, deadline=None, phases=[Phase.explicit, Phase.generate])
@given(
    st.lists(st.tuples(GENOTYPES, DONE, st.none() | st.text('{}"é', max_size=4)), max_size=4), st.randoms()
)
def test_what_is_written_is_read(tmp_path_factory, trials, random):
    place = tmp_path_factory.mktemp("record") / "search.db"
    with opened(place) as record:
        for genotype, _, arch in trials:
            added(record, genotype, arch)
        order = list(range(len(trials)))
        random.shuffle(order)
        for number in order:
            end = trials[number][1]
            kept = Done(number, 0.5, reason=end) if isinstance(end, str) else Done(number, 0.5, end)
            assert record.end(kept) is not None
        written, ended = record.trials, record.ended
    identity, read = read_record(place)
    assert read == written
    assert identity == json.loads(json.dumps(known()))
    assert [one.number for one in ended] == order
    for trial, (genotype, end, arch) in zip(read, trials, strict=True):
        assert (trial.genotype, trial.arch) == (genotype, arch)
        if isinstance(end, str):
            assert (trial.state, trial.reason, trial.outcome) == ("failed", end, None)
        else:
            assert (trial.state, trial.outcome, dict(trial.metrics)) == ("complete", end.outcome, end.metrics)
    with opened(place) as again:
        assert again.ended == ended


def test_optuna_reads_the_study(tmp_path):
    import optuna

    place = tmp_path / "search.db"
    with opened(place) as record:
        for number in range(3):
            added(record, (1, 2, number, 3), "{}")
        record.end(done(1, cost=10.0))
        record.end(Done(0, 1.0, reason="no images"))
    study = optuna.load_study(study_name="search", storage=f"sqlite:///{place}")
    failed, complete, running = study.trials
    assert study.direction.name == "MAXIMIZE"
    assert (failed.state.name, complete.state.name, running.state.name) == ("FAIL", "COMPLETE", "RUNNING")
    assert complete.params == {"op": "inverted", "kernel": 7, "ratio": 0.5, "depth": 4}
    assert complete.distributions["ratio"] == optuna.distributions.CategoricalDistribution((0.25, 0.5, 1.0))
    assert complete.value == study.best_value == 0.5  # at the target the reward is the quality
    assert complete.user_attrs["metrics.loss"] == 0.25
    assert complete.user_attrs["costs"] == [10.0]
    assert failed.user_attrs["reason"] == "no images"


def test_seeds_differ_and_stay(tmp_path):
    with opened(tmp_path / "a.db") as one, opened(tmp_path / "b.db") as other:
        seeds = [added(one).seed for _ in range(4)]
        assert seeds == [added(other).seed for _ in range(4)]
    assert len(set(seeds)) == 4
    assert all(0 <= seed < 2**31 for seed in seeds)


def test_another_search_is_refused(tmp_path):
    place = tmp_path / "search.db"
    opened(place).close()
    with pytest.raises(ConfigMismatch, match=r"holds another search \(seed: 3 there, 4 now\); use another"):
        Record(place, PROBLEM, known(seed=4))
    with pytest.raises(ConfigMismatch, match=r"epochs: None there, 5 now"):
        Record(place, PROBLEM, known(epochs=5))
    opened(place).close()


def test_somebody_elses_study_is_refused(tmp_path):
    import optuna

    place = tmp_path / "search.db"
    study = optuna.create_study(storage=f"sqlite:///{place}", study_name="search")
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=1)
    with pytest.raises(ConfigMismatch, match="not one of ours"):
        opened(place)


def test_trials_of_a_closed_record_go_on(tmp_path):
    with opened(tmp_path / "search.db") as record:
        trial = added(record)
        assert record.claim() == []
    with opened(tmp_path / "search.db") as record:
        assert record.claim() == [trial]
        assert record.claim() == []
        assert record.end(done(0)).ended == 1


def test_a_living_driver_keeps_its_trials(tmp_path):
    with opened(tmp_path / "search.db") as record, opened(tmp_path / "search.db") as other:
        added(record)
        assert other.claim() == []
        added(other)
        record.end(done(0))
        other.refresh()
        assert [one.number for one in other.ended] == [0]
        assert other.end(done(1)).ended == 2


def test_a_lost_lease_loses_the_result(tmp_path):
    with opened(tmp_path / "search.db", lease=0.3) as silent, opened(tmp_path / "search.db") as other:
        trial = added(silent)
        silent._leases._closed.set()  # gives no sign of life any more
        silent._leases._thread.join()
        with silent._engine.begin() as connection:
            connection.exec_driver_sql("UPDATE mobilenets_leases SET until = until - 60")
        assert other.claim() == [trial]
        assert silent.end(done(0, quality=0.1)) is None
        assert other.end(done(0, quality=0.9)).outcome.quality == 0.9
        silent.refresh()
        assert silent.trials == other.trials


def test_what_was_written_before_a_kill_counts(tmp_path, monkeypatch):
    place = tmp_path / "search.db"
    with opened(place) as record:
        added(record)
        with monkeypatch.context() as patch:
            patch.setattr(record, "_settle", lambda trial: (_ for _ in ()).throw(KeyboardInterrupt))
            with pytest.raises(KeyboardInterrupt):
                record.end(done(0))
    with opened(place) as record:
        assert record.claim() == []
        assert record.ended[0].outcome.quality == 0.5
    import optuna

    assert optuna.load_study(study_name="search", storage=f"sqlite:///{place}").best_trial.number == 0


def test_what_was_half_written_runs_again(tmp_path, monkeypatch):
    place = tmp_path / "search.db"
    with opened(place) as record:
        trial = added(record)
        with monkeypatch.context() as patch:
            half = Failing(reason="a failure", quality=0.9)
            patch.setattr(record_module, "attributes", lambda trial: half)
            with pytest.raises(KeyboardInterrupt):
                record.end(done(0))
    with opened(place) as record:
        assert record.claim() == [trial]
        record.end(done(0))
    assert read_record(place)[1] == [replace(trial, state="complete", outcome=Outcome(0.5, (5.0,)),
                                             metrics={"loss": 0.25}, seconds=1.5, ended=1)]  # fmt: skip


class Failing(dict):
    """Attributes that end in a kill."""

    def items(self):
        yield from super().items()
        raise KeyboardInterrupt


def test_a_trial_that_kills_its_drivers_fails(tmp_path, monkeypatch):
    place = tmp_path / "search.db"
    monkeypatch.setattr(record_module, "TAKEN", 2)
    monkeypatch.setattr("mobilenets.nas.leases.dead", lambda owner: True)
    records = [opened(place)]
    trial = added(records[0])
    for _ in range(2):
        records.append(opened(place))
        found = records[-1].claim()
    assert found == []
    assert records[-1].ended[0].number == trial.number
    assert records[-1].ended[0].reason == "2 drivers died while it ran"


def test_the_dead_are_known():
    import os
    import subprocess

    from mobilenets.nas.leases import _place, _process

    child = subprocess.Popen(["sleep", "60"])
    owner = f"{_place()}@{_process(child.pid)}@x"
    assert not dead(owner)
    assert not dead(owner.replace(_place(), "another machine", 1))
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert dead(owner)  # a zombie
    child.wait()
    assert dead(owner)
    assert dead(f"{_place()}@{_process(os.getpid())}@closed")
    reused = f"{_place()}@{os.getpid()}:1@x"
    assert dead(reused)  # the number lives, but began at another time


@pytest.mark.parametrize(
    ("reward", "evaluation", "reason"),
    [
        ((10.0,), Evaluation(Outcome(0.5, (0.0,))), "its reward is no number for"),
        ((10.0,), Evaluation(Outcome(0.5)), "0 costs came of it, the reward has 1 targets"),
    ],
)
def test_outcomes_without_a_reward_fail(tmp_path, reward, evaluation, reason):
    with opened(tmp_path / "search.db") as record:
        added(record)
        assert reason in record.end(Done(0, 0.1, evaluation)).reason


def test_places_that_cannot_be_used(tmp_path):
    broken = tmp_path / "broken.db"
    broken.write_bytes(b"no database" * 100)
    other = tmp_path / "other.db"
    connection = sqlite3.connect(other)
    connection.execute("CREATE TABLE studies (other INTEGER)")
    connection.close()
    for place, words in (
        (tmp_path, "unable to open database file"),
        (tmp_path / "nowhere" / "search.db", "unable to open database file"),
        (broken, "file is not a database"),
        (other, "no column named"),
        (f"sqlite:///file:{tmp_path}/read.db?mode=ro&uri=true", "unable to open"),
        ("postgresql://me:secret@127.0.0.1:1/search", "[Cc]onnection refused"),
    ):
        with pytest.raises(StorageError, match=words) as caught:
            opened(place)
        assert "\n" not in str(caught.value)
        assert "secret" not in str(caught.value)
        assert "run the same command again to go on" in str(caught.value)


def test_many_open_it_at_once(tmp_path):
    together, chances, refused = Barrier(4, timeout=60), 50, []

    def use():
        for chance in range(chances):  # about one in fifteen would be refused, were the others not waited for
            together.wait()
            try:
                with closing(sqlite3.connect(tmp_path / f"{chance}.db", factory=File)) as file, file:
                    file.execute("CREATE TABLE IF NOT EXISTS one (x)")
            except sqlite3.Error as error:
                refused.append(error)

    drivers = [Thread(target=use) for _ in range(4)]
    for one in drivers:
        one.start()
    for one in drivers:
        one.join()
    assert not refused


def test_a_newer_schema_is_refused(tmp_path):
    place = tmp_path / "search.db"
    opened(place).close()
    connection = sqlite3.connect(place)
    connection.execute("UPDATE alembic_version SET version_num = 'v9.9.9'")
    connection.commit()
    connection.close()
    with pytest.raises(StorageError, match="no longer compatible with the table schema"):
        opened(place)


def test_other_kinds_of_storage(tmp_path, monkeypatch):
    with pytest.raises(UsageError, match="a record cannot be kept in 'mysql'; give a file, or postgresql://"):
        opened("mysql://localhost/search")
    with pytest.raises(UsageError, match="a record cannot be kept in 'sqlite://'"):
        opened("sqlite://")
    with pytest.raises(UsageError, match="is no place for a record"):
        opened("://nowhere")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingPackage, match=r"mobilenets\[postgres\]"):
        opened("postgresql://localhost/search")


def test_without_optuna(tmp_path, monkeypatch):
    import sys

    for name in [one for one in sys.modules if one.split(".")[0] == "optuna"] + ["optuna"]:
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingPackage, match=r"pip install 'mobilenets\[search\]'"):
        opened(tmp_path / "search.db")


def test_reading_what_is_not_there(tmp_path):
    with pytest.raises(RunError, match="holds no search named 'search'"):
        read_record(tmp_path / "search.db")
    assert not (tmp_path / "search.db").exists()
    opened(tmp_path / "search.db").close()
    with pytest.raises(RunError, match="holds no search named 'another'"):
        read_record(tmp_path / "search.db", "another")


def test_leases_are_held_by_one(tmp_path):
    import sqlalchemy

    engine = sqlalchemy.create_engine(f"sqlite:///{tmp_path}/leases.db")
    one, other = Leases(engine, 60), Leases(engine, 60)
    assert one.take("a")
    assert not other.take("a")
    assert one.keep("a")
    assert not other.keep("a")
    other.drop("a")
    assert one.take("a")
    assert one.taken("a") == 2
    one.drop("a")
    assert other.take("a")
    assert other.taken("a") == 1
    one.close()
    other.close()
