"""Fine-tuning from few images, beside torchvision's reference recipe given the same wall time.

Ours: `mobilenets fit` on the first 500 training and 200 test images of each CIFAR-10 class, MobileNetV2 with
the published ImageNet weights, 96 pixels; the figure is the top-1 of the .tflite file in LiteRT, the time all
of it, from the command to the report. The peer: the same network, weights, images and size in the loop of
torchvision's references/classification (SGD with momentum 0.9, V2's published weight decay 4e-5 and learning
rate 0.045 per 256 images, falling by 0.98 each epoch, batches of 32, random resized crop and flip), evaluated
after each epoch on the test images; its best epoch counts.

    python benchmarks/finetune.py [--data cifar10.zip] [--weights FILE.pth]

Appends one line of JSON to benchmarks/results/finetune.jsonl and prints it. A killed run resumes ours.
"""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torchvision import datasets, models
from torchvision.transforms import v2

from material import ARCHIVES, DATA, published, unpacked
from mobilenets.base.files import write_json
from mobilenets.base.run import environment
from telling import run_script, tell

HOME = Path(__file__).parent / "results"
RESULTS = HOME / "finetune.jsonl"
SIDE = 96


def ours(data: Path, weights: Path, out: Path) -> dict[str, Any]:
    """`mobilenets fit`, timed as a whole; a finished one is read again from its file."""
    kept = out.with_suffix(".json")
    if kept.exists():
        return json.loads(kept.read_text())
    pinned = ["--model", "mobilenet_v2", "--weights", str(weights), "--resolution", str(SIDE)]
    command = [
        sys.executable,
        "-m",
        "mobilenets",
        "fit",
        str(data),
        *pinned,
        "--budget",
        "100ms",
        "--out",
        str(out),
    ]
    start = time.perf_counter()
    done = subprocess.run([*command, "--json"], stdout=subprocess.PIPE, check=True, text=True)
    result = {**json.loads(done.stdout), "seconds": time.perf_counter() - start}
    write_json(kept, result)
    return result


def reference(data: Path, weights: Path, seconds: float) -> dict[str, Any]:
    """The loop of torchvision's references until the time is up; evaluation is not counted as time."""
    torch.manual_seed(0)
    normal = [v2.ToImage(), v2.ToDtype(torch.float32, scale=True),
              v2.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))]  # fmt: skip
    augment = v2.Compose([v2.RandomResizedCrop(SIDE), v2.RandomHorizontalFlip(), *normal])
    plain = v2.Compose([v2.Resize(SIDE), v2.CenterCrop(SIDE), *normal])
    train = datasets.ImageFolder(str(data / "train"), augment)
    test = torch.utils.data.DataLoader(datasets.ImageFolder(str(data / "test"), plain), 100)
    net = models.mobilenet_v2()
    net.load_state_dict(torch.load(weights, weights_only=True))
    net.classifier[1] = nn.Linear(net.last_channel, len(train.classes))
    batch = 32
    optimiser = torch.optim.SGD(net.parameters(), lr=0.045 * batch / 256, momentum=0.9, weight_decay=4e-5)
    schedule = torch.optim.lr_scheduler.StepLR(optimiser, 1, 0.98)
    spent, epochs, best = 0.0, 0, 0.0
    while spent < seconds:
        net.train()
        start = time.perf_counter()
        for images, labels in torch.utils.data.DataLoader(train, batch, shuffle=True, drop_last=True):
            loss = nn.functional.cross_entropy(net(images), labels)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            if spent + time.perf_counter() - start > seconds:
                break
        schedule.step()
        spent += time.perf_counter() - start
        epochs += 1
        best = max(best, accuracy(net, test))
        print(f"reference: epoch {epochs}, {spent:.0f} s, best top-1 {best:.4f}", file=sys.stderr, flush=True)
    return {"top1": best, "epochs": epochs, "seconds": spent}


@torch.no_grad()
def accuracy(net: nn.Module, batches: torch.utils.data.DataLoader) -> float:
    """Top-1 over all batches."""
    net.eval()
    hits = [(net(images).argmax(1) == labels).float() for images, labels in batches]
    return float(torch.cat(hits).mean())


def main() -> None:
    """Run both and print the comparison."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, help="cifar10.zip; by default that in $MOBILENETS_DATA")
    parser.add_argument("--weights", type=Path, default=None)
    parser.add_argument(
        "--folder", type=Path, default=HOME / "finetune", help="where images and the run are kept"
    )
    given = parser.parse_args()
    weights = given.weights or published()
    data = unpacked("embed", given.data or DATA / ARCHIVES["embed"], given.folder)
    mine = ours(data, weights, given.folder / "run")
    peer = reference(data, weights, mine["seconds"])
    line = {
        "benchmark": "finetune",
        "ours": mine,
        "reference": peer,
        "ahead_points": 100 * (mine["value"] - peer["top1"]),
        "environment": environment(),
    }
    tell(line, RESULTS)


if __name__ == "__main__":
    run_script(main)
