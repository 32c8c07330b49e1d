"""Ray as a pool of workers: a cluster of three nodes on this machine, of which one is lost."""

import os
import sys
import threading
import time
from pathlib import Path

import pytest

import search_cases
from mobilenets.base.errors import DeviceError, MissingPackage, UsageError
from mobilenets.jobs.ray_workers import RayPool
from mobilenets.nas.record import read_record
from mobilenets.nas.search import search
from mobilenets.nas.strategies.evolution import Evolution
from mobilenets.nas.trial import Job
from search_cases import PROBLEM, SEED, Logging, all_once, begun, failing, judged, opened


def test_what_cannot_be_is_refused(monkeypatch):
    with pytest.raises(UsageError, match="cpus, tries and size must be above 0"):
        RayPool(judged, "local", cpus=0)
    with pytest.raises(UsageError, match="the evaluator cannot be sent to workers"):
        RayPool(lambda *job: None, "local")
    with pytest.raises(UsageError, match="'nowhere' is no Ray cluster; give HOST:PORT"):
        RayPool(judged, "nowhere")
    with pytest.raises(DeviceError, match=r"the Ray cluster at '127.0.0.1:1' cannot be reached: .*refused"):
        RayPool(judged, "127.0.0.1:1")
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingPackage, match=r"pip install 'mobilenets\[ray\]'"):
        RayPool(judged, "local")


@pytest.fixture(scope="module")
def cluster():
    """A cluster of three nodes with one core each."""
    pytest.importorskip("ray", reason="ray is not installed")
    before = {name: os.environ.get(name) for name in ("RAY_USAGE_STATS_ENABLED", "PYTHONPATH")}
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ["PYTHONPATH"] = str(Path(search_cases.__file__).parent)  # for the evaluators
    from ray.cluster_utils import Cluster

    found = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    for _ in range(2):
        found.add_node(num_cpus=1)
    yield found
    found.shutdown()
    for name, value in before.items():
        if value is None:
            del os.environ[name]
        else:
            os.environ[name] = value


@pytest.mark.slow
def test_failures_and_requests_that_no_node_meets(cluster):
    with RayPool(failing, cluster.address, tries=1) as pool:
        assert pool.size == 3
        pool.submit(Job(0, (0, 0, 0, 0), None, 1))
        found, until = [], time.monotonic() + 400
        while not found and time.monotonic() < until:
            found += pool.wait(1.0)
        assert [(one.number, one.reason) for one in found] == [(0, "no images in sight")]
        assert pool.wait(1.0) == []
    with pytest.raises(DeviceError, match="has no machine with 2 CPU for a trial; ask for less, or add one"):
        RayPool(failing, cluster.address, cpus=2)


@pytest.mark.slow
def test_a_lost_node_costs_its_trials_a_beginning(cluster, tmp_path):
    trials, lost, place = 24, [], tmp_path / "search.db"
    with opened(place) as record, RayPool(Logging(tmp_path, 0.7), cluster.address) as pool:
        pool.on_death = lambda job: lost.append(job.number)
        killer = threading.Timer(0.0, kill_when_begun, [cluster, tmp_path, 9])
        killer.start()
        search(PROBLEM, Evolution(PROBLEM, SEED), record, pool, trials)
        killer.join()
        assert pool.size == 2
    assert all_once(read_record(place)[1], trials)
    assert set(begun(tmp_path)) == set(range(trials))
    assert 1 <= len(lost) <= 2  # the one that ran there, and one that was about to
    assert len(begun(tmp_path)) <= trials + len(lost)


def kill_when_begun(cluster, folder, count):
    """Kill a node, and all that runs there, once so many trials began."""
    while len(begun(folder)) < count:
        time.sleep(0.05)
    time.sleep(0.2)
    cluster.remove_node(cluster.list_all_nodes()[-1], allow_graceful=False)
