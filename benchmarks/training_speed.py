"""How long a step of training takes, beside torchvision's modules of the same networks.

    python benchmarks/training_speed.py [--rounds 30] [--threads N] [--docs]

A step is forwards, the sum of the outputs' squares, backwards; no optimiser, no data. Both have the same
weights and get the same images, in channels_last. `ratio` is the median of ours over theirs, step by step in
turns; `same` says that both outputs are equal. On small maps and with dilation our depthwise filters have a
gradient of their own (`mobilenets.nn.depthwise`).

Prints one JSON document and appends it to benchmarks/results/training_speed.jsonl; --docs also writes it to
docs/training_speed.json.
"""

import argparse
import time
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torchvision import models

from mobilenets.arch.heads import with_head
from mobilenets.arch.spec import Arch
from mobilenets.arch.zoo import find
from mobilenets.base.files import write_json
from mobilenets.base.run import environment
from mobilenets.nn import build
from mobilenets.weights import load_weights
from telling import run_script, tell

HERE = Path(__file__).parent
RESULTS = HERE / "results" / "training_speed.jsonl"
DOCS = HERE.parent / "docs" / "training_speed.json"
CASES = (  # network, task, side, batch
    ("mobilenet_v3_small", "classify", 64, 32),
    ("mobilenet_v3_large", "classify", 64, 32),
    ("mobilenet_v3_large", "classify", 128, 32),
    ("mobilenet_v2", "classify", 96, 32),
    ("mobilenet_v3_large", "segment", 256, 8),
)


def main() -> None:
    """Time all cases, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--docs", action="store_true", help="keep this result in docs/training_speed.json")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    result = {
        "rows": [compared(*case, given.rounds) for case in CASES],
        "threads": given.threads,
        "environment": environment(),
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    tell(result, RESULTS)
    if given.docs:
        write_json(DOCS, result)


def compared(name: str, task: str, side: int, batch: int, rounds: int) -> dict[str, Any]:
    """Both networks' steps in turns."""
    torch.manual_seed(0)
    theirs = judge(name, task)
    ours = build(described(name, task, side))
    with TemporaryDirectory() as folder:
        save_file(theirs.state_dict(), Path(folder) / "weights.safetensors")
        load_weights(ours, Path(folder) / "weights.safetensors")
    x = torch.randn(batch, 3, side, side).contiguous(memory_format=torch.channels_last)
    both = [one.train().to(memory_format=torch.channels_last) for one in (ours, theirs)]
    still(both)
    outputs = [step(one, x)[1] for one in both]
    seconds = [[step(one, x)[0] for one in both] for _ in range(rounds)]
    mine, other = ([round(1000 * row[k], 1) for row in seconds] for k in (0, 1))
    return {
        "network": name,
        "task": task,
        "side": side,
        "batch": batch,
        "median_ms": {"ours": median(mine), "torchvision": median(other)},
        "ratio": round(median(a / b for a, b in seconds), 3),
        "same": bool(torch.equal(*outputs)),
    }


def described(name: str, task: str, side: int) -> Arch:
    """Ours, in torchvision's dialect."""
    arch = find(name, resolution=side)
    return with_head(arch, "segment", 21, head="lraspp", reading="torchvision") if task == "segment" else arch


def judge(name: str, task: str) -> nn.Module:
    """Theirs."""
    if task == "segment":
        return models.segmentation.lraspp_mobilenet_v3_large(weights=None, weights_backbone=None)
    return getattr(models, name)()


def still(networks: list[nn.Module]) -> None:
    """Take chance out of the outputs."""
    for network in networks:
        for module in network.modules():
            if isinstance(module, nn.Dropout):
                module.p = 0.0


def step(network: nn.Module, x: Tensor) -> tuple[float, Tensor]:
    """Seconds of a step, and what the network gave."""
    network.zero_grad(set_to_none=True)
    begun = time.perf_counter()
    y = network(x)
    found: Tensor = y["out"] if isinstance(y, dict) else y
    found.square().sum().backward()
    return time.perf_counter() - begun, found.detach()


if __name__ == "__main__":
    run_script(main)
