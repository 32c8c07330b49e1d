import subprocess
import sys
from importlib import import_module, metadata
from pathlib import Path

import pytest

from mobilenets import cli
from mobilenets.cli.conduct import identifier
from mobilenets.cli.main import COMMANDS, main, overview

HEAVY = {"torch", "typer", "pydantic", "rich", "numpy", "yaml", "PIL"}
WEIGHTS = "did you mean weights list or weights fetch or weights convert?"
SUPPORT = {"__init__", "main", "conduct", "config", "options", "output", "settings"}


def run(*words, code=None):
    """A command line in a process of its own; `code` is Python to run in place of the command."""
    program = ["-c", code] if code else ["-m", "mobilenets"]
    return subprocess.run([sys.executable, *program, *words], capture_output=True, text=True, check=False)


def loaded_after(*words):
    """The heavy packages in memory once a command line has been answered."""
    code = "import sys, mobilenets.cli.main as m; m.main(sys.argv[1:]); print(*sys.modules, file=sys.stderr)"
    done = run(*words, code=code)
    assert "mobilenets.cli.main" in done.stderr
    return HEAVY & {name.split(".")[0] for name in done.stderr.split()}


@pytest.mark.parametrize("words", [["--help"], ["-h"], ["--version"], [], ["modles"]])
def test_the_first_word_is_answered_before_anything_loads(words):
    assert loaded_after(*words) == set()


def test_the_probe_for_heavy_packages_sees_them():
    assert loaded_after("fit", "--help") >= {"typer"}


@pytest.mark.parametrize("name", COMMANDS)
def test_help_of_each_command_comes_without_torch(name):
    assert "torch" not in loaded_after(*name.split(), "--help")


def test_help_names_every_command():
    done = run("--help")
    assert (done.returncode, done.stderr, done.stdout) == (0, "", overview())
    for name, line in COMMANDS.items():
        assert f"{name:<15} {line}" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 100


def test_version_is_that_of_the_installed_package(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.strip() == metadata.version("mobilenets")


def test_no_arguments_is_wrong_usage_and_shows_help(capsys):
    assert main([]) == 2
    out, err = capsys.readouterr()
    assert (out, err) == ("", overview())


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["modles"], "error: no command 'modles'; did you mean models?\n"),
        (["weights"], "error: weights needs a second word; see: mobilenets weights --help\n"),
        (["weights", "lst"], f"error: no command 'weights lst'; {WEIGHTS}\n"),
        (["weights list"], f"error: no command 'weights list'; {WEIGHTS}\n"),
        (["--json", "models"], "error: the command comes first, got '--json'; see: mobilenets --help\n"),
    ],
)
def test_unknown_commands_give_one_line_and_exit_2(words, line, capsys):
    assert main(words) == 2
    assert capsys.readouterr() == ("", line)


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_has_help_with_an_example(name, capsys):
    assert main([*name.split(), "--help"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert out.startswith(f"Usage: mobilenets {name} ")
    assert f"    mobilenets {name} " in out
    for option in ("--json", "--config", "--debug"):
        assert option in out


def test_the_table_and_the_files_are_the_same():
    files = {path.stem for path in Path(cli.__file__).parent.glob("*.py")}
    assert files - SUPPORT == {identifier(name) for name in COMMANDS}
    for name, line in COMMANDS.items():
        function = getattr(import_module(f"mobilenets.cli.{identifier(name)}"), identifier(name))
        assert function.__doc__.splitlines()[0] == line
