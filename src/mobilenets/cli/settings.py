"""Training settings from flags and from `--set key=value`."""

from collections.abc import Iterable
from typing import Any

from mobilenets.base.errors import UsageError


def collect(settings: Iterable[str] | None, **flags: Any) -> dict[str, Any] | None:
    """The settings that were given, by flags and as assignments, by name; None when there are none.

    Values of assignments are read as YAML.
    Raises UsageError for what is no assignment and for a setting that is given twice.
    """
    found = {key: value for key, value in flags.items() if value is not None}
    for assignment in settings or ():
        key, sign, text = assignment.partition("=")
        key = key.strip().replace("-", "_")
        if not sign or not key:
            raise UsageError(f"--set takes key=value, got {assignment!r}")
        if key in found:
            raise UsageError(f"the setting {key} is given twice: {found[key]} and {text}; give it once")
        found[key] = _value(key, text)
    return found or None


def _value(key: str, text: str) -> Any:
    """A YAML value; 1e-3 counts as a number too, which YAML 1.1 takes for a word."""
    import yaml

    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise UsageError(f"--set {key}={text} is no YAML value ({' '.join(str(error).split())})") from error
    if isinstance(value, str) and value[:1] in "+-.0123456789":
        try:
            return float(value)
        except ValueError:
            return value
    return value
