"""Targets and suffixes."""

from pathlib import Path

import pytest

from mobilenets.base.errors import UnknownName, UsageError
from mobilenets.runtimes import Target, parse_target, runtime_of


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("litert:cpu:1", Target("litert", "cpu", 1)),
        ("onnx:cpu:4", Target("onnx", "cpu", 4)),
        ("torch:cpu:2:float32", Target("torch", "cpu", 2, "float32")),
        ("litert:adb:4", Target("litert", "adb", 4)),
        ("litert:adb=192.168.1.7:5555:4:float32", Target("litert", "adb=192.168.1.7:5555", 4, "float32")),
        ("litert:ssh=user@board-1.local:1", Target("litert", "ssh=user@board-1.local", 1)),
    ],
)
def test_a_target_reads_back_as_it_was_written(text, target):
    assert parse_target(text) == target
    assert str(target) == text


@pytest.mark.parametrize(
    ("device", "kind", "address", "cores"),
    [
        ("cpu", "cpu", "", ""),
        ("adb", "adb", "", ""),
        ("adb/f0", "adb", "", "f0"),
        ("adb=[::1]:5555/0xF0", "adb", "[::1]:5555", "0xF0"),
        ("ssh=pi@board", "ssh", "pi@board", ""),
        ("ssh=board/3", "ssh", "board", "3"),
    ],
)
def test_a_device_says_how_it_is_reached(device, kind, address, cores):
    target = parse_target(f"litert:{device}:1")
    assert (target.kind, target.address, target.cores) == (kind, address, cores)
    assert target.remote == (device != "cpu")
    assert target.here == Target("litert", "cpu", 1)
    assert parse_target(str(target)) == target


@pytest.mark.parametrize(
    ("text", "kind", "message"),
    [
        ("litert", UsageError, "a target is RUNTIME:DEVICE:THREADS"),
        ("", UsageError, "a target is RUNTIME:DEVICE:THREADS"),
        ("litert:cpu:1:float32:x", UsageError, "a target is RUNTIME:DEVICE:THREADS"),
        ("litrt:cpu:1", UnknownName, "no runtime 'litrt'; did you mean litert"),
        ("litert:cpuu:1", UnknownName, "no device 'cpuu'; did you mean cpu"),
        ("litert:gpu:1", UnknownName, "no device 'gpu'"),
        ("litert:cpu:0", UsageError, "threads must be a whole number from 1"),
        ("litert:cpu:-1", UsageError, "threads must be"),
        ("litert:cpu:two", UsageError, "threads must be"),
        ("litert:cpu:²", UsageError, "threads must be"),
        ("litert:cpu:" + "9" * 5000, UsageError, "threads must be"),
        ("litert:cpu:1:int8", UsageError, "int8 is not there yet"),
        ("litert:cpu:1:float23", UnknownName, "did you mean float32"),
        ("litert:cpu:1:2", UsageError, "a target is RUNTIME:DEVICE:THREADS"),
        ("litert:cpu=x:1", UsageError, "cpu takes nothing after it, got 'cpu=x'"),
        ("litert:cpu/f:1", UsageError, "cpu takes nothing after it"),
        ("litert:abd=x:1", UnknownName, "no device 'abd'; did you mean adb"),
        ("onnx:adb:1", UsageError, "adb devices run litert only, got onnx"),
        ("litert:ssh:1", UsageError, "'ssh' names no device; give litert:adb=SERIAL:1 or litert:ssh=user"),
        ("litert:adb=:1", UsageError, "'adb=' names no device"),
        ("litert:ssh=/f:1", UsageError, "names no device"),
        ("litert:ssh=-oProxyCommand=x:1", UsageError, "no serial number or host is written '-oProxy"),
        ("litert:ssh=a@-oProxyCommand:1", UsageError, "no serial number or host is written"),
        ("litert:ssh=a b:1", UsageError, "no serial number or host is written 'a b'"),
        ("litert:ssh=a;reboot:1", UsageError, "no serial number or host"),
        ("litert:ssh=$(reboot):1", UsageError, "no serial number or host"),
        ("litert:adb=a\nb:1", UsageError, r"no serial number or host is written 'a\\nb'"),
        ("litert:adb=hôte:1", UsageError, "no serial number or host"),
        ("litert:adb/:1", UsageError, "cores are a mask in hexadecimal, as in adb/f0, got ''"),
        ("litert:adb/big:1", UsageError, "cores are a mask"),
        ("litert:adb/f0;x:1", UsageError, "cores are a mask"),
        ("litert:adb=host:5555:0", UsageError, "threads must be a whole number"),
    ],
)
def test_other_targets_are_refused_in_one_line(text, kind, message):
    with pytest.raises(kind, match=message) as caught:
        parse_target(text)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300


def test_the_suffix_says_the_runtime():
    assert [runtime_of(Path(name)) for name in ("a.tflite", "b.ONNX", "c.safetensors")] == [
        "litert",
        "onnx",
        "torch",
    ]
    with pytest.raises(UsageError, match=r"give one ending in \.tflite"):
        runtime_of(Path("model.pb"))
