import json

import numpy as np
import pytest
import torch
from PIL import Image

from mobilenets.arch.zoo import find
from mobilenets.base.errors import DataError, UsageError
from mobilenets.cli.main import main
from mobilenets.jobs.doctor import doctor
from mobilenets.jobs.subject import blank_card
from mobilenets.nn import build, save_model


@pytest.fixture
def photos(tmp_path):
    """Two classes of twelve different images."""
    for label in ("cat", "dog"):
        folder = tmp_path / label
        folder.mkdir()
        for i in range(12):
            Image.effect_noise((48, 40), 30 + i).save(folder / f"{i}.png")
    return tmp_path


def spoil(photos, count):
    """Make so many files unreadable."""
    for i in range(count):
        (photos / "cat" / f"{i}.png").write_bytes(b"no image")


def test_a_clean_dataset_has_nothing_to_remark(photos, capsys):
    assert doctor(photos)["findings"] == []
    assert main(["doctor", str(photos)]) == 0
    assert capsys.readouterr().out == f"{photos}: nothing to remark\n"


def test_findings_are_counted_by_level_and_kind(photos):
    spoil(photos, 2)
    (photos / "cat" / "notes.txt").write_text("hello")
    document = json.loads(json.dumps(doctor(photos)))
    assert document["levels"] == {"error": 2, "warning": 1, "note": 0}
    assert document["counts"] == {"corrupt": 2, "not-an-image": 1}
    assert [finding["level"] for finding in document["findings"]] == ["error", "error", "warning"]
    assert {"id", "level", "file", "message", "fix"} == set(document["findings"][0])


def test_errors_end_with_1_and_are_grouped_with_their_fix(photos, capsys):
    spoil(photos, 7)
    assert main(["doctor", str(photos)]) == 1
    out = capsys.readouterr().out
    assert out.startswith("error: corrupt (7)\n  cat/0.png its content is no readable")
    assert out.count("cat/") == 5
    assert "  and 2 more; --json lists them all\n  -> copy it again or remove it\n" in out
    assert out.endswith(f"{photos}: 7 errors\n")


def test_warnings_alone_end_with_0(photos, capsys):
    (photos / "cat" / "notes.txt").write_text("hello")
    assert main(["doctor", str(photos), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["levels"] == {"error": 0, "warning": 1, "note": 0}


def test_a_layout_that_cannot_be_made_out_is_a_finding(tmp_path):
    document = doctor(tmp_path)
    assert [finding["id"] for finding in document["findings"]] == ["layout"]


def test_a_missing_dataset_is_refused(tmp_path):
    with pytest.raises(DataError, match="does not exist"):
        doctor(tmp_path / "none")


def test_the_embedded_data_set_goes_by_its_name(photos, monkeypatch):
    monkeypatch.setattr("mobilenets.data.load.find_source", {"signs": photos}.__getitem__)
    assert doctor("signs")["data"] == str(photos)


def test_a_model_finds_pictures_that_are_nearly_the_same(tmp_path, tmp_path_factory):
    torch.manual_seed(0)
    arch = find("mobilenet_v3_small", 0.35, 64)
    model = tmp_path_factory.mktemp("model") / "m.safetensors"
    save_model(model, build(arch), blank_card(arch))
    draw = np.random.default_rng(0)
    for i in range(24):
        folder = tmp_path / ("cat" if i < 12 else "dog")
        folder.mkdir(exist_ok=True)
        cells = draw.integers(0, 256, (5, 5, 3), dtype=np.uint8)
        Image.fromarray(cells).resize((60, 60), Image.Resampling.BILINEAR).save(folder / f"{i:02}.png")
    first = Image.open(tmp_path / "cat" / "00.png")
    first.crop((2, 2, 58, 58)).save(tmp_path / "dog" / "other.png")
    assert "near-duplicate" not in doctor(tmp_path)["counts"]
    found = doctor(tmp_path, model=model)
    assert found["counts"]["near-duplicate"] == 1
    near = next(one for one in found["findings"] if one["id"] == "near-duplicate")
    assert near["file"] == "dog/other.png"
    assert near["message"] == "looks like cat/00.png, which has another class"
    with pytest.raises(UsageError, match="--weights goes with --model"):
        doctor(tmp_path, weights="none")
