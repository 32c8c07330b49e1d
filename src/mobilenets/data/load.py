"""From a folder to a dataset whose every file is known to decode."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path

from mobilenets.arch.spec import check_task
from mobilenets.base.console import say
from mobilenets.base.errors import DataError
from mobilenets.base.files import sha256
from mobilenets.data.dataset import ANNOTATED, Dataset, Sample
from mobilenets.data.findings import Finding, ranked, shown
from mobilenets.data.formats import find_listing, remarks
from mobilenets.data.images import has_image_suffix, inspect_all
from mobilenets.data.listing import ALL, Listing, refuse_other, relative, walk
from mobilenets.data.signs import signs
from mobilenets.data.split import split_listing
from mobilenets.data.survey import check_classes, survey, unusable

LIMIT = 0.05  # a larger share of unreadable files is an accident to look into, not a blemish


def find_source(name: str | Path) -> Path:
    """The path that `name` means: a folder or CSV, or for "signs" the embedded data set, made at first use.

    A folder of that name in the current folder comes first. Raises StorageError when the set cannot be made.
    """
    path = Path(name)
    return signs() if str(name) == "signs" and not path.exists() else path


def load_dataset(
    source: Path, val: float | None = None, seed: int = 0, task: str = "classify"
) -> tuple[Dataset, list[Finding]]:
    """The samples of `source` in their splits, for a task, and findings: an error for each file that was left
    out, and warnings about files that are not used and of the reader of boxes or masks.

    They are `Sample` for classify and embed, `BoxedSample` for detect, `MaskedSample` for segment. `val` and
    `seed` are those of `split_listing`. Every file is decoded once.
    Raises DataError when the layout does not serve, when more than 5 % of the files cannot be used, or when a
    class loses all its images in a split; UsageError when `val` is no share, UnknownName for a task.
    """
    check_task(task)
    if task in ANNOTATED:
        annotated, findings = read_annotated(source, task)
        return split_listing(annotated, val, seed), findings
    listing = find_listing(source)
    paths = [sample.path for samples in listing.files.values() for sample in samples]
    spoiled = {
        facts.path: finding
        for facts in inspect_all(paths)
        if (finding := unusable(relative(listing, facts.path), facts))
    }
    findings = ranked(spoiled.values())
    _bear(source, findings, len(findings), len(paths))
    return split_listing(_without(listing, spoiled.keys()), val, seed), [*findings, *remarks(listing)]


def read_annotated(source: Path, task: str) -> tuple[Listing, list[Finding]]:
    """The samples of `source` with boxes or masks in the splits it has, and findings as `load_dataset`'s.

    Raises DataError as `load_dataset` does.
    """
    seen = survey(task, source)
    findings = ranked(finding for finding in seen.findings if finding.level != "note")
    _bear(source, findings, seen.lost, seen.total)
    if task == "segment":
        check_classes(seen.listing)
    return seen.listing, findings


def load_unlabelled(folder: Path, dataset: Dataset) -> tuple[tuple[Path, ...], list[Finding]]:
    """The images below a folder, whatever its layout, and a finding for each that is left out.

    Those are files that cannot be used, and images that `dataset` holds out to be judged by, copies of them
    too. Every file is decoded once. Raises DataError for a folder without images and as `load_dataset` does.
    """
    refuse_other(folder, "a folder of images")
    paths = [path for path in walk(folder) if has_image_suffix(path)]
    seen = [(facts, unusable(shown(facts.path.relative_to(folder)), facts)) for facts in inspect_all(paths)]
    spoiled = ranked(finding for _, finding in seen if finding)
    _bear(folder, spoiled, len(spoiled), len(paths))
    sound = [facts for facts, finding in seen if not finding]
    sizes = {facts.path.stat().st_size for facts in sound}
    held = [sample.path for sample in (*dataset.val, *dataset.test)]
    contents = {sha256(path) for path in held if path.stat().st_size in sizes}
    kept = tuple(facts.path for facts in sound if facts.digest not in contents)
    judging = [facts.path for facts in sound if facts.digest in contents]
    if not kept:
        raise DataError(f"{folder} holds no image to learn from; give another folder, or leave it out")
    message = "the data hold it out to be judged by"
    barred = [Finding("held-out", "note", shown(p.relative_to(folder)), message, "nothing") for p in judging]
    return kept, [*spoiled, *barred]


def leave_out(problems: Mapping[Path, str], total: int) -> list[dict[str, str]]:
    """Go on without images that cannot be read, each said: its `file` and `problem`.

    Raises DataError when they are more than 5 % of `total`.
    """
    bad = [{"file": str(path), "problem": problem} for path, problem in problems.items()]
    if len(bad) > LIMIT * total:
        first = bad[0]
        raise DataError(
            f"{len(bad)} of {total} images cannot be read: first: {first['file']}, {first['problem']}"
        )
    for one in bad:
        say(f"left out {one['file']}: {one['problem']}")
    return bad


def _bear(source: Path, findings: list[Finding], lost: int, total: int) -> None:
    """Go on without some files. Raises DataError when they are too many."""
    if lost <= LIMIT * total:
        return
    share, first = 100 * lost / total, findings[0]
    raise DataError(
        f"{lost} of {total} images cannot be used ({share:.1f} %; the limit is "
        f"{100 * LIMIT:.0f} %): first: {first.file}, {first.message}; run `mobilenets doctor {source}`"
    )


def _without(listing: Listing, spoiled: Collection[Path]) -> Listing:
    """The listing less some files. Raises DataError when that takes a class out of a split."""
    kept: dict[str, tuple[Sample, ...]] = {}
    for split, samples in listing.files.items():
        kept[split] = tuple(sample for sample in samples if sample.path not in spoiled)
        lost = {sample.label for sample in samples} - {sample.label for sample in kept[split]}
        if lost:
            where = "" if split == ALL else f" in {split}"
            raise DataError(
                f"no image of class {shown(listing.labels[min(lost)])}{where} can be read; "
                f"run `mobilenets doctor {listing.root}`"
            )
    return replace(listing, files=kept)
