"""Run folders: the same settings reopen one, others are refused by name, broken ones end in one line."""

import pytest

from mobilenets.base import run as runs
from mobilenets.base.errors import ConfigMismatch, RunError, StorageError
from mobilenets.base.run import Run, find_run, mark, open_run, read_config

CONFIG = {
    "model": "mobilenet_v2",
    "width": 0.5,
    "budget": "5ms",
    "lr": 1e-05,
    "settings": None,
    "sides": (96, 128),
}


def test_a_run_is_created_and_reopened_with_the_same_settings(tmp_path):
    run = open_run(tmp_path / "runs" / "birds", CONFIG)
    assert run == open_run(tmp_path / "runs" / "birds", dict(CONFIG)) == find_run(run.folder)
    assert read_config(run) == {**CONFIG, "sides": [96, 128]}
    assert list(read_config(run)) == list(CONFIG)
    environment = runs.read(run.folder / "env.json")
    assert {"python", "system", "cpu", "cores", "packages"} <= environment.keys()


def test_a_reopened_run_keeps_what_stages_wrote(tmp_path):
    run = open_run(tmp_path / "r", CONFIG)
    mark(run, "train", "running", epoch=3)
    status = runs.read(open_run(tmp_path / "r", CONFIG).status)
    assert (status["stage"], status["state"], status["epoch"]) == ("train", "running", 3)
    assert status["time"].endswith("+00:00")


def test_other_settings_are_refused_by_name(tmp_path):
    open_run(tmp_path / "r", CONFIG)
    before = (tmp_path / "r" / "config.yaml").read_bytes()
    other = {**CONFIG, "width": 1.0, "seed": 1}
    del other["budget"]
    with pytest.raises(ConfigMismatch) as caught:
        open_run(tmp_path / "r", other)
    message = str(caught.value)
    assert message.startswith(f"{tmp_path / 'r'} holds a run with other settings (")
    assert "width: 0.5 there, 1.0 now" in message
    assert "budget: '5ms' there, None now" in message
    assert "seed: None there, 1 now" in message
    assert "model" not in message
    assert message.endswith("use another --out, or the same settings")
    assert (tmp_path / "r" / "config.yaml").read_bytes() == before


def test_settings_that_change_nothing_may_differ(tmp_path):
    open_run(tmp_path / "r", {**CONFIG, "settings": {"lr": 0.1, "workers": 8}})
    open_run(tmp_path / "r", {**CONFIG, "settings": {"lr": 0.1, "checkpoint_seconds": 5}})
    with pytest.raises(ConfigMismatch, match=r"'lr': 0.1.* there"):
        open_run(tmp_path / "r", {**CONFIG, "settings": {"lr": 0.2}})


def test_a_file_where_the_folder_should_be(tmp_path):
    (tmp_path / "r").write_text("mine")
    with pytest.raises(RunError, match="r is a file; give a folder for the run"):
        open_run(tmp_path / "r", CONFIG)
    with pytest.raises(StorageError, match="cannot write"):
        open_run(tmp_path / "r" / "below", CONFIG)
    assert (tmp_path / "r").read_text() == "mine"


@pytest.mark.parametrize(
    "content",
    [b"", b"- a\n- b\n", b"just words", b"a: [1, 2", b"a: b: c", b"\xff\xfe\x00", b"a: &x [*x", b"[" * 1100,
     b"!!python/object/apply:os.system ['true']", b"\x00"],
)  # fmt: skip
def test_a_broken_config_is_one_line(tmp_path, content):
    (tmp_path / "config.yaml").write_bytes(content)
    for use in (lambda: open_run(tmp_path, CONFIG), lambda: read_config(find_run(tmp_path))):
        with pytest.raises(RunError, match=r"config\.yaml .*; start in a fresh folder") as caught:
            use()
        assert "\n" not in str(caught.value)
    assert (tmp_path / "config.yaml").read_bytes() == content


def test_a_folder_without_a_run(tmp_path):
    for folder in (tmp_path, tmp_path / "missing"):
        with pytest.raises(
            RunError, match=r"is not a run folder \(no config\.yaml in it\); give the --out folder"
        ):
            find_run(folder)


def test_what_a_stage_has_not_written_yet_is_the_fallback(tmp_path):
    run = open_run(tmp_path, CONFIG)
    assert runs.read(run.result) is None
    assert runs.read(run.candidates, {"candidates": []}) == {"candidates": []}
    run.result.write_text("{")
    with pytest.raises(RunError, match=r"result\.json cannot be read as JSON"):
        runs.read(run.result)


def test_every_place_of_a_run_lies_inside_its_folder(tmp_path):
    run = Run(tmp_path)
    places = [getattr(run, name) for name, kind in vars(Run).items() if isinstance(kind, property)]
    assert len(places) > 10
    assert len(set(places)) == len(places)
    assert all(place.is_relative_to(tmp_path) for place in places)
