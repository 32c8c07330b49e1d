"""The tree of errors: names with their neighbours, missing packages, and values in messages."""

import pytest

from mobilenets.base import errors
from mobilenets.base.errors import MissingPackage, MobilenetsError, UnknownName, UsageError, needs, shown


def test_everything_here_is_ours_and_the_exit_code_tells_wrong_use_and_a_signal():
    tree = [
        kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, MobilenetsError)
    ]
    assert len(tree) > 12
    for kind in tree:
        usual = 2 if issubclass(kind, UsageError) else 1
        assert kind.exit_code == (130 if kind is errors.Interrupted else usual)
        assert kind.__name__ in errors.__doc__, "the tree at the top of the file shows every class"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("litret", "no runtime 'litret'; did you mean litert?"),
        ("zzz", "no runtime 'zzz'; known: litert, onnx, torch"),
        ("a\nb", r"no runtime 'a\nb'; known: litert, onnx, torch"),
    ],
)
def test_an_unknown_name_offers_the_nearest(given, message):
    assert str(UnknownName("runtime", given, ("torch", "onnx", "litert"))) == message


def test_a_missing_package_is_one_line_with_the_command():
    wanted = r"no_such_package cannot be imported .*pip install 'mobilenets\[onnx\]'"
    with pytest.raises(MissingPackage, match=wanted), needs("no_such_package", extra="onnx"):
        import no_such_package  # noqa: F401


def test_needs_lets_other_errors_through():
    with pytest.raises(ZeroDivisionError), needs("json", extra="onnx"):
        raise ZeroDivisionError


@pytest.mark.parametrize(
    ("value", "text"),
    [(3, "3"), ("a\nb", r"'a\nb'"), (None, "None"), ([1, 2], "[1, 2]"), ({"a": [[[1]]]}, "{'a': [[...]]}")],
)
def test_values_in_messages(value, text):
    assert shown(value) == text


@pytest.mark.parametrize(
    "value", ["x" * 10**6, 10**4000, ["y" * 1000] * 1000, dict.fromkeys(range(1000), "z" * 99)]
)
def test_long_values_are_cut(value):
    assert len(shown(value)) <= errors.LONGEST
    assert "..." in shown(value)
