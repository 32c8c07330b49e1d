"""The record on a PostgreSQL server from Debian's packages, with four drivers at once."""

import os
import random
import shutil
import socket
import subprocess
import tempfile
import time
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest

from mobilenets.base.errors import StorageError
from mobilenets.nas.record import Record, read_record
from mobilenets.nas.search import search
from mobilenets.nas.strategies.evolution import Evolution
from mobilenets.nas.trial import Inline
from search_cases import PROBLEM, SEED, all_once, begun, command, judged, known, opened

PROGRAMS = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))


@pytest.fixture(scope="module")
def server():
    """A server of an ordinary user: the address of its database, and what starts and stops it."""
    pytest.importorskip("psycopg", reason="psycopg is not installed")
    if not PROGRAMS:
        pytest.skip("no PostgreSQL server in /usr/lib/postgresql (Debian: apt-get install postgresql)")
    folder = Path(tempfile.mkdtemp(prefix="pg", dir="/tmp"))  # socket paths must be short
    user = {"user": "nobody"} if os.geteuid() == 0 else {}
    if user:
        shutil.chown(folder, "nobody")
    run = partial(subprocess.run, check=True, capture_output=True, cwd=folder, **user)
    programs = PROGRAMS[-1].parent
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    control = [programs / "pg_ctl", "-D", folder / "data", "-w"]
    run([programs / "initdb", "-D", folder / "data", "-U", "me", "-A", "trust", "-E", "UTF8", "-N"])
    options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1"
    start = partial(run, [*control, "-l", folder / "log", "-o", options, "start"])
    stop = partial(run, [*control, "-m", "immediate", "stop"])
    start()
    try:
        yield SimpleNamespace(url=f"postgresql://me@127.0.0.1:{port}/postgres", start=start, stop=stop)
    finally:
        stop()
        shutil.rmtree(folder)


@pytest.mark.slow
def test_four_drivers_share_a_server(server, tmp_path):
    trials, chance = 48, random.Random(0)
    start = command(server.url, tmp_path, trials, 0.2)
    drivers = [subprocess.Popen(start) for _ in range(4)]
    kills = 0
    while kills < 4:  # one after the other, each while trials run
        count = len(begun(tmp_path))
        until = time.monotonic() + 120
        while len(begun(tmp_path)) < count + 5 and time.monotonic() < until:
            time.sleep(0.02)
        time.sleep(chance.uniform(0.0, 0.3))
        assert drivers[kills].poll() is None, "the search was over before its kills"
        drivers[kills].kill()
        drivers[kills].wait()
        drivers[kills] = subprocess.Popen(start)
        kills += 1
    assert [driver.wait(180) for driver in drivers] == [0] * 4
    kept = read_record(server.url)[1]
    assert [one.number for one in kept] == list(range(trials))
    assert all(one.state == "complete" for one in kept)
    assert len({one.genotype for one in kept}) == trials
    assert trials <= len(begun(tmp_path)) <= trials + kills
    with opened(server.url) as record:
        assert sorted(one.number for one in record.ended) == list(range(trials))
        assert record.claim() == []


@pytest.mark.slow
def test_a_server_that_goes_away_and_comes_back(server):
    def stopping(number, genotype, arch, seed):
        if number == 3:
            server.stop()
        return judged(number, genotype, arch, seed)

    def run(evaluate):
        with Record(server.url, PROBLEM, known(), name="another") as record:
            search(PROBLEM, Evolution(PROBLEM, SEED), record, Inline(evaluate), 8)

    with pytest.raises(StorageError, match="run the same command again to go on") as caught:
        run(stopping)
    assert "\n" not in str(caught.value)
    with pytest.raises(StorageError, match=r"cannot be used: .*refused"):
        run(judged)
    server.start()
    run(judged)
    assert all_once(read_record(server.url, "another")[1], 8)


@pytest.mark.slow
def test_a_database_that_is_not_there(server):
    with pytest.raises(StorageError, match='database "nowhere" does not exist') as caught:
        opened(server.url.replace("/postgres", "/nowhere").replace("me@", "me:secret@"))
    assert "\n" not in str(caught.value)
    assert "secret" not in str(caught.value)
