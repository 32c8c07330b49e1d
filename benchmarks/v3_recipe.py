"""The recipe of MobileNetV3 (arXiv 1905.02244): search, NetAdapt, the costly ends made cheaper, h-swish.

    python benchmarks/v3_recipe.py [--hours 1] [--epochs 40] [--seed 0] [--budget 80%] [--docs]

On the first 500 training images of each CIFAR-10 class at 64 pixels, by latency in LiteRT on one thread:

1. `search`     `mobilenets search` in MnasNet's space around MobileNetV2 0.5, for its latency (section 4.1);
2. `netadapt`   the network that was found, adapted to --budget of what it takes (section 4.2);
3. `ends`       the last layer behind the pooling, as wide as before, and a stem of 16 (section 5.1);
4. `hardswish`  h-swish in the deeper half and in the stem instead of ReLU (section 5.2).

After each step the network is trained from scratch for --epochs by the same recipe, and its latency and top-1
on 2,000 test images are told; beside them stand V2 0.5, V3-Small, V3-Small 0.75 and MnasNet-Small. All
latencies are measured in turns at the end.

The data come from $MOBILENETS_DATA. A killed run resumes, finished parts are read again. Prints one JSON
document and appends it to benchmarks/results/v3_recipe.jsonl; --docs also writes it to docs/v3_recipe.json.
"""

import argparse
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from material import DATA, unpacked
from mobilenets.arch import Arch, codec, cost, edit
from mobilenets.arch.edit import narrow
from mobilenets.arch.spec import Block, Conv, Inverted
from mobilenets.arch.zoo import find
from mobilenets.base.files import cache_folder, write_json
from mobilenets.base.run import Run, environment
from mobilenets.jobs.adapt import adapt
from mobilenets.jobs.measured import measured
from mobilenets.jobs.search import search
from netadapt import timed
from search_vs_zoo import SIDE, TARGET, trained
from telling import run_script, tell

HERE = Path(__file__).parent
RESULTS = HERE / "results" / "v3_recipe.jsonl"
DOCS = HERE.parent / "docs" / "v3_recipe.json"
ZOO = {
    "mobilenet_v2 0.5": ("mobilenet_v2", 0.5),
    "mobilenet_v3_small": ("mobilenet_v3_small", 1.0),
    "mobilenet_v3_small 0.75": ("mobilenet_v3_small", 0.75),
    "mnasnet_small": ("mnasnet_small", 1.0),
}
STEM = 16


def main() -> None:
    """Go through the recipe, train, judge, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--hours", type=float, default=1.0, help="of the search")
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--budget", default="80%", help="of NetAdapt, as a share of what was found takes")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--docs", action="store_true", help="keep this result in docs/v3_recipe.json")
    given = parser.parse_args()
    home = cache_folder() / "benchmarks"
    data = unpacked("embed", DATA / "cifar10.zip", home)
    place = home / f"v3-recipe-{given.hours:g}-{given.epochs}-{given.seed}"
    steps = recipe(data, place, given)
    networks = {**{name: edit.classes(find(*zoo, SIDE), 10) for name, zoo in ZOO.items()}, **steps}
    rows = judged(networks, data, place, given)
    result = {"hours": given.hours, "epochs": given.epochs, "seed": given.seed, "budget": given.budget,
              "rows": rows, "environment": environment(),
              "time": datetime.now(UTC).isoformat(timespec="seconds")}  # fmt: skip
    tell(result, RESULTS)
    if given.docs:
        write_json(DOCS, result)


def recipe(data: Path, home: Path, given: argparse.Namespace) -> dict[str, Arch]:
    """The network after each step."""
    seed_arch = edit.classes(find("mobilenet_v2", 0.5, SIDE), 10)
    budget = float(measured([seed_arch], TARGET)[0]["median_ms"])
    settings = {"epochs": given.epochs}
    timed(home / "search-timed.json", lambda: search(
        data, space="mnasnet", model="mobilenet_v2", width=0.5, resolution=SIDE, budget=f"{budget:.6f}ms",
        target=TARGET, trials=1000, hours=given.hours, workers=given.workers, beside="", seed=given.seed,
        settings=settings, out=home / "searched",
    ))  # fmt: skip
    narrower = home / f"adapted-{given.budget.rstrip('%')}"
    timed(narrower.with_name(f"{narrower.name}-timed.json"), lambda: adapt(
        home / "searched", budget=given.budget, target=TARGET, out=narrower, workers=given.workers,
        seed=given.seed,
    ))  # fmt: skip
    found, adapted = (codec.loads(Run(place).arch.read_bytes()) for place in (home / "searched", narrower))
    ends = cheaper_ends(adapted)
    return {"search": found, "netadapt": adapted, "ends": ends, "hardswish": with_hardswish(ends)}


def cheaper_ends(arch: Arch) -> Arch:
    """The last layer moved behind the pooling, where it sees one pixel, and a stem of at most 16 filters.

    In its place in front of the pooling stands a layer of half as many channels, as V3-Small has it.
    """
    last = len(arch.blocks) - 1
    wide = arch.blocks[last].out
    arch = narrow(arch, last, out=wide // 2)
    arch = replace(arch, head=replace(arch.classifier, hidden=wide, activation="relu"))
    return narrow(arch, 0, out=STEM) if arch.blocks[0].out > STEM else arch


def with_hardswish(arch: Arch) -> Arch:
    """h-swish in the stem, behind half of the blocks and in the last layers; ReLU elsewhere."""
    half = len(arch.blocks) // 2

    def changed(index: int, block: Block) -> Block:
        """A block with the activation of its depth."""
        deep = index == 0 or index >= half
        if isinstance(block, Conv | Inverted):
            return replace(block, activation="hardswish" if deep else "relu")
        return block

    blocks = tuple(changed(index, block) for index, block in enumerate(arch.blocks))
    return replace(arch, blocks=blocks, head=replace(arch.classifier, activation="hardswish"))


def judged(
    networks: dict[str, Arch], data: Path, home: Path, given: argparse.Namespace
) -> list[dict[str, Any]]:
    """Latency, top-1 and costs of every network."""
    times = [float(row["median_ms"]) for row in measured(list(networks.values()), TARGET)]
    return [
        {
            "network": name,
            "median_ms": ms,
            "top1": trained(codec.dumps(arch), data, home, given.seed, given.epochs),
            "macs": cost(arch).macs,
            "params": cost(arch).params,
            "arch": codec.encode(arch),
        }
        for (name, arch), ms in zip(networks.items(), times, strict=True)
    ]


if __name__ == "__main__":
    run_script(main)
