"""A teacher for a training, and the images that it alone judges."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mobilenets.base.errors import RunError, UsageError, WeightsError, shown
from mobilenets.base.files import read_json, write_json
from mobilenets.base.run import Run, find_run

if TYPE_CHECKING:
    from torch import nn

    from mobilenets.data.dataset import Dataset
    from mobilenets.training import Teacher


@dataclass(frozen=True)
class Guidance:
    """Who teaches, if anyone, and on which images besides those with labels."""

    teacher: "Teacher | None" = None
    source: Path | None = None
    unlabelled: tuple[Path, ...] = ()
    left_out: tuple[Any, ...] = ()

    def write(self, run: Run) -> None:
        """What dataset.json says of the images without labels."""
        if self.source is None:
            return
        found = {
            "source": str(self.source),
            "images": len(self.unlabelled),
            "left_out": [{"file": one.file, "message": one.message} for one in self.left_out],
        }
        write_json(run.dataset, {**read_json(run.dataset), "unlabelled": found})


ALONE = Guidance()


def asked_of(
    teacher: "str | Path | nn.Module | Teacher | None", unlabelled: str | Path | None
) -> dict[str, str]:
    """What config.yaml says of both; nothing where there is none, as in runs of old."""
    named = opened(teacher).id if teacher is not None and not isinstance(teacher, str | Path) else teacher
    both = {"teacher": named, "unlabelled": unlabelled}
    both = {key: Path(value) if isinstance(value, str) else value for key, value in both.items()}
    return {key: str(value) for key, value in both.items() if value is not None}


def check_guidance(teacher: object, unlabelled: object, settings: dict[str, Any] | None) -> None:
    """Raise UsageError for what is of no use without a teacher; before anything is read."""
    if teacher is not None:
        return
    if unlabelled is not None:
        raise UsageError("--unlabelled gives images for a teacher to judge; name one with --teacher")
    if idle := [name for name in settings or () if name.startswith("distil_")]:
        raise UsageError(f"the setting {idle[0]} is for learning from a teacher; name one with --teacher")


def opened(given: "str | Path | nn.Module | Teacher") -> "Teacher":
    """The teacher in a run folder or a .safetensors file of ours, or a module as one.

    Raises UsageError for anything else, RunError for a run without a finished model, WeightsError.
    """
    from mobilenets.nn import load_model
    from mobilenets.training.teacher import Teacher, as_teacher

    if not isinstance(given, str | Path):
        return as_teacher(given)
    path = Path(given)
    if path.is_dir():
        path = find_run(path).weights
        if not path.exists():
            raise RunError(f"the teacher {given} has no finished model yet; run its command again to go on")
    elif not path.is_file() or path.suffix != ".safetensors":
        raise UsageError(
            f"the teacher {shown(given)} is neither a run folder nor a .safetensors file of ours; "
            "give the --out folder of a finished run on these classes"
        )
    try:
        network, card = load_model(path)
    except WeightsError as error:
        raise WeightsError(f"the teacher cannot be used: {error}") from error
    return Teacher(network, card, str(given))


def guidance(
    teacher: "str | Path | nn.Module | Teacher | None",
    unlabelled: str | Path | None,
    dataset: "Dataset",
    task: str,
) -> Guidance:
    """The teacher, known to suit the task and the classes of a dataset, and the sound images for it.

    Says which files are left out: those that cannot be read, and those that the dataset holds out.
    Raises UsageError, RunError, WeightsError, DataError for a folder without images or with more than 5 %
    that cannot be read.
    """
    from mobilenets.data.findings import tell
    from mobilenets.data.load import load_unlabelled
    from mobilenets.training.teacher import check_suits

    if teacher is None:
        return ALONE
    one = opened(teacher)
    check_suits(one, task, dataset.labels)
    if unlabelled is None:
        return Guidance(one)
    paths, left_out = load_unlabelled(Path(unlabelled), dataset)
    tell(left_out)
    return Guidance(one, Path(unlabelled), paths, tuple(left_out))
