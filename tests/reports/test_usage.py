"""The snippets on the page: those that call this package call it as it is."""

import ast
import inspect

import pytest

import mobilenets
from mobilenets.reports import usage

SNIPPETS = {name: text for name, text in vars(usage).items() if name.isupper() and "mobilenets." in str(text)}


@pytest.mark.parametrize("name", SNIPPETS)
def test_calls_have_the_arguments_that_there_are(name):
    calls = [
        node
        for node in ast.walk(ast.parse(SNIPPETS[name].format(file="exports/model.tflite")))
        if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("mobilenets.")
    ]
    assert calls
    for call in calls:
        function = getattr(mobilenets, ast.unparse(call.func).removeprefix("mobilenets."))
        named = {one.arg: one.value for one in call.keywords}
        inspect.signature(function).bind(*call.args, **named)
