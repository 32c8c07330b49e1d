"""The command `mobilenets`: help, version and mistakes in the first word come before anything loads."""

import sys
from collections.abc import Sequence

# Command: the one line of help. Its file is cli/COMMAND.py; a literal, so that --help imports none of them.
COMMANDS = {
    "fit": "Train, export and verify the best network that meets a latency budget.",
    "models": "List the networks: size, cost and published accuracy.",
    "describe": "Show a network as its paper's table, with what it costs.",
    "doctor": "Check a dataset: what is wrong with it, where, and what to do.",
    "train": "Train one network on images.",
    "evaluate": "Measure the accuracy of a run or file on labelled images.",
    "predict": "Name what is on images.",
    "export": "Write a network as a file for a runtime, and verify the file.",
    "benchmark": "Measure the latency of networks on a target.",
    "report": "Write the offline page of a run.",
}

OVERVIEW = """\
Usage: mobilenets COMMAND [OPTIONS]

  From a folder of images and a latency budget to a small network that is
  measured, verified and ready for a phone.

Commands:
{commands}

Every command takes --help, --json, --config FILE.yaml and --debug.
Begin with: mobilenets fit signs --budget 2ms --out runs/signs
"""


def main(words: Sequence[str] | None = None) -> int:
    """Run one command line (by default the process's own); the exit code: 0 done, 1 failed, 2 wrong usage."""
    first, *rest = (sys.argv[1:] if words is None else words) or [""]
    if first in COMMANDS:
        from mobilenets.cli.conduct import run

        return run(first, rest)
    match first:
        case "--help" | "-h":
            print(overview(), end="")
        case "--version":
            from mobilenets import __version__

            print(__version__)
        case "":
            print(overview(), end="", file=sys.stderr)
            return 2
        case _:
            print(f"error: {_mistake(first)}", file=sys.stderr)
            return 2
    return 0


def overview() -> str:
    """The text of `mobilenets --help`."""
    commands = "\n".join(f"  {name:<10} {line}" for name, line in COMMANDS.items())
    return OVERVIEW.format(commands=commands)


def _mistake(first: str) -> str:
    """One line about a first word that is no command."""
    from mobilenets.base.errors import UnknownName

    if first.startswith("-"):
        return f"the command comes first, got {first!r}; see: mobilenets --help"
    return str(UnknownName("command", first, COMMANDS))
