"""`mobilenets predict`."""

from pathlib import Path
from typing import Annotated, Any, Unpack

import typer

from mobilenets.cli import options
from mobilenets.cli.output import percent, table


def predict(
    model: options.Model,
    images: Annotated[
        list[Path], typer.Argument(metavar="IMAGES", help="Image files, folders of them, or video files.")
    ],
    *,
    top: Annotated[int, typer.Option(metavar="N", help="How many classes to give for each image.")] = 1,
    score: Annotated[
        float | None, typer.Option(metavar="SHARE", help="Boxes from this score on; 0.3 if not given.")
    ] = None,
    nms: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="By whose rules boxes compete: file (as exported files do), mediapipe or torchvision.",
        ),
    ] = None,
    window: options.Window = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH",
            help="Also write them: a .csv or .json file, a folder for drawn images and videos, or an .mp4 "
            "file for one video.",
        ),
    ] = None,
    target: options.Where = None,
    **named: Unpack[options.Named],
) -> dict[str, Any]:
    """Tell what is on images and videos.

    The model says what is told: classes, boxes or masks. Of a video each frame is drawn and listed.

    For example:

      mobilenets predict runs/photos new/*.jpg --top 3

      mobilenets predict runs/photos/exports/model.tflite new --out new.csv

      mobilenets predict runs/cells smear.jpg --score 0.5 --out drawn

      mobilenets predict runs/street drive.mp4 --out seen.mp4
    """
    from mobilenets.jobs.predict import predict as job

    return job(
        model,
        images,
        top=top,
        score=score,
        nms=nms,
        window=window,
        out=out,
        target=target,
        **named,
    )


def show(document: dict[str, Any]) -> None:
    """A line per image and class or box, the surest first; for a video a line per class."""
    stills = [row for row in document["predictions"] if "frames" not in row]
    if stills:
        kind = next((key for key in ("boxes", "shares") if key in stills[0]), "classes")
        {"boxes": _show_boxes, "shares": _show_shares, "classes": _show_classes}[kind](stills)
    for clip in (row for row in document["predictions"] if "frames" in row):
        _show_video(clip)


def _show_classes(rows: list[dict[str, Any]]) -> None:
    """Images with their classes."""
    cells = [
        (row["file"], guess["label"], percent(guess["score"]))
        for row in rows
        for guess in row.get("top", [row])
    ]
    table(("image", "class", "score"), cells, right=(2,))


def _show_boxes(rows: list[dict[str, Any]]) -> None:
    """Images with their boxes; one without any has a line too."""
    cells = [
        (row["file"], box["label"], percent(box["score"]), *(f"{side:.0f}" for side in box["box"]))
        for row in rows
        for box in row["boxes"]
    ]
    cells += [(row["file"], "nothing found", "", "", "", "", "") for row in rows if not row["boxes"]]
    order = {row["file"]: place for place, row in enumerate(rows)}
    cells.sort(key=lambda cell: order[cell[0]])
    table(("image", "class", "score", "x1", "y1", "x2", "y2"), cells, right=(2, 3, 4, 5, 6))


def _show_shares(rows: list[dict[str, Any]]) -> None:
    """Images with the classes of their pixels."""
    cells = [
        (row["file"], share["label"], percent(share["share"])) for row in rows for share in row["shares"]
    ]
    table(("image", "class", "pixels"), cells, right=(2,))


def _show_video(clip: dict[str, Any]) -> None:
    """What was seen in a video."""
    print(f"{clip['file']}: {clip['frames']:,} frames, {clip['seconds']:.1f} s")
    cells = [(one["label"], f"{one['frames']:,}", percent(one["highest"])) for one in clip["classes"]]
    table(("class", "frames", "highest"), cells, right=(1, 2))
    if "video" in clip:
        print(f"drawn: {clip['video']}")
