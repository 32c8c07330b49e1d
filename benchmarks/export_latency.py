"""Is our exported V3-Large as quick in LiteRT as torchvision's own through the same converter?

    python benchmarks/export_latency.py [--runs 200] [--fresh]

Both have the same weights. Ours is the file that `export` writes: raw pixels (1, 224, 224, 3) in,
normalisation and softmax inside. Theirs is torchvision's module as litert-torch makes it with
`to_channel_last_io`: an already normalised image (1, 224, 224, 3) in, logits out; ours does a little more.
The files are kept in the cache folder, and `--fresh` converts again. Both run in turns on litert:cpu:1.
Prints one JSON document and appends it to benchmarks/results/export_latency.jsonl; exits with 1 when the
median paired ratio ours / theirs is above the wanted one.
"""

import argparse
import sys
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import torch
import torchvision

from mobilenets.arch.card import Card
from mobilenets.arch.preprocess import Preprocess
from mobilenets.arch.zoo import find
from mobilenets.base.files import cache_folder, replacing
from mobilenets.base.run import environment
from mobilenets.bench import measure_interleaved, paired_ratio
from mobilenets.exporters import export
from mobilenets.nn import build
from mobilenets.runtimes import open_session, parse_target
from mobilenets.runtimes.quiet import quiet
from mobilenets.weights import load_weights
from telling import tell

WANTED = 1.02  # at most
TARGET = parse_target("litert:cpu:1")
RESULTS = Path(__file__).parent / "results" / "export_latency.jsonl"


def main() -> None:
    """Convert both or take them from the cache, measure in turns, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=200, help="interleaved runs of each")
    parser.add_argument("--fresh", action="store_true", help="convert again")
    given = parser.parse_args()
    packages = environment()["packages"]
    folder = (
        cache_folder() / "export_latency" / "_".join(packages[name] for name in ("torch", "litert-torch"))
    )
    ours, theirs = folder / "ours.tflite", folder / "torchvision.tflite"
    if given.fresh or not (ours.exists() and theirs.exists()):
        convert(ours, theirs)
    sessions = {name: open_session(path, TARGET) for name, path in (("ours", ours), ("torchvision", theirs))}
    timings = measure_interleaved(sessions, rounds=given.runs, warmup=30)
    ratio = paired_ratio(timings["ours"], timings["torchvision"])
    result = {
        "ratio": round(ratio, 4),
        "wanted": WANTED,
        "target": str(TARGET),
        **{name: timing.as_dict() for name, timing in timings.items()},
        "environment": environment(),
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    tell(result, RESULTS)
    sys.exit(0 if ratio <= WANTED else 1)


def convert(ours: Path, theirs: Path) -> None:
    """Write both files, with the same weights."""
    with quiet():
        import litert_torch

    torch.manual_seed(0)
    judge = torchvision.models.mobilenet_v3_large().eval()
    settle(judge)
    arch = find("mobilenet_v3_large")
    network = build(arch).eval()
    weights = theirs.with_name("weights.pth")
    weights.parent.mkdir(parents=True, exist_ok=True)
    torch.save(judge.state_dict(), weights)
    load_weights(network, weights)
    x = torch.rand(1, 3, 224, 224)
    assert torch.equal(network(x), judge(x)), "the two must be the same network"
    record = Preprocess(crop=224, resize=256)
    card = Card("classify", arch, tuple(f"class {i}" for i in range(1000)), record)
    samples = np.random.default_rng(0).integers(0, 256, (4, 224, 224, 3), dtype=np.uint8)
    export(network, card, ours, "litert", samples)
    wrapped = litert_torch.to_channel_last_io(judge, args=[0]).eval()
    with replacing(theirs) as draft, quiet():
        draft.write_bytes(litert_torch.convert(wrapped, (torch.rand(1, 224, 224, 3),)).model_content())


def settle(module: torch.nn.Module) -> None:
    """Give every batch norm statistics of a trained network's size, so that no value dies or overflows."""
    for part in module.modules():
        if isinstance(part, torch.nn.BatchNorm2d):
            part.running_mean.normal_(0, 0.1)
            part.running_var.uniform_(0.5, 1.5)


if __name__ == "__main__":
    main()
