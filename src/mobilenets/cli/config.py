"""--config FILE.yaml: options from a file, under their names with underscores; flags win over them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer

from mobilenets.base.errors import UnknownName, UsageError, shown
from mobilenets.cli.options import Training

NOT_IN_FILES = ("config", "debug", "help")
SETTINGS = "settings"  # of a training, which are given one by one
VERB = "verb"  # in the config.yaml of a run: the command that wrote it
# in it, too, where they are no options: what was found or settled, not asked
NOTES = ("space_sha256", "task", "tolerance", "val")


@dataclass(frozen=True)
class Config:
    """The training settings of a file, by name, as they would be typed. Its other options are defaults."""

    settings: Mapping[str, str]

    def beneath(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """What a command was given, with those settings that it names neither by a flag nor with --set."""
        typed = list(values["settings"] or ())
        named = {text.partition("=")[0].strip().replace("-", "_") for text in typed}
        named |= {name for name in Training.__annotations__ if values[name] is not None}
        more = [f"{name}={text}" for name, text in self.settings.items() if name not in named]
        return {**values, "settings": [*more, *typed] or None}


def read_config(context: typer.Context, path: Path | None) -> Config | None:
    """Make the values of a file the defaults of the command that is being parsed, but for its settings.

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
    settings: dict[str, str] = {}
    for key, value in _mapping(path).items():
        if (key == VERB and value == verb) or (key in NOTES and key not in known):
            continue
        if key == VERB:
            raise UsageError(f"{path} is of `mobilenets {shown(value)}`, this is `mobilenets {verb}`")
        if key not in known:
            raise UnknownName(f"option in {path} called", str(key), known)
        if key == SETTINGS and isinstance(value, dict):
            settings |= {str(name): _setting(str(name), item) for name, item in value.items()}
            continue
        if key != SETTINGS and SETTINGS in known and key in Training.__annotations__ and value is not None:
            settings[key] = _setting(key, value)
            continue
        several = known[key].nargs == -1 or getattr(known[key], "multiple", False)
        if value is not None:
            defaults[key] = _texts(key, value) if several else _text(key, value)
    context.default_map = defaults
    return Config(settings)


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


def _setting(name: str, value: Any) -> str:
    """The value of a training setting as a person would type it: one value, or a list, also of lists."""
    return json.dumps(value) if isinstance(value, list) else _text(name, value)


def _texts(key: str, value: Any) -> list[str]:
    """The values of an option that may be given several times: a list, or one value."""
    match value:
        case list():
            return [_text(key, item) for item in value]
        case _:
            return [_text(key, value)]
