"""Files are whole or absent, whatever happens while they are written."""

import errno
import json
import os
import signal
import subprocess
import sys
import time
from threading import Thread

import pytest

from mobilenets.base import files
from mobilenets.base.errors import RunError, StorageError
from mobilenets.base.files import (
    cache_folder,
    filling,
    read_json,
    replacing,
    write_bytes,
    write_json,
    write_text,
)


def left_behind(folder):
    return [path.name for path in folder.rglob("*.part")]


def half_written(path, failure):
    with replacing(path) as draft:
        draft.write_text("half of the n")
        raise failure


def test_a_file_is_written_where_its_folder_does_not_exist_yet(tmp_path):
    path = tmp_path / "a" / "b" / "c.json"
    write_json(path, {"é": [1, None]})
    assert read_json(path) == {"é": [1, None]}
    assert path.read_text(encoding="utf-8").endswith("\n")
    assert left_behind(tmp_path) == []


@pytest.mark.parametrize("failure", [RuntimeError, KeyboardInterrupt, SystemExit])
def test_a_failure_while_writing_keeps_the_old_content(tmp_path, failure):
    path = tmp_path / "state"
    write_text(path, "old")
    with pytest.raises(failure):
        half_written(path, failure)
    assert path.read_text() == "old"
    assert left_behind(tmp_path) == []


def test_a_failing_disk_keeps_the_old_content_and_says_what_to_do(tmp_path):
    path = tmp_path / "state"
    write_text(path, "old")
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    with pytest.raises(StorageError, match=r"cannot write .*state: No space left on device; free some space"):
        half_written(path, full)
    assert path.read_text() == "old"
    assert left_behind(tmp_path) == []


def test_a_place_that_cannot_be_written_is_a_storage_error(tmp_path):
    (tmp_path / "file").write_text("in the way")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "full").touch()
    for path in (tmp_path / "file" / "inside", tmp_path / "folder", tmp_path / ("n" * 300)):
        with pytest.raises(StorageError, match="cannot write"):
            write_text(path, "text")
    assert left_behind(tmp_path) == []


LIMITED = """
import resource, sys
from pathlib import Path
from mobilenets.base.errors import StorageError
from mobilenets.base.files import write_bytes
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
try:
    write_bytes(Path(sys.argv[1]), b"n" * 100_000)
except StorageError as error:
    print(error)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="file size limits are POSIX")
def test_a_size_limit_ends_in_one_line_and_nothing_is_lost(tmp_path):
    path = tmp_path / "model.safetensors"
    write_bytes(path, b"old" * 1000)
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(path)], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.startswith(f"cannot write {path}: File too large; free some space")
    assert (done.stdout.count("\n"), done.stderr) == (1, "")
    assert path.read_bytes() == b"old" * 1000
    assert left_behind(tmp_path) == []


KILLED = """
import sys, time
from pathlib import Path
from mobilenets.base.files import replacing
with replacing(Path(sys.argv[1])) as draft:
    with draft.open("wb") as file:
        file.write(b"half" * 1000)
        file.flush()
        print("writing", flush=True)
        time.sleep(60)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL is POSIX")
def test_a_kill_while_writing_leaves_the_old_content(tmp_path):
    path = tmp_path / "last.safetensors"
    write_text(path, "old")
    with subprocess.Popen(
        [sys.executable, "-c", KILLED, str(path)], stdout=subprocess.PIPE, text=True
    ) as writer:
        assert writer.stdout.readline() == "writing\n"
        writer.send_signal(signal.SIGKILL)
    assert path.read_text() == "old"
    assert len(left_behind(tmp_path)) == 1  # nobody was left to remove it
    write_text(path, "new")
    assert path.read_text() == "new"


def test_drafts_of_the_dead_are_removed_by_the_next_writer_and_young_ones_are_not(tmp_path):
    path = tmp_path / "odd[1]*.bin"
    old, young, other = (
        tmp_path / name for name in (".odd[1]*.bin.1.part", ".odd[1]*.bin.2.part", ".b.1.part")
    )
    for draft in (old, young, other):
        draft.touch()
    for draft in (old, other):
        os.utime(draft, (time.time() - 2 * files.STALE_SECONDS,) * 2)
    write_text(path, "new")
    assert sorted(left_behind(tmp_path)) == [".b.1.part", ".odd[1]*.bin.2.part"]


def test_threads_that_write_the_same_file_do_not_meet(tmp_path):
    path, wrong = tmp_path / "a.bin", []

    def write(letter):
        for _ in range(20):
            try:
                write_bytes(path, letter * 1000)
                wrong.extend([path.read_bytes()] if len(set(path.read_bytes())) != 1 else [])
            except StorageError as error:
                wrong.append(error)

    threads = [Thread(target=write, args=(letter,)) for letter in (b"a", b"b", b"c", b"d")]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert not wrong
    assert left_behind(tmp_path) == []


def test_a_folder_is_there_whole_or_not_at_all(tmp_path):
    with filling(tmp_path / "set") as draft:
        (draft / "a.txt").write_text("a")
        assert not (tmp_path / "set").exists()
    assert (tmp_path / "set/a.txt").read_text() == "a"
    with pytest.raises(ZeroDivisionError), filling(tmp_path / "other") as draft:
        (draft / "b.txt").write_text(str(1 / 0))
    with pytest.raises(StorageError, match=r"cannot write .*set: "), filling(tmp_path / "set") as draft:
        (draft / "b.txt").touch()
    assert sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")) == [
        "set",
        "set/a.txt",
    ]


def test_folders_of_killed_makers_are_removed(tmp_path):
    for name, age in (("old", files.STALE_SECONDS + 60), ("new", 0)):
        (tmp_path / f".set.{name}.part").mkdir()
        os.utime(tmp_path / f".set.{name}.part", (0, time.time() - age))
    with filling(tmp_path / "set"):
        pass
    assert sorted(path.name for path in tmp_path.iterdir()) == [".set.new.part", "set"]


def test_names_that_are_not_utf8_are_written_as_valid_json(tmp_path):
    name = b"caf\xe9.jpg".decode("utf-8", "surrogateescape")
    write_json(tmp_path / "result.json", {"file": name})
    assert json.loads((tmp_path / "result.json").read_text(encoding="utf-8")) == {"file": name}
    write_text(tmp_path / "result.csv", name)
    assert (tmp_path / "result.csv").read_text(encoding="utf-8") == "caf\\udce9.jpg"


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[" * 100_000, b'{"half": '])
def test_a_broken_json_file_is_one_line(tmp_path, content):
    path = tmp_path / "status.json"
    path.write_bytes(content)
    with pytest.raises(
        RunError, match=r"status\.json cannot be read as JSON .*; delete it to have it made again"
    ):
        read_json(path)


def test_a_missing_json_file_is_one_line(tmp_path):
    with pytest.raises(RunError, match=r"none\.json does not exist"):
        read_json(tmp_path / "none.json")


def test_sha256_is_the_published_one(tmp_path):
    (tmp_path / "abc").write_bytes(b"abc")
    expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # FIPS 180-2, appendix B.1
    assert files.sha256(tmp_path / "abc") == expected


def test_the_cache_folder_can_be_chosen(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.delenv("MOBILENETS_CACHE", raising=False)
    assert files.cache_folder() == tmp_path / "xdg" / "mobilenets"
    monkeypatch.setenv("MOBILENETS_CACHE", str(tmp_path / "own"))
    assert files.cache_folder() == tmp_path / "own"


def test_what_the_cache_cannot_hold_says_how_to_move_it(tmp_path, monkeypatch):
    for name in ("file", "other"):
        (tmp_path / name).touch()
    monkeypatch.setenv("MOBILENETS_CACHE", str(tmp_path / "file"))
    with pytest.raises(StorageError, match="set MOBILENETS_CACHE to a folder that can be written"):
        write_text(cache_folder() / "a" / "b.txt", "text")
    with pytest.raises(StorageError, match="choose another folder"):
        write_text(tmp_path / "other" / "b.txt", "text")
