"""The command `mobilenets`: help, version and mistakes in the first word come before anything loads."""

import sys
from collections.abc import Iterable, Sequence

# Command: the one line of help. Its file is cli/COMMAND.py, with _ between two words; a literal, so that
# --help imports none of them.
COMMANDS = {
    "fit": "Train, export and verify the best network that meets a latency budget.",
    "models": "List the networks: size, cost and published accuracy.",
    "describe": "Show a network as its paper's table, with what it costs.",
    "doctor": "Check a dataset: what is wrong with it, where, and what to do.",
    "convert": "Write a data set with boxes or masks in another layout.",
    "train": "Train one network on images.",
    "search": "Search for a network that meets a budget; train, export and verify it.",
    "adapt": "Make a trained network narrower, width by width, until it meets a budget.",
    "evaluate": "Measure how good a run or file is on labelled images.",
    "predict": "Tell what is on images and videos.",
    "embed": "Write a vector for each image of a folder: alike images, near vectors.",
    "index": "Write an index over the vectors of images, for `mobilenets similar`.",
    "similar": "Find the images of an index that look most like one image.",
    "export": "Write a network as a file for a runtime, and verify the file.",
    "benchmark": "Measure the latency of networks on a target.",
    "latency build": "Measure how long the pieces of networks take on a target, to predict from.",
    "latency predict": "Predict the latency of networks from a table, without running them.",
    "latency check": "Compare a table's predictions with networks that it has not seen.",
    "report": "Write the offline page of a run.",
    "weights list": "List the published weights: network, accuracy, licence, where they lie.",
    "weights fetch": "Download published weights once, and check them.",
    "weights convert": "Write a weights file of any origin as a file of ours.",
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

GROUP = """\
Usage: mobilenets {group} COMMAND [OPTIONS]

Commands:
{commands}
"""


def main(words: Sequence[str] | None = None) -> int:
    """Run one command line (by default the process's own); the exit code: 0 done, 1 failed, 2 wrong usage."""
    given = list(sys.argv[1:] if words is None else words)
    for count in (2, 1):
        if (command := " ".join(given[:count])) in COMMANDS and " " not in given[0]:
            from mobilenets.cli.conduct import run

            return run(command, given[count:])
    first, *rest = given or [""]
    match first:
        case _ if group(first) and rest[:1] in (["--help"], ["-h"]):
            print(GROUP.format(group=first, commands=_lines(group(first))), end="")
        case "--help" | "-h":
            print(overview(), end="")
        case "--version":
            from mobilenets import __version__

            print(__version__)
        case "":
            print(overview(), end="", file=sys.stderr)
            return 2
        case _:
            print(f"error: {_mistake(first, rest)}", file=sys.stderr)
            return 2
    return 0


def overview() -> str:
    """The text of `mobilenets --help`."""
    return OVERVIEW.format(commands=_lines(COMMANDS))


def group(first: str) -> list[str]:
    """The commands of two words that begin with this one."""
    return [name for name in COMMANDS if name.startswith(f"{first} ")]


def _lines(names: Iterable[str]) -> str:
    """Commands with their line of help."""
    return "\n".join(f"  {name:<15} {COMMANDS[name]}" for name in names)


def _mistake(first: str, rest: Sequence[str]) -> str:
    """One line about first words that are no command."""
    from mobilenets.base.errors import UnknownName

    if group(first) and not rest:
        return f"{first} needs a second word; see: mobilenets {first} --help"
    if group(first):
        return str(UnknownName("command", f"{first} {rest[0]}", group(first)))
    if first.startswith("-"):
        return f"the command comes first, got {first!r}; see: mobilenets --help"
    return str(UnknownName("command", first, COMMANDS))
