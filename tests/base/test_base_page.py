"""docs/architecture.md says what pyproject.toml enforces and what `Run` names."""

import re
import tomllib
from pathlib import Path

from mobilenets.base.run import Run

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")


def test_the_rooms_are_those_that_import_linter_keeps_apart():
    config = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    layers = config["tool"]["importlinter"]["contracts"][0]["layers"]
    written = re.search(r"^cli > .*$", PAGE, re.MULTILINE).group()
    assert written == " > ".join(layer.replace("mobilenets.", "") for layer in layers)
    for room in re.findall(r"\w+", written):
        assert f"| `{room}` |" in PAGE, f"{room} is missing in the table of rooms"


def test_every_place_of_a_run_is_in_the_table():
    table = PAGE.split("## The run folder")[1].split("\n## ")[0]
    for name, kind in vars(Run).items():
        if isinstance(kind, property):
            assert (
                f"`{getattr(Run(Path()), name).name}" in table
                or getattr(Run(Path()), name).as_posix() in table
            )
