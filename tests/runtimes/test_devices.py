"""Devices behind adb and ssh: what is sent to them, and every way in which they can fail."""

import os
import shlex
import time
from pathlib import Path

import pytest

from mobilenets.base.errors import DeviceError, UsageError
from mobilenets.runtimes import OnDevice, benchmark_model, connect, device, parse_target, remote

ADB, SSH = "litert:adb=ABC:2", "litert:ssh=user@board:2"
NASTY = 'it\'s "a" $(touch pwned) `touch pwned`; touch pwned #\n.tflite'


def on(target, path, size=2000):
    """A file of `size` bytes, which the stand-in says takes as many microseconds, on a device."""
    path.write_bytes(bytes(size))
    wanted = parse_target(target)
    return OnDevice(path, wanted, connect(wanted))


def refused(call, message, *, kind=DeviceError):
    """The one line of what a call raises."""
    with pytest.raises(kind, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500
    return str(caught.value)


@pytest.mark.parametrize("target", [ADB, SSH, "litert:adb:2"])
def test_a_lap_is_what_the_program_tells(devices, tmp_path, target):
    file = on(target, tmp_path / "model.tflite")
    lap = file.lap(runs=5, seconds=0.25, warmup=3)
    assert (lap.runs, lap.middle_ms, lap.min_ms, lap.is_median) == (5, 2.0, 1.999, True)
    (words,) = devices.calls("benchmark_model")
    assert {"--num_threads=2", "--num_runs=5", "--min_secs=0.25", "--warmup_runs=3"} < set(words)
    assert "--use_xnnpack=true" in words
    about = file.environment()
    assert len(about["versions"]["benchmark_model"]) == len(about["file"]) == 16
    assert about["cores"].isdigit()
    if "adb" in target:
        assert (about["device"], about["system"], about["cpu"]) == (
            "Acme Phone 5",
            "Android 15",
            "SoC1 arm64-v8a",
        )
    else:
        assert about["system"].startswith("Linux")
        assert about["cpu"]


@pytest.mark.parametrize("target", [ADB, SSH])
def test_a_file_is_copied_once_and_taken_off_again(devices, tmp_path, target):
    file = on(target, tmp_path / "model.tflite")
    for _ in range(3):
        file.lap(1, 0, 1)
    assert devices.files() == {"benchmark_model", "model.tflite"}
    asked = [words[-1] for words in devices.calls("adb") + devices.calls("ssh")]
    assert sum("mkdir" in script for script in asked) == 2, "for the program and for the file"
    file.close()
    assert devices.files() == {"benchmark_model"}
    file.lap(1, 0, 1)  # copied anew
    file.close()
    before = len(devices.calls("adb")) + len(devices.calls("ssh"))
    on(target, tmp_path / "model.tflite")
    words = (devices.calls("adb") + devices.calls("ssh"))[before:]
    assert not any("push" in each or "cat >" in each[-1] for each in words), "the program is there already"


@pytest.mark.parametrize("target", [ADB, SSH])
def test_names_of_files_do_not_reach_a_shell(devices, tmp_path, target):
    file = on(target, tmp_path / NASTY)
    assert file.lap(1, 0, 1).middle_ms == 2.0
    assert not list(tmp_path.rglob("pwned*"))
    assert devices.files() == {"benchmark_model", "model.tflite"}


@pytest.mark.parametrize("target", [ADB, SSH])
def test_the_program_may_lie_on_the_device(devices, tmp_path, monkeypatch, target):
    place = devices.device / "my tools" / "it's;touch pwned"
    place.parent.mkdir(parents=True)
    Path(os.environ[remote.VARIABLE]).rename(place)
    shown = "/data/local/tmp/my tools/it's;touch pwned" if target == ADB else "my tools/it's;touch pwned"
    monkeypatch.setenv(remote.VARIABLE, shown)
    file = on(target, tmp_path / "model.tflite")
    assert file.lap(1, 0, 1).middle_ms == 2.0
    assert len(file.environment()["versions"]["benchmark_model"]) == 16
    assert not list(tmp_path.rglob("pwned*"))
    place.chmod(0o644)
    refused(lambda: on(target, tmp_path / "model.tflite"), "is neither a file here nor a program on")


@pytest.mark.parametrize("cores", ["f0", "0xf0"])
def test_cores_are_handed_to_taskset(cores):
    wanted = parse_target(f"litert:adb=ABC/{cores}:4")
    words = shlex.split(benchmark_model.command("./tool", "g", 4, 1, 0, 0, wanted.cores))
    assert words[:3] == ["taskset", "f0", "./tool"]
    assert "--warmup_min_secs=0" in words
    assert "taskset" not in benchmark_model.command("./tool", "g", 4, 1, 0, 0)


@pytest.mark.parametrize(
    ("target", "state", "message"),
    [
        (ADB, {"devices": {}}, "no device is attached to adb; connect one"),
        (ADB, {"devices": {"X": "device"}}, "adb has no device 'ABC'; attached: X"),
        (
            "litert:adb:1",
            {"devices": {"X": "device", "Y": "device"}},
            r"2 devices are attached .*X, Y.*which",
        ),
        (
            ADB,
            {"devices": {"ABC": "unauthorized"}},
            "ABC is 'unauthorized'; accept this computer's key on its",
        ),
        ("litert:adb:1", {"devices": {"X": "offline"}}, "X is 'offline'; connect it anew"),
        (ADB, {"devices": {"ABC": "no permissions (missing udev rules?); see [x]"}}, "ABC is 'no perm.*udev"),
        (ADB, {"devices": {"ABC": "recovery"}}, "ABC is 'recovery'; start Android on it"),
        (
            SSH,
            {"hosts": []},
            r"host user@board cannot be reached \(ssh: Could not resolve.*see whether its name is right",
        ),
        (
            SSH,
            {"ssh": {"user@board": "user@board: Permission denied (publickey)."}},
            r"Permission denied .*let this user's key in",
        ),
        (SSH, {"ssh": {"user@board": "Host key verification failed."}}, "connect once by hand"),
        (
            SSH,
            {"ssh": {"user@board": "kex: \x1b[31mbroken\x07"}},
            r"kex: \?\[31mbroken\?.*ssh user@board true",
        ),
    ],
)
def test_a_device_that_cannot_be_used_is_told_in_a_line(devices, target, state, message):
    devices.become(**state)
    refused(lambda: connect(parse_target(target)), message)


@pytest.mark.parametrize("target", [ADB, SSH])
def test_a_missing_program_here_is_named(devices, monkeypatch, target):
    monkeypatch.setenv("PATH", "/nowhere")
    refused(lambda: connect(parse_target(target)), r"(adb|ssh) cannot be started .* on PATH")


def test_the_program_that_measures_must_be_given(devices, monkeypatch):
    monkeypatch.delenv(remote.VARIABLE)
    refused(lambda: connect(parse_target(ADB)), f"set {remote.VARIABLE} to", kind=UsageError)
    assert devices.calls("adb") == [], "nothing is asked of the device before"


@pytest.mark.parametrize("target", [ADB, SSH])
def test_a_full_disk_is_told_and_leaves_nothing(devices, tmp_path, target):
    connect(parse_target(target))
    devices.become(full=True)
    file = on(target, tmp_path / "model.tflite")
    refused(lambda: file.lap(1, 0, 1), r"model.tflite \(0.0 MB\) cannot be copied .*no space is left there")
    assert devices.files() == {"benchmark_model"}


@pytest.mark.parametrize("target", [ADB, SSH])
def test_a_folder_that_cannot_be_written_is_told(devices, target):
    devices.device.mkdir()
    (devices.device / ("mobilenets" if target == ADB else ".cache")).write_text("a file")
    refused(lambda: connect(parse_target(target)), "cannot be copied to .* see whether that folder can be")


@pytest.mark.parametrize("target", [ADB, SSH])
def test_a_device_lost_while_it_measures(devices, tmp_path, target):
    file = on(target, tmp_path / "model.tflite")
    devices.become(lost_after=1)
    file.lap(1, 0, 1)
    refused(lambda: file.lap(1, 0, 1), r"was lost \(.*(offline|Broken pipe)\); .*run the command again")
    calls = len(devices.calls("adb")) + len(devices.calls("ssh"))
    file.close()
    assert len(devices.calls("adb")) + len(devices.calls("ssh")) == calls, "it is not asked again"


def test_a_device_that_hangs_is_left_in_time(devices, tmp_path, monkeypatch):
    file = on(ADB, tmp_path / "model.tflite")
    devices.become(hang=True)
    monkeypatch.setattr(remote, "PATIENCE", 4.8)
    monkeypatch.setattr(benchmark_model, "MOST_SECONDS", 0.1)
    start = time.monotonic()
    refused(lambda: file.lap(1, 0, 1), "gave no answer within 5 seconds; see whether it hangs")
    assert time.monotonic() - start < 60
    with pytest.raises(ProcessLookupError):
        os.kill(int((devices.folder / "hanging").read_text()), 0)


@pytest.mark.parametrize(
    ("state", "message"),
    [
        (
            {"code": 1, "prints": "INFO: x\nERROR: Failed to load model x\n"},
            r"failed on device ABC with .*Failed to l",
        ),
        ({"code": -11}, "crashed on device ABC with .*, signal 11"),
        ({"prints": "Segmentation fault in disguise"}, "told no timings on device ABC .*disguise"),
        ({"prints": ""}, "told no timings on device ABC .INFO: STARTING"),
        ({"prints": "count=0 p5=0 median=0 p95=0\nInference timings in us: Init: 1"}, "told no timings"),
        (
            {"prints": "count=9 first=0 curr=0 min=0 max=0 avg=0 median=0\nInference timings in us"},
            "told no tim",
        ),
        ({"prints": "count=5 min=1 max=nan avg=nan\nInference timings in us: Init: 1"}, "told no timings"),
        ({"prints": "Inference timings in us: Init: 1"}, "told no timings"),
    ],
)
def test_a_program_that_fails_is_told(devices, tmp_path, state, message):
    file = on(ADB, tmp_path / "model.tflite")
    devices.become(**state)
    refused(lambda: file.lap(1, 0, 1), f"benchmark_model {message}")


def test_a_program_for_another_processor_is_told(devices, tmp_path):
    devices.model("foreign", "\x7fELF\x02\x01\x01 of another world")
    file = on(ADB, tmp_path / "model.tflite")
    refused(lambda: file.lap(1, 0, 1), "cannot be run on device ABC .* built for its processor")


@pytest.mark.parametrize(
    ("line", "lap"),
    [
        ("count=50 first=9 curr=7 min=5 max=9 avg=6.5 std=1 p5=5 median=6 p95=9", (50, 0.006, 0.005, True)),
        ("count=50 first=9 curr=7 min=5 max=9 avg=6.5 std=1", (50, 0.0065, 0.005, False)),
        ("count=2 first=1 curr=2 min=1000000 max=2 avg=1.23457e+06 std=1", (2, 1234.57, 1000.0, False)),
        ("count=5 curr=123(all same) p5=123 median=123 p95=123", (5, 0.123, 0.123, True)),
        ("count=1 curr=123", (1, 0.123, 0.123, True)),
    ],
)
def test_statistics_as_versions_of_the_program_print_them(line, lap):
    """Lines as its sources form them, from 2018 to today."""
    found = benchmark_model.lap(f"count=9 min=1 max=2 avg=3\n{line}\nInference timings in us: Init: 8")
    assert (found.runs, found.middle_ms, found.min_ms, found.is_median) == pytest.approx(lap)


def test_what_a_device_says_of_itself_is_kept_plain():
    said = "device=A\x1b[31m  B\nsystem=" + "x" * 999 + "\ngovernor=\ncolour=red\nrm -rf\n"
    assert device.told(said) == {"device": "A [31m B", "system": "x" * 80}
