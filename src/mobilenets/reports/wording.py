"""Numbers and facts as a person reads them; the same words on the page and in the terminal."""

from mobilenets.reports.facts import Facts
from mobilenets.reports.measures import interval

NOTHING = "–"
METRICS = {
    "top1": "top-1",
    "top5": "top-5",
    "mAP50": "mAP at IoU 0.5",
    "mAP": "COCO mAP",
    "mAP75": "mAP at IoU 0.75",
    "mIoU": "mean IoU",
    "pixel_accuracy": "pixels right",
    "recall1": "recall at 1",
    "recall5": "recall at 5",
    "recall10": "recall at 10",
    "map_at_r": "mAP at R",
}
SHARES = ("top1", "recall1")  # metrics that are a share of the images, of which chance is known


def percent(share: float | None, digits: int = 1) -> str:
    """A share from 0 to 1 in per cent."""
    return NOTHING if share is None else f"{share * 100:.{digits}f} %"


def milliseconds(value: float | None) -> str:
    """A latency with three significant digits or so."""
    return NOTHING if value is None else f"{value:.3f} ms" if value < 1 else f"{value:.2f} ms"


def count(value: float | None) -> str:
    """A whole number in groups of three."""
    return NOTHING if value is None else f"{value:,.0f}".replace(",", "\u202f")


def amount(value: float) -> str:
    """A cost without its unit: milliseconds as they are, counts in millions."""
    if value < 1e3:
        return f"{value:.3g}"
    return f"{value:.0f}" if value < 1e4 else f"{value / 1e6:.3g} M"


def millions(value: float | None) -> str:
    """A large number in millions."""
    return NOTHING if value is None else f"{value / 1e6:.2f} M" if value < 1e8 else f"{value / 1e6:.0f} M"


def metric(name: str) -> str:
    """A metric as people call it."""
    return METRICS.get(name, name)


def size(value: int | None) -> str:
    """A file size in binary units."""
    if value is None:
        return NOTHING
    return f"{value / 2**20:.2f} MiB" if value >= 2**20 else f"{value / 2**10:.1f} KiB"


def origin(facts: Facts) -> str:
    """Whether published weights were used, and a teacher."""
    taught = f"; taught by {facts.teacher}" if facts.teacher else ""
    match facts.weights:
        case None:
            return f"not recorded{taught}"
        case "none":
            return f"trained from scratch{taught}"
        case described:
            return f"fine-tuned from {described}{taught}"


def verdict(facts: Facts) -> tuple[str, str]:
    """A mood (good, bad, plain) and a few words on whether what was asked was reached."""
    met = facts.result.get("met")
    if met is not None and facts.limit is not None:
        return ("good", f"meets {allowed(facts)}") if met else ("bad", f"misses {allowed(facts)}")
    stage, state = facts.status.get("stage"), facts.status.get("state", "not finished")
    if facts.result or (state == "done" and stage == facts.config.get("verb", stage)):
        return "plain", "finished"
    return "plain", f"{stage} done, not finished" if state == "done" else state


def allowed(facts: Facts) -> str:
    """The budget."""
    limit = facts.limit
    if limit is None:
        return NOTHING
    return f"{limit.amount:g} {limit.unit}" if limit.amount < 1e4 else f"{amount(limit.amount)} {limit.unit}"


def certainty(facts: Facts) -> str:
    """What the metric was measured on, and how far chance could move it."""
    n, split = facts.images
    if facts.value is None or not n:
        return split
    if facts.metric not in SHARES:
        return f"{count(n)} {split} images{elsewhere(facts)}"
    low, high = interval(facts.value, n)
    sure = f"{low * 100:.1f} to {high * 100:.1f} % with 95 % confidence"
    return f"{sure}, {count(n)} {split} images{elsewhere(facts)}"


def elsewhere(facts: Facts) -> str:
    """Where the metric was measured, when it was not where the latency was: on another device."""
    scored = facts.result.get("scored_on")
    return f", run here by {scored}" if scored not in (None, facts.result.get("target")) else ""


def network(facts: Facts) -> str:
    """Name and input side of the network, with its width where that was chosen here."""
    if facts.arch is None:
        return facts.config.get("model") or NOTHING
    chosen = next((one for one in facts.choice.get("candidates", []) if one.get("chosen")), None)
    width = chosen["width"] if chosen else facts.config.get("width")
    if facts.ways.get("kept", "fits") != "fits" or facts.config.get("verb") in ("adapt", "search"):
        width = None  # it was made from another one
    at = f" at {facts.arch.resolution} pixels"
    return f"{facts.arch.name}{f' ×{width:g}' if width else ''}{at}"
