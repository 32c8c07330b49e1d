import inspect
import subprocess
import sys
from importlib import import_module, metadata

import pytest

import mobilenets
from mobilenets.cli.conduct import identifier, parameters
from mobilenets.cli.main import COMMANDS

SHARED = {"json", "config", "debug"}
SETTINGS = {"epochs", "batch_size", "lr"}  # flags for training settings, handed on in `settings`


def job_of(name):
    """The function of the package behind a command: `weights list` is `list_weights`."""
    return getattr(mobilenets, "list_models" if name == "models" else "_".join(reversed(name.split())))


def function_of(name):
    """The function that is the command."""
    return getattr(import_module(f"mobilenets.cli.{identifier(name)}"), identifier(name))


def defaults(function):
    """The parameters of a function and their defaults, paths as text."""
    return {
        p.name: p.default if p.default in (None, p.empty) else str(p.default) for p in parameters(function)
    }


@pytest.mark.parametrize("name", COMMANDS)
def test_commands_and_functions_have_the_same_parameters_and_defaults(name):
    command, job = function_of(name), job_of(name)
    own = defaults(command)
    if "settings" in own:
        assert own.keys() >= SETTINGS
        own = {key: default for key, default in own.items() if key not in SETTINGS}
    assert own == defaults(job)
    assert not SHARED & own.keys()


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_hands_every_parameter_on(name, monkeypatch):
    received = {}

    def record(*values, **more):
        received.update(inspect.signature(job).bind(*values, **more).arguments)

    command, job = function_of(name), job_of(name)
    monkeypatch.setattr(inspect.getmodule(job), job.__name__, record)
    given = {key: f"the {key}" for key in defaults(command)}
    if "settings" in given:
        given["settings"] = ["mixup=0.2"]
    command(**given)
    if "settings" in given:
        given["settings"] = {key: given.pop(key) for key in SETTINGS} | {"mixup": 0.2}
    assert received == given


def test_options_are_the_parameters_with_dashes():
    from mobilenets.cli.conduct import load

    for name in COMMANDS:
        for parameter in load(name).params:
            flags = [flag for flag in parameter.opts if flag.startswith("--")]
            if flags and parameter.name != "settings":  # --set
                assert flags == ["--" + parameter.name.replace("_", "-")]


def test_every_public_name_is_there_and_documented():
    assert sorted(mobilenets.__all__) == mobilenets.__all__
    for name in mobilenets.__all__:
        value = getattr(mobilenets, name)
        assert isinstance(value, str) or inspect.isfunction(value), name
        assert isinstance(value, str) or value.__doc__
    assert set(mobilenets.__all__) <= set(dir(mobilenets))
    assert mobilenets.__version__ == metadata.version("mobilenets")


def test_no_verb_hides_a_room():
    rooms = {
        "arch",
        "base",
        "bench",
        "cli",
        "data",
        "exporters",
        "jobs",
        "nn",
        "reports",
        "runtimes",
        "tasks",
        "weights",
    }
    assert not rooms & set(mobilenets.__all__)
    for room in ("exporters", "reports", "data", "weights"):
        assert inspect.ismodule(import_module(f"mobilenets.{room}"))


def test_other_names_are_refused():
    with pytest.raises(AttributeError, match="no attribute 'fitt'"):
        mobilenets.fitt  # noqa: B018


def test_importing_the_package_and_its_verbs_is_light():
    code = "import sys, mobilenets; [getattr(mobilenets, n) for n in mobilenets.__all__]; print(*sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert not {"torch", "torchvision", "typer", "matplotlib", "PIL"} & set(out.split())
