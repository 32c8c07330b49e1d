import sys
from types import ModuleType

import pytest
import yaml

from mobilenets.base.errors import UsageError
from mobilenets.base.run import Run, open_run
from mobilenets.cli.main import main
from mobilenets.cli.settings import collect
from mobilenets.jobs.material import Material


@pytest.fixture
def called(monkeypatch):
    """What the jobs behind fit, predict and models are called with."""
    calls = []

    def record(*values, **more):
        calls.append((values, more))
        return {"models": [], "predictions": []}

    for name, function in (("fit", "fit"), ("predict", "predict"), ("models", "list_models")):
        job = ModuleType(f"mobilenets.jobs.{name}")
        setattr(job, function, record)
        monkeypatch.setitem(sys.modules, job.__name__, job)
    return calls


@pytest.fixture
def config(tmp_path):
    """Write text into a file for --config."""

    def write(text):
        path = tmp_path / "some.yaml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return str(path)

    return write


def test_options_come_from_the_file_and_flags_win(called, config):
    path = config("budget: 5ms\nwidth: 0.5\nval: .25\nseed: 3\nepochs: 9\nmodel: null\n")
    assert main(["fit", "photos", "--config", path, "--seed", "4", "--json"]) == 0
    [((data,), given)] = called
    assert (data, given["budget"], given["width"], given["val"]) == ("photos", "5ms", 0.5, 0.25)
    assert (given["seed"], given["model"], given["settings"]) == (4, None, {"epochs": 9})


def test_assignments_win_over_the_file_as_flags_do(called, config):
    path = config("epochs: 9\nlr: 0.1\n")
    assert main(["fit", "photos", "--config", path, "--set", "epochs=3", "--json"]) == 0
    assert called[0][1]["settings"] == {"epochs": 3, "lr": 0.1}


def test_arguments_and_lists_come_from_the_file_too(called, config):
    path = config("model: runs/x\nimages: [a.jpg, b.jpg]\ntop: 2\njson: true\n")
    assert main(["predict", "--config", path]) == 0
    [((model, images), given)] = called
    assert (model, [str(image) for image in images], given["top"]) == ("runs/x", ["a.jpg", "b.jpg"], 2)


@pytest.mark.parametrize("settings", ["{mixup: 0.2, ema: null}", "['mixup=0.2', ema=null]"])
def test_settings_come_from_the_file_as_mapping_or_list(settings, called, config):
    assert main(["fit", "photos", "--config", config(f"settings: {settings}"), "--lr", "1e-3", "--json"]) == 0
    assert called[0][1]["settings"] == {"lr": 0.001, "mixup": 0.2, "ema": None}


def test_the_config_of_a_run_makes_the_run_again(called, config):
    path = config("verb: fit\ndata: photos\nbudget: 5ms\nmodel: null\nsettings: {}\n")
    assert main(["fit", "--config", path, "--json"]) == 0
    assert called[0][0] == ("photos",)
    assert called[0][1]["budget"] == "5ms"


def test_settings_of_a_run_are_beneath_flags_and_assignments(called, tmp_path):
    asked = {"verb": "fit", "data": "photos", "settings": {"epochs": 20, "mixup": 0.2, "seed": 7}}
    asked["settings"]["resolution_schedule"] = ((0.5, 64), (0.75, 96))
    path = open_run(tmp_path / "run", asked).config
    assert main(["fit", "--config", str(path), "--epochs", "5", "--set", "mixup=0.4", "--json"]) == 0
    known = {"seed": 7, "resolution_schedule": [[0.5, 64], [0.75, 96]]}
    assert called[0][1]["settings"] == {"epochs": 5, "mixup": 0.4, **known}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("budgte: 5ms", "'budgte'; did you mean budget"),
        ("batch-size: 8", "'batch-size'; did you mean batch_size"),
        ("config: x.yaml", "'config'"),
        ("- 1", "must hold lines like `seed: 1`"),
        ("just words", "must hold lines like `seed: 1`"),
        ("a: [1", "is not YAML"),
        (b"\xff\xfe\x00", "is not YAML"),
        ("seed: 3.5", "got '3.5'"),
        ("seed: true", "got 'true'"),
        ("seed: [1, 2]", "seed must be one value"),
        ("verb: train", "is of `mobilenets 'train'`"),
        ("settings: {lr: {a: 1}}", "lr must be one value"),
    ],
)
def test_a_bad_file_gives_one_line_and_exit_2(text, message, called, config, capsys):
    assert main(["fit", "photos", "--config", config(text)]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n"), called) == ("", 1, [])
    assert message in err


def test_a_missing_file_gives_one_line(called, tmp_path, capsys):
    assert main(["fit", "photos", "--config", str(tmp_path / "none.yaml")]) == 2
    assert "none.yaml cannot be read: No such file or directory" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["", "# nothing\n"])
def test_an_empty_file_changes_nothing(text, called, config):
    assert main(["models", "--config", config(text), "--json"]) == 0
    assert main(["models", "--json"]) == 0
    assert called[0] == called[1]


@pytest.mark.parametrize(
    ("text", "value"),
    [("3", 3), ("0.1", 0.1), ("1e-3", 0.001), ("true", True), ("null", None), ("cosine", "cosine"),
     ("2ms", "2ms"), ("a=b", "a=b"), ("", None)],
)  # fmt: skip
def test_settings_are_yaml_values(text, value):
    assert collect([f"some-key={text}"]) == {"some_key": value}


def test_settings_join_flags_and_assignments():
    assert collect(None, epochs=None, lr=None) is None
    assert collect(["ema=0.99"], epochs=3, lr=None) == {"epochs": 3, "ema": 0.99}


@pytest.mark.parametrize("assignment", ["ema", "=3", "epochs=4", "ema={"])
def test_bad_settings_are_refused(assignment):
    with pytest.raises(UsageError, match=r"ema|=3|epochs"):
        collect([assignment], epochs=3)


def test_the_config_of_an_adaptation_makes_it_again(tmp_path, monkeypatch):
    from mobilenets.jobs import adapt as job

    monkeypatch.chdir(tmp_path)
    kept = {}
    monkeypatch.setattr(job, "begun", lambda folder, asked: kept.update(asked) or Run(folder))
    monkeypatch.setattr(job, "source", lambda model, data: (model, Material("photos", "classify", None, 0)))
    monkeypatch.setattr(job, "adapt_in", lambda *_, **__: None)
    monkeypatch.setattr(job, "_finished", lambda *_: {})
    job.adapt("runs/a", budget="60% macs", images=64)
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(kept))
    before, again = dict(kept), {}
    monkeypatch.setattr(job, "begun", lambda folder, asked: again.update(asked) or Run(folder))
    assert main(["adapt", "--config", str(tmp_path / "config.yaml"), "--json"]) == 0
    assert again == before


def test_what_a_run_found_is_no_option(called, config):
    path = config("verb: predict\nmodel: runs/x\nimages: [a.jpg]\nspace_sha256: 12ab\ntask: classify\n")
    assert main(["predict", "--config", path]) == 0
    assert called[0][0][0] == "runs/x"
