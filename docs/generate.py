"""Write the pages that are made from the code: docs/cli.md from the help of every command."""

from pathlib import Path

from mobilenets.base.files import write_text
from mobilenets.cli.conduct import load
from mobilenets.cli.main import COMMANDS, overview

HERE = Path(__file__).parent
HEAD = """\
# The command line

Made from the commands' own help by `make docs`. The same verbs are functions of the package `mobilenets`,
with the same names, parameters and defaults (`mobilenets models` is `mobilenets.list_models`).

- Exit codes: 0 done, 1 failed, 2 wrong usage, 130 interrupted. `doctor` ends with 1 when it found errors.
- A mistake gives one line on stderr that starts with `error:`; `--debug` adds the traceback.
- `--json` prints one document on stdout; progress and notes are on stderr, always.
- `--config FILE.yaml` holds options under their names with underscores (`batch_size: 32`; training settings
  also under `settings:`). Flags win. The `config.yaml` of a run folder is such a file.
- Accuracies are shares from 0 to 1 in JSON, latencies are in milliseconds.
"""


def cli_page() -> str:
    """The text of docs/cli.md."""
    parts = [HEAD, f"```\n{overview()}```\n"]
    for name in COMMANDS:
        command = load(name)
        context = command.context_class(command, info_name=f"mobilenets {name}", terminal_width=80)
        parts.append(f"## {name}\n\n```\n{command.get_help(context).rstrip()}\n```\n")
    return "\n".join(parts)


if __name__ == "__main__":
    write_text(HERE / "cli.md", cli_page())
