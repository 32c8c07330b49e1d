"""Everything a run folder says, read once; what a stage has not written yet is empty."""

import csv
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from mobilenets.arch import cost
from mobilenets.arch.codec import loads
from mobilenets.arch.cost import Cost
from mobilenets.arch.spec import Arch
from mobilenets.base.errors import ArchError, RunError
from mobilenets.base.run import Run, read, read_config

Row = dict[str, float | None]
METRICS = {"classify": "top1", "detect": "mAP50", "segment": "mIoU", "embed": "recall1"}


class Limit(NamedTuple):
    """A budget: an amount of a unit, and what was reached, None while that is not known."""

    amount: float
    unit: str = "ms"
    reached: float | None = None


@dataclass(frozen=True)
class Facts:
    """The documents of a run folder as they were written; `metrics` holds one row of numbers per epoch."""

    run: Run
    config: dict[str, Any] = field(default_factory=dict)
    env: dict[str, Any] = field(default_factory=dict)
    status: dict[str, Any] = field(default_factory=dict)
    dataset: dict[str, Any] = field(default_factory=dict)
    card: dict[str, Any] = field(default_factory=dict)
    choice: dict[str, Any] = field(default_factory=dict)
    adaptation: dict[str, Any] = field(default_factory=dict)
    ways: dict[str, Any] = field(default_factory=dict)
    search: dict[str, Any] = field(default_factory=dict)
    finalists: dict[str, Any] = field(default_factory=dict)
    result: dict[str, Any] = field(default_factory=dict)
    metrics: tuple[Row, ...] = ()
    arch: Arch | None = None

    @property
    def task(self) -> str:
        """What was learned: classify, detect, segment or embed."""
        said = self.result.get("task") or self.card.get("task") or self.config.get("task")
        return said if said in METRICS else "classify"

    @property
    def metric(self) -> str:
        """The name of the metric that decides, as files have it."""
        return METRICS[self.task]

    @property
    def labels(self) -> list[str]:
        """Class names in the model's order, else the data's; empty when nothing says them."""
        return self.card.get("labels") or self.dataset.get("labels") or []

    @property
    def cost(self) -> Cost | None:
        """Parameters, MACs and peak activation bytes of the network."""
        return cost(self.arch) if self.arch else None

    @property
    def weights(self) -> str | None:
        """What the training began with: a description, "none" for from scratch, None when not known."""
        return self.result.get("weights") or self.card.get("weights") or self.config.get("weights")

    @property
    def teacher(self) -> str | None:
        """From what other network it learned, if from any."""
        return self.result.get("teacher") or self.card.get("teacher")

    @property
    def artifact(self) -> Path | None:
        """The file that was reached: the exported one, else the trained weights."""
        if name := self.result.get("artifact"):
            return self.run.folder / str(name)
        return self.run.weights if self.run.weights.exists() else None

    @property
    def size(self) -> int | None:
        """Bytes of the artifact, None when it is not there."""
        return self.artifact.stat().st_size if self.artifact and self.artifact.is_file() else None

    @property
    def best(self) -> Row | None:
        """The epoch whose weights the training keeps, by the rule of the training itself."""
        from mobilenets.training.progress import best_row, highest_row

        name = self.metric
        rows = [
            {**row, "val_loss": row.get("val_loss") or 0.0}
            for row in self.metrics
            if 0 <= (-1.0 if (value := row.get(name)) is None else value) <= 1
        ]
        if not rows:
            return None
        held = self.splits.get("val")
        return best_row(rows, name, held) if held else highest_row(rows, name)

    @property
    def value(self) -> float | None:
        """The metric reached, 0..1: of the exported file, else of the best epoch."""
        if (value := self.result.get("value")) is not None:
            return float(value)
        return self.best[self.metric] if self.best else None

    @property
    def root(self) -> Path:
        """The folder that files of the data lie under."""
        return Path(self.dataset.get("root") or self.dataset.get("source") or self.run.folder)

    @property
    def splits(self) -> dict[str, int]:
        """Images in each split that has any; runs of 0.1 counted them by class only."""
        counts = self.dataset.get("images") or {
            split: sum(each) for split, each in (self.dataset.get("counts") or {}).items()
        }
        return {split: n for split, n in counts.items() if n}

    @property
    def images(self) -> tuple[int | None, str]:
        """How many images the metric was measured on, and which split they are."""
        if self.result:
            return self.result.get("n"), self.result.get("split", "")
        return self.splits.get("val"), "val"

    @property
    def limit(self) -> Limit | None:
        """How much of what was allowed, and what was reached; None without a budget."""
        if (amount := self.result.get("budget")) is not None:
            return Limit(amount, self.result["unit"], self.result["reached"])
        return None if self.budget_ms is None else Limit(self.budget_ms, "ms", self.result.get("latency_ms"))

    @property
    def budget_ms(self) -> float | None:
        """The latency budget, None without one."""
        budget = self.result.get("budget_ms")
        return self.choice.get("budget_ms") if budget is None else budget


def gather(run: Run) -> Facts:
    """Read a run folder. Raises RunError when it has reached nothing yet or a file in it is broken."""
    facts = Facts(
        run=run,
        config=read_config(run) if run.config.exists() else {},
        env=read(run.folder / "env.json", {}),
        status=read(run.status, {}),
        dataset=read(run.dataset, {}),
        card=read(run.card, {}),
        choice=read(run.candidates, {}),
        adaptation=read(run.adaptation, {}),
        ways=read(run.ways, {}),
        search=read(run.search, {}),
        finalists=read(run.finalists, {}),
        result=read(run.result, {}),
        metrics=tuple(_rows(run.metrics)),
        arch=_arch(run),
    )
    if not (facts.dataset or facts.choice or facts.metrics or facts.result):
        raise RunError(f"{run.folder} has nothing to report yet; run the command that fills it first")
    return facts


def _arch(run: Run) -> Arch | None:
    """The network in arch.json, where there is one. Raises RunError."""
    try:
        return loads(run.arch.read_bytes()) if run.arch.exists() else None
    except ArchError as error:
        raise RunError(f"{run.arch}: {error}") from error


def _rows(path: Path) -> list[Row]:
    """The epochs in metrics.csv; a cell that is empty or no finite number is None."""
    if not path.exists():
        return []
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return [{key: _number(cell) for key, cell in row.items() if key} for row in csv.DictReader(file)]
    except (OSError, ValueError, csv.Error) as error:
        raise RunError(f"{path} cannot be read ({error}); delete it to have it made again") from error


def _number(cell: str | None) -> float | None:
    """A finite number, or None."""
    try:
        number = float(cell or "")
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None
