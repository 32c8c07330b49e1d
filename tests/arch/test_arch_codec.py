"""JSON of networks: what is written is read back, what is wrong is named by its path."""

import json
import re

import pytest
from arch_strategies import anything, archs, attempt, damaged
from hypothesis import given
from hypothesis import strategies as st

from mobilenets.arch import Arch, codec, cost, zoo
from mobilenets.base.errors import ArchError

V3 = zoo.find("mobilenet_v3_small", resolution=96, classes=10)


@given(archs())
def test_json_round_trip(arch):
    again = codec.loads(codec.dumps(arch))
    assert again == arch
    assert hash(again) == hash(arch)
    assert codec.loads(codec.dumps(arch, indent=2).encode()) == arch


@pytest.mark.parametrize("name", zoo.names())
def test_the_zoo_round_trips(name):
    arch = zoo.find(name)
    again = codec.loads(codec.dumps(arch))
    assert again == arch
    assert cost(again) == cost(arch)


def test_whole_numbers_may_stand_for_floats():
    document = codec.encode(V3)
    document["head"]["dropout"] = 0
    assert codec.decode(document).head.dropout == 0


def test_fields_with_defaults_may_be_left_out():
    document = codec.encode(V3)
    assert document["blocks"][2].pop("squeeze") == 0
    assert document["blocks"][2].pop("expand") is True
    assert codec.decode(document) == V3


DELETE = object()
# path, value put there, what the message says
REFUSED = [
    ("schema", 2, r"^arch: schema must be 1, got 2; written by another version\?"),
    ("schema", True, r"^arch: schema must be 1, got True"),
    ("schema", DELETE, r"^arch: schema must be 1, got None"),
    ("name", 3, r"^name must be of type str, got 3"),
    ("resolution", 0, r"^resolution must be an integer from 1 to 1000000, got 0"),
    ("resolution", 224.0, r"^resolution must be an integer .* got 224\.0"),
    ("resolution", True, r"^resolution must be an integer .* got True"),
    ("resolution", 10**12, r"^resolution must be an integer .* got 1000000000000"),
    ("resolution", DELETE, r"^arch\.resolution is missing"),
    ("colour", "red", r"^arch has the unknown key 'colour'; known are schema, name, "),
    ("blocks", {}, r"^blocks must be of type list, got \{\}"),
    ("blocks", [], r"^mobilenet_v3_small: a network needs at least one block"),
    ("blocks.0", [3], r"^blocks\[0\] must be of type dict, got \[3\]"),
    ("blocks.0.kind", "konv", r"^blocks\[0\]\.kind must be one of conv, separable, .*, got 'konv'"),
    ("blocks.0.kind", ["conv"], r"^blocks\[0\]\.kind must be one of .* got \['conv'\]"),
    ("blocks.0.kind", DELETE, r"^blocks\[0\]\.kind must be one of .* got None"),
    ("blocks.0", {"kind": "classifier", "classes": 3}, r"^blocks\[0\]\.kind must be a block, got 'class"),
    ("blocks.0.stride", 3, r"^blocks\[0\]\.stride must be 1 or 2, got 3"),
    ("blocks.0.kernel", 4, r"^blocks\[0\]\.kernel must be an odd number of at least 1, got 4"),
    ("blocks.0.kernel", -1, r"^blocks\[0\]\.kernel must be an odd number"),
    ("blocks.0.out", "16", r"^blocks\[0\]\.out must be of type int, got '16'"),
    ("blocks.0.out", 16.0, r"^blocks\[0\]\.out must be of type int, got 16\.0"),
    ("blocks.0.out", True, r"^blocks\[0\]\.out must be of type int, got True"),
    ("blocks.0.out", None, r"^blocks\[0\]\.out must be of type int, got None"),
    ("blocks.0.out", 10**40, r"^blocks\[0\]\.out must be an integer from 1 to 1000000, got 1"),
    ("blocks.0.out", DELETE, r"^blocks\[0\]\.out is missing"),
    ("blocks.0.activation", "swish", r"^blocks\[0\]\.activation must be one of none, relu, .* got 'swish'"),
    ("blocks.4.squeeze", -1, r"^blocks\[4\]\.squeeze must be 0 or a channel count up to 1000000, got -1"),
    ("blocks.4.expand", 1, r"^blocks\[4\]\.expand must be of type bool, got 1"),
    ("blocks.4.width", 2, r"^blocks\[4\] has the unknown key 'width'; known are kernel, hidden, out"),
    ("blocks.1.hidden", 24, r"^blocks\[1\]\.hidden must be 16 \(the input\) where expand is false, got 24"),
    ("blocks.4.gate", "relu", r"^blocks\[4\]\.gate must be one of hardsigmoid, sigmoid, got 'relu'"),
    ("blocks.4.residual", 0, r"^blocks\[4\]\.residual must be of type bool, got 0"),
    ("blocks.4.dilation", 0, r"^blocks\[4\]\.dilation must be an integer from 1"),
    ("blocks.3", {"kind": "fused", "kernel": 3, "hidden": 9, "out": 8, "groups": 2},
     r"^blocks\[3\]\.hidden must be a multiple of groups, got 9 and 2"),
    ("blocks.3", {"kind": "fused", "kernel": 3, "hidden": 10, "out": 24, "groups": 5},
     r"^blocks\[3\]\.groups must divide 24 \(the input\), got 5"),
    ("blocks.3", {"kind": "universal", "start": 2, "kernel": 3, "hidden": 9, "out": 8},
     r"^blocks\[3\]\.start must be an odd number of at least 1, got 2"),
    ("blocks.3", {"kind": "universal", "start": 0, "kernel": 0, "hidden": 9, "out": 8, "stride": 2},
     r"^blocks\[3\]\.stride must be 1 where no depthwise layer can stride, got 2"),
    ("blocks.3", {"kind": "attention", "out": 24, "heads": 2, "key": 4, "value": 4, "shrink": 3},
     r"^blocks\[3\]\.shrink must be 1 or 2, got 3"),
    ("blocks.3", {"kind": "attention", "out": 24, "heads": 0, "key": 4, "value": 4},
     r"^blocks\[3\]\.heads must be an integer from 1"),
    ("head.shift", "batch", r"^head\.shift must be one of bias, norm, none, got 'batch'"),
    ("head", None, r"^head must be of type dict, got None"),
    ("head.kind", "conv", r"^head has the unknown key 'classes'; known are kernel"),
    ("head", {"kind": "conv", "kernel": 1, "out": 8}, r"^head\.kind must be one of classifier, .*got 'conv'"),
    ("head.classes", 0, r"^head\.classes must be an integer from 1"),
    ("head.dropout", 1.0, r"^head\.dropout must be at least 0 and below 1, got 1\.0"),
    ("head.dropout", float("nan"), r"^head\.dropout must be at least 0 and below 1, got nan"),
    ("dialect.norm_eps", float("nan"), r"^dialect\.norm_eps and norm_momentum must lie .* got nan"),
    ("dialect.norm_eps", 0.0, r"^dialect\.norm_eps and norm_momentum must lie"),
    ("dialect.norm_momentum", float("inf"), r"^dialect\.norm_eps and norm_momentum must lie .* inf"),
    ("dialect.padding", "valid", r"^dialect\.padding must be one of symmetric, same, got 'valid'"),
    ("dialect.hidden", 1, r"^dialect\.hidden must be of type str, got 1"),
    ("dialect", [], r"^dialect must be of type dict, got \[\]"),
]  # fmt: skip


@pytest.mark.parametrize(("path", "value", "message"), REFUSED)
def test_what_is_wrong_is_named_by_its_path(path, value, message):
    document = codec.encode(V3)
    *steps, last = (int(step) if step.isdigit() else step for step in path.split("."))
    container = document
    for step in steps:
        container = container[step]
    if value is DELETE:
        del container[last]
    else:
        container[last] = value
    with pytest.raises(ArchError, match=message) as caught:
        codec.decode(document)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "", "{", "nope", b"\xff\xfe\x00", b"PK\x03\x04", "[" * 100_000, '{"a":' * 100_000, "NaN", "1e999",
        '{"schema": 1, "resolution": Infinity}', "1" * 10_000, "\x00", '"\ud800"', "[]", "null", "3", "{}",
    ],
)  # fmt: skip
def test_text_that_is_no_network_is_one_line(text):
    with pytest.raises(ArchError) as caught:
        codec.loads(text)
    assert re.fullmatch(r"arch\b.{1,200}", str(caught.value))


def test_a_message_stays_short_and_on_one_line_whatever_was_given():
    document = codec.encode(V3)
    document["blocks"][0] = {"kind": "conv\n" * 10_000}
    document["blocks"][0]["nested"] = [[[[["x" * 10_000]]]]]
    for value in (document["blocks"][0], "x\n" * 10_000, [["y" * 10_000] * 1000] * 1000):
        document["blocks"][0] = value
        with pytest.raises(ArchError) as caught:
            codec.decode(document)
        assert len(str(caught.value)) < 400
        assert "\n" not in str(caught.value)


@given(anything)
def test_any_json_value_is_a_network_or_an_arch_error(value):
    _network_or_arch_error(value)


@given(st.data())
def test_any_damaged_network_is_a_network_or_an_arch_error(data):
    document = codec.encode(data.draw(archs(most_blocks=3)))
    _network_or_arch_error(data.draw(damaged(document)))


@given(st.data())
def test_any_damaged_text_is_a_network_or_an_arch_error(data):
    text = bytearray(codec.dumps(data.draw(archs(most_blocks=2))).encode())
    assert attempt(codec.loads, bytes(text[: data.draw(st.integers(0, len(text) - 1))])) is None
    for _ in range(data.draw(st.integers(1, 4))):
        text[data.draw(st.integers(0, len(text) - 1))] = data.draw(st.integers(0, 255))
    _network_or_arch_error(bytes(text), codec.loads)


def _network_or_arch_error(value, read=codec.decode):
    """Read; a network must then survive being counted, printed and written again."""
    arch = attempt(read, value)
    if arch is None:
        return
    assert isinstance(arch, Arch)
    assert cost(arch).params > 0
    assert str(arch)
    assert codec.loads(json.dumps(codec.encode(arch))) == arch


def test_documents_from_before_the_later_fields_are_read_as_they_were():
    """What was written without gate, residual, dilation and shift means what it meant."""
    document = codec.encode(V3)
    later = {"gate", "squeeze_activation", "residual", "dilation", "shift"}
    for record in (*document["blocks"], document["head"]):
        for key in later & set(record):
            del record[key]
    assert codec.decode(document) == V3
