"""Write the pages that are made from the code: docs/cli.md from the help of every command, docs/families from
the descriptions of the networks and what was published about them.
"""

import json
from collections.abc import Iterable
from importlib import import_module
from inspect import signature
from pathlib import Path
from typing import Any

from mobilenets.arch import Arch, cost
from mobilenets.arch.published_heads import DETECTORS, SEGMENTERS, Stated, macs_of
from mobilenets.arch.zoo import ALIASES, FAMILIES, find
from mobilenets.arch.zoo.latencies import LATENCIES, Latency, Place
from mobilenets.arch.zoo.published import published_side
from mobilenets.base.files import write_text
from mobilenets.cli.conduct import load
from mobilenets.cli.main import COMMANDS, overview
from mobilenets.jobs.known import line_of
from mobilenets.jobs.models import COSTLY, list_models, redesign

HERE = Path(__file__).parent
MEASURED = HERE / "families" / "redesigned_layers.json"  # written by benchmarks/redesigned_layers.py --docs
CLI_HEAD = """\
# The command line

Made from the commands' own help by `make docs`. The same verbs are functions of the package `mobilenets`,
with the same parameters and defaults: `mobilenets models` is `mobilenets.list_models`, of two words the verb
comes first (`latency build` is `build_latency`, `weights list` is `list_weights`), and training settings go
into one argument, `settings={"epochs": 20}`.

- Exit codes: 0 done, 1 failed, 2 wrong usage, 130 ended by SIGINT or SIGTERM: where there was a state, it is
  saved, and the same command goes on. `doctor` ends with 1 when it found errors.
- A mistake gives one line on stderr that starts with `error:`; `--debug` adds the traceback.
- `--json` prints one document on stdout; progress and notes are on stderr, always.
- `--config FILE.yaml` holds options under their names with underscores (`batch_size: 32`; training settings
  also under `settings:`). Flags win. The `config.yaml` of a run folder is such a file.
- Accuracies are shares from 0 to 1 in JSON, latencies are in milliseconds.
"""
INDEX_HEAD = """\
# The families

One page per paper, made by `make docs` from the descriptions in `mobilenets.arch.zoo` and the published
tables; a test makes them again and compares. The counts are those of width 1.0 with 1000 classes;
multiply-accumulates cover convolutions and linear layers. `mobilenets models` lists every network with what
was published about it, `mobilenets describe NAME` shows one.
"""
HEADS_HEAD = """\
# Heads to detect and to segment

Made by `make docs` from `mobilenets.arch.heads` and the published tables; a test makes it again and compares.
Parameters in millions, multiply-accumulates in billions: as published, as counted here, and the difference
in per cent. Detectors are for 320 pixels and COCO's 90 classes; segmenters for Cityscapes' 19 classes and
images of 1024 by 2048 pixels (V3's table 7), torchvision's for 21 classes and 520 pixels.
"""
STATED_COLUMNS = (
    "network", "source", "params", "here", "%", "MACs", "here", "%", "why they differ",
)  # fmt: skip
SIDES = (224, 192, 160, 128, 96)
WIDTHS = (0.35, 0.5, 0.75, 1.0, 1.25, 1.4)
SHARED = {"width", "resolution", "classes", "dialect"}


def pages() -> dict[Path, str]:
    """Every generated page by its path below docs/."""
    lines = list(dict.fromkeys(map(line_of, FAMILIES)))
    return {
        Path("cli.md"): cli_page(),
        Path("heads.md"): heads_page(),
        Path("families/README.md"): index_page(lines),
        **{Path(f"families/{line}.md"): family_page(line) for line in lines},
    }


def cli_page() -> str:
    """The text of docs/cli.md."""
    parts = [CLI_HEAD, f"```\n{overview()}```\n"]
    for name in COMMANDS:
        command = load(name)
        context = command.context_class(command, info_name=f"mobilenets {name}", terminal_width=80)
        parts.append(f"## {name}\n\n```\n{command.get_help(context).rstrip()}\n```\n")
    return "\n".join(parts)


def index_page(lines: list[str]) -> str:
    """Every network on one line, with the page that tells more."""
    rows = []
    for line in lines:
        for family in _families(line):
            arch = _theirs(family)
            counted = cost(arch)
            rows.append(
                (f"[{family}]({line}.md)", arch.resolution, f"{counted.params:,}", f"{counted.macs:,}")
            )
    return f"{INDEX_HEAD}\n{_table(('network', 'side', 'parameters', 'MACs'), rows)}"


def heads_page() -> str:
    """Detectors and segmenters beside the published tables."""
    parts = [HEADS_HEAD]
    for title, rows in (("Detection", DETECTORS), ("Segmentation", SEGMENTERS)):
        parts += [f"## {title}\n", _table(STATED_COLUMNS, [_stated(row) for row in rows])]
    return "\n".join(parts)


def _stated(row: Stated) -> tuple[object, ...]:
    """Published and counted side by side."""
    params, macs = cost(row.build()).params / 1e6, macs_of(row) / 1e9
    pairs = [(row.params, params), (row.macs, macs)]
    figures = [(f"{said:.2f}", f"{here:.3f}", f"{100 * (here / said - 1):+.1f}") for said, here in pairs]
    return (row.name, row.source, *figures[0], *figures[1], row.why)


def family_page(line: str) -> str:
    """The page of one paper's line."""
    module = import_module(f"mobilenets.arch.zoo.{line}")
    made = "Made by `make docs`; `mobilenets describe NAME` shows more."
    parts = [f"# {line}\n\n{_prose(module.__doc__)}\n\n{made}\n"]
    for family in _families(line):
        said = _prose(FAMILIES[family].__doc__)
        parts += [f"## {family}\n", f"{said}\n" if said else "", f"```\n{_theirs(family)}\n```\n"]
        parts.append(_costs(family))
        if family == COSTLY:
            parts.append(_redesign())
    parts += [_accuracies(line), _latencies(line), _names(line)]
    return "\n".join(part for part in parts if part)


def _families(line: str) -> list[str]:
    """The networks of a line, in order."""
    return [family for family in FAMILIES if line_of(family) == line]


def _theirs(family: str) -> Arch:
    """The network at the input side of the paper."""
    return find(family, resolution=published_side(family))


def _prose(text: str | None) -> str:
    """A docstring as paragraphs, each on lines of its own."""
    lines = [line.strip() for line in (text or "").strip().splitlines()]
    return "\n".join(line for line in lines if not line.startswith("Raises "))


def _costs(family: str) -> str:
    """Parameters, multiply-accumulates and memory over widths and over sides."""
    side = _theirs(family).resolution
    sides = sorted({side, *SIDES}, reverse=True)
    rows = []
    for width in WIDTHS:
        counted = [cost(find(family, width, one)) for one in sides]
        memory = f"{counted[sides.index(side)].peak_bytes / 2**20:.2f}"
        macs = [f"{one.macs / 1e6:,.2f}" for one in counted]
        rows.append((f"{width:g}", f"{counted[0].params:,}", memory, *macs))
    heads = ("width", "parameters", f"MiB at {side}", *(f"M MACs at {one}" for one in sides))
    return _table(heads, rows)


def _accuracies(line: str) -> str:
    """Published top-1 with its source, of every network and name of the line."""
    rows = [
        (f"`{row['name']}`", f"{row['width']:g}", row["resolution"], f"{100 * row['top1']:.1f}",
         row["source"], f"`{row['weights']}`" if row["weights"] else "-")
        for row in list_models(family=line)["models"]
        if row["top1"] is not None
    ]  # fmt: skip
    if not rows:
        return ""
    heads = ("network", "width", "side", "top-1, %", "published by", "weights")
    return f"## Published accuracy\n\n{_table(heads, rows)}"


def _latencies(line: str) -> str:
    """Published latencies: a table per source, a row per network, a column per device."""
    places = {place: figures for place, figures in LATENCIES.items() if place[0] in _families(line)}
    if not places:
        return ""
    sources = dict.fromkeys(one.source for figures in places.values() for one in figures)
    said = "Milliseconds, one image at a time; the sources differ in years and versions."
    return "\n".join([f"## Published latency\n\n{said}\n", *(_from(source, places) for source in sources)])


def _from(source: str, places: dict[Place, tuple[Latency, ...]]) -> str:
    """The latencies of one source."""
    theirs = {
        place: {f"{one.device}, {one.precision}": one.ms for one in figures if one.source == source}
        for place, figures in places.items()
    }
    theirs = {place: found for place, found in theirs.items() if found}
    devices = list(dict.fromkeys(device for found in theirs.values() for device in found))
    rows = [
        (f"`{family}`", f"{width:g}", side, *(f"{found[one]:g}" if one in found else "-" for one in devices))
        for (family, width, side), found in sorted(theirs.items(), key=lambda pair: _descending(pair[0]))
    ]
    return f"From {source}:\n\n{_table(('network', 'width', 'side', *devices), rows)}"


def _descending(place: Place) -> tuple[str, float, int]:
    """The order of a table: widest and largest first."""
    family, width, side = place
    return family, -width, -side


def _names(line: str) -> str:
    """Other names of the networks, and the options that the families have."""
    rows = [
        (f"`{alias}`", f"`{family}`", ", ".join(f"{key}={value}" for key, value in settings.items()))
        for alias, (family, settings) in ALIASES.items()
        if family in _families(line)
    ]
    options = {
        family: [*signature(FAMILIES[family]).parameters.keys() - SHARED] for family in _families(line)
    }
    parts = [
        f"`{family}` also takes {', '.join(f'`{name}`' for name in sorted(names))}.\n"
        for family, names in options.items()
        if names
    ]
    if rows:
        parts.append(_table(("name of timm or torchvision", "network", "with"), rows))
    return "\n".join([f"## Names\n\n`find` takes {', '.join(f'`{f}`' for f in _families(line))}.\n", *parts])


def _redesign() -> str:
    """V3-Large's costly layers before and after, with the latency that was measured."""
    measured: dict[str, Any] = json.loads(MEASURED.read_text(encoding="utf-8")) if MEASURED.exists() else {}
    rows = []
    for row in redesign(find(COSTLY)):
        paper = f"{row['paper_more_macs'] / 1e6:g}" if row["paper_more_macs"] else "-"
        millions = (f"{row[key] / 1e6:.1f}" for key in ("macs", "more_macs"))
        latency = _ratio(measured["networks"][row["layers"]]) if measured else ()
        rows.append((row["layers"], f"{row['params']:,}", *millions, paper, *latency))
    heads = ["costly layers", "parameters", "M MACs", "M more", "M more, paper"]
    said = "What the redesign of the last stage and of the stem saves (section 5.1)."
    if measured:
        heads += ["latency ratio", "lowest and highest round", "ms"]
        said += f"\n{_terms(measured)}"
    return f"### The redesigned costly layers\n\n{said}\n\n{_table(heads, rows)}"


def _ratio(timing: dict[str, Any]) -> tuple[str, str, str]:
    """The median paired ratio to the published network, its range over the rounds, the median time."""
    low, high = timing["ratio_of_rounds"]
    return f"{timing['ratio']:.3f}", f"{low:.2f} to {high:.2f}", f"{timing['median_ms']:.2f}"


def _terms(measured: dict[str, Any]) -> str:
    """How the latencies were measured."""
    about = measured["environment"]
    how = (
        f"{measured['runs']} runs of each in turns on {measured['target']}, in rounds of {measured['round']}"
    )
    where = f"{about['cpu']}, ai-edge-litert {about['packages'].get('ai-edge-litert')}"
    return (
        f"Latency by `python benchmarks/redesigned_layers.py --docs`: {how}, {where};\n"
        "the ratio to the published network is the median of pairs."
    )


def _table(heads: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    """A Markdown table."""
    heads = list(heads)
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines) + "\n"


if __name__ == "__main__":
    for path, text in pages().items():
        write_text(HERE / path, text)
