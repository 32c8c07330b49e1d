"""`mobilenets weights ...` as a person types it."""

import json

import pytest

from mobilenets.cli.main import main


def test_the_group_shows_its_commands(capsys):
    assert main(["weights", "--help"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert [line.split()[:2] for line in out.splitlines() if line.startswith("  weights")] == [
        ["weights", "list"], ["weights", "fetch"], ["weights", "convert"],
    ]  # fmt: skip


def test_list_is_a_table_and_a_document(capsys):
    assert main(["weights", "list", "--filter", "mobilenet_v2"]) == 0
    out = capsys.readouterr().out
    assert out.splitlines()[0].split() == ["name", "network", "params", "side", "top-1", "licence", "where"]
    assert "torchvision/mobilenet_v2.imagenet1k_v2" in out
    assert "72.2 %" in out
    assert main(["weights", "list", "--filter", "mobilenet_v2", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["weights"]
    assert [row["top1"] for row in rows] == [0.71878, 0.72154]
    assert rows[0]["url"].endswith(f"{rows[0]['sha256']}.pth")


@pytest.mark.parametrize(
    ("words", "code", "line"),
    [
        (["fetch", "mobilenet_v22"], 2, "error: no published weights 'mobilenet_v22'; did you mean "),
        (["convert", "nowhere.h5"], 2, "error: no file or published weights 'nowhere.h5'; "),
        (["convert"], 2, "error: missing argument 'FILE'; see: mobilenets weights convert --help"),
        (
            ["convert", "x.h5", "--width", "1"],
            2,
            "error: width and dialect are those of a model; give --model too",
        ),
    ],
)
def test_mistakes_are_one_line(words, code, line, capsys):
    assert main(["weights", *words]) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(line)
    assert err.count("\n") == 1


def test_convert_writes_a_file_that_other_commands_take(tmp_path, capsys, monkeypatch):
    import torch
    from torchvision import models

    monkeypatch.chdir(tmp_path)
    torch.save(models.mobilenet_v2(width_mult=0.35).state_dict(), "small.pth")
    assert main(["weights", "convert", "small.pth", "--resolution", "96"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert dict(line.split(maxsplit=1) for line in out.splitlines()) | {"sha256": ""} == {
        "file": "small.safetensors", "source": "small.pth", "model": "mobilenet_v2", "params": "1677128",
        "classes": "1000", "resolution": "96", "sha256": "",
    }  # fmt: skip
    assert main(["weights", "convert", "small.pth"]) == 2
    assert (
        capsys.readouterr().err
        == "error: small.safetensors is there already; give another place with --out\n"
    )
