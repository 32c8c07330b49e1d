"""How every command behaves: --json, --config and --debug, one line per error, exit codes, a clean stdout."""

import inspect
import os
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from importlib import import_module
from io import TextIOWrapper
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any, get_args, get_type_hints

import typer

from mobilenets.base.console import emit, is_first, say
from mobilenets.base.errors import Interrupted, MobilenetsError, UnknownName, UsageError, shown
from mobilenets.cli.config import Config, read_config

USAGE_ERROR: type[Exception] = typer.BadParameter.__mro__[1]  # click's; typer carries a click of its own
SHARED_WORK = ("train",)  # what several processes can do together


def run(name: str, words: Sequence[str]) -> int:
    """Run one command with its arguments; the exit code.

    What fails ends in one line on stderr, with --debug in a traceback as well.
    """
    open_streams()
    warnings.filterwarnings("ignore", module=r"PIL\.")  # what is odd about an image is told by `doctor`
    try:
        command = load(name)
        with command.make_context(f"mobilenets {name}", list(words)) as context:
            code: int = command.invoke(context)
            return code
    except typer.Exit as exit_:  # after --help
        return exit_.exit_code
    except KeyboardInterrupt:
        say("interrupted")
        return Interrupted.exit_code
    except Exception as error:  # noqa: BLE001 - the last resort of a command line
        line, code = explain(error, name)
        if "--debug" in words:
            import traceback

            traceback.print_exc()
        say(f"error: {' '.join(line.split())}")
        return code


def load(name: str) -> Any:
    """The command as typer has it. Its file is imported, the job behind it is not."""
    module = import_module(f"mobilenets.cli.{identifier(name)}")
    app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
    app.command(name)(conducted(module, name))
    return typer.main.get_command(app)


def identifier(name: str) -> str:
    """A command as a name in Python, which is that of its file and of its function there."""
    return name.replace(" ", "_")


def conducted(module: ModuleType, name: str) -> Callable[..., int]:
    """The function of a command's file, with the options that all commands share.

    The file has `show(document)`, which prints for people, and may have `status(document)`, the exit code.
    """
    function = getattr(module, identifier(name))

    def command(*, json: bool, config: Config | None, debug: bool, **values: Any) -> int:  # noqa: ARG001
        if name not in SHARED_WORK and os.environ.get("WORLD_SIZE", "1") != "1":
            raise UsageError(
                f"{name} is work for one process; use torchrun for {', '.join(SHARED_WORK)} only"
            )
        if config and config.settings:
            values = config.beneath(values)
        with stdout_kept():
            document = function(**values)
        with broken_pipe_ignored():
            if is_first():
                emit(document) if json else module.show(document)
            sys.stdout.flush()
        return module.status(document) if hasattr(module, "status") else 0

    command.__doc__ = function.__doc__
    taken = [*parameters(function), *parameters(_shared)]
    command.__signature__ = inspect.Signature(taken, return_annotation=int)  # type: ignore[attr-defined]
    command.__annotations__ = {parameter.name: parameter.annotation for parameter in taken}
    return command


def parameters(function: Callable[..., Any]) -> list[inspect.Parameter]:
    """What a command takes; the options of a group, `**group: Unpack[...]`, singly and None by default."""
    taken: list[inspect.Parameter] = []
    for one in inspect.signature(function).parameters.values():
        if one.kind is not one.VAR_KEYWORD:
            taken.append(one)
            continue
        (group,) = get_args(one.annotation)
        options = get_type_hints(group, include_extras=True)
        taken += [
            one.replace(name=name, kind=one.KEYWORD_ONLY, default=None, annotation=annotation)
            for name, annotation in options.items()
        ]
    return taken


def _shared(
    *,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")] = False,
    config: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.yaml",
            help="Take options from a YAML file; flags win.",
            is_eager=True,
            callback=read_config,
        ),
    ] = None,
    debug: Annotated[bool, typer.Option("--debug", help="Show a traceback when something fails.")] = False,
) -> None:
    """The options of every command, as a signature."""


def explain(error: Exception, name: str) -> tuple[str, int]:
    """One line about an error of the command `name`, and the exit code."""
    match error:
        case MobilenetsError():
            return str(error), error.exit_code
        case USAGE_ERROR():
            return f"{_usage_line(error)}; see: mobilenets {name} --help", 2
        case OSError(strerror=str(reason), filename=str(file)):
            return f"{file}: {reason}", 1
        case _:
            return f"unexpected {type(error).__name__}: {error}; run again with --debug", 1


def _usage_line(error: Any) -> str:
    """Typer's objection with what was given, in our words where typer's are vague."""
    if type(error).__name__ == "NoSuchOption":
        names = [name for parameter in error.ctx.command.params for name in parameter.opts if name[0] == "-"]
        return str(UnknownName("option", error.option_name, [*names, "--help"]))
    text: str = error.format_message().rstrip(".")
    problems: list[Any] = getattr(error.__cause__, "errors", list)()  # pydantic knows what was given
    given = f", got {shown(problems[0]['input'])}" if problems else ""
    return text[:1].lower() + text[1:] + given


def open_streams() -> None:
    """Have streams that take any text: closed ones lead nowhere, what they cannot show comes out escaped."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115 - to the end
        elif isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


@contextmanager
def stdout_kept() -> Iterator[None]:
    """Send to stderr what anything prints on stdout meanwhile, C libraries and child processes included."""
    sys.stdout.flush()
    kept = os.dup(1)
    try:
        os.dup2(2, 1)
        with redirect_stdout(sys.stderr):
            yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)


@contextmanager
def broken_pipe_ignored() -> Iterator[None]:
    """End quietly when the reader of stdout has gone, as `head` does."""
    try:
        yield
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # or the interpreter complains when it flushes at exit
