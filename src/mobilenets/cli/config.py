"""--config FILE.yaml: options from a file, under their names with underscores; flags win over them."""

from pathlib import Path
from typing import Any

import typer

from mobilenets.base.errors import UnknownName, UsageError, shown

NOT_IN_FILES = ("config", "debug", "help")
VERB = "verb"  # in the config.yaml of a run: the command that wrote it
NOTES = ("space_sha256", "task", "val")  # in it, too, where they are no options: what was found, not asked


def read_config(context: typer.Context, path: Path | None) -> Path | None:
    """Make the values of a file the defaults of the command that is being parsed.

    They are handed on as text and read as if they had been typed; null stands for "not given".
    The config.yaml of a run is such a file.
    Raises UsageError when the file is missing, is no YAML mapping or is of another command, UnknownName for
    other keys.
    """
    if path is None:
        return None
    verb = str(context.info_name).removeprefix("mobilenets ")
    known = {
        parameter.name: parameter
        for parameter in context.command.params
        if parameter.name not in NOT_IN_FILES
    }
    defaults: dict[str, Any] = {}
    for key, value in _mapping(path).items():
        if (key == VERB and value == verb) or (key in NOTES and key not in known):
            continue
        if key == VERB:
            raise UsageError(f"{path} is of `mobilenets {shown(value)}`, this is `mobilenets {verb}`")
        if key not in known:
            raise UnknownName(f"option in {path} called", str(key), known)
        several = known[key].nargs == -1 or getattr(known[key], "multiple", False)
        if value is not None:
            defaults[key] = _texts(key, value) if several else _text(key, value)
    context.default_map = defaults
    return path


def _mapping(path: Path) -> dict[str, Any]:
    """The YAML mapping in a file."""
    import yaml

    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"--config {path} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError, yaml.YAMLError) as error:
        raise UsageError(f"--config {path} is not YAML ({' '.join(str(error).split())})") from error
    if document is not None and not isinstance(document, dict):
        raise UsageError(f"--config {path} must hold lines like `seed: 1`, got {shown(document)}")
    return {str(key): value for key, value in (document or {}).items()}


def _text(key: str, value: Any) -> str:
    """One value as a person would type it."""
    match value:
        case dict() | list():
            raise UsageError(f"{key} must be one value, got {shown(value)}")
        case bool() | None:
            return {True: "true", False: "false", None: "null"}[value]
        case _:
            return str(value)


def _texts(key: str, value: Any) -> list[str]:
    """The values of an option that may be given several times: a list, keys with values, or one value."""
    match value:
        case dict():
            return [f"{name}={_text(name, item)}" for name, item in value.items()]
        case list():
            return [_text(key, item) for item in value]
        case _:
            return [_text(key, value)]
