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
    ],
)
def test_a_target_reads_back_as_it_was_written(text, target):
    assert parse_target(text) == target
    assert str(target) == text


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
