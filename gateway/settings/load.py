"""Reads gateway.toml: TOML, then `${ENV}`, then the models; all faults are told at once.

Called by `gateway.cli` for every command that needs a configuration; hands a frozen Settings to it.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from gateway.errors import SettingsError
from gateway.settings.faults import Fault, Place, find_repeats, list_faults
from gateway.settings.model import Settings

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


def load_settings(path: Path, env: Mapping[str, str] = os.environ) -> Settings:
    """The configuration in this file, complete and sound.

    Raises: SettingsError with every fault found; show all of them.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise SettingsError((f"{path} not found: run tag-gateway init, or name it with --config",)) from None
    except UnicodeDecodeError:
        raise SettingsError((f"{path} is not UTF-8 text: save it as UTF-8",)) from None
    except OSError as error:
        raise SettingsError(
            (f"{path} cannot be read ({error.strerror}): mend that, or name another with --config",)
        ) from None
    try:
        return parse_settings(text, path.parent, env)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError((f"{path} is not valid TOML: {error}",)) from None


def parse_settings(text: str, folder: Path, env: Mapping[str, str]) -> Settings:
    """The configuration that this text says, its relative paths starting at `folder`.

    Raises: SettingsError with every fault found; tomllib.TOMLDecodeError where the text is no TOML.
    """
    tree, faults = expand_variables(tomllib.loads(text), env)
    settings, found = _validate(tree)
    told = {fault.place for fault in faults}
    faults += [fault for fault in (*found, *find_repeats(tree)) if fault.place not in told]
    if settings is None or faults:
        raise SettingsError(tuple(map(str, faults)))
    return settings.model_copy(update={"storage": settings.storage.anchored_in(folder.resolve())})


def _validate(tree: dict[str, Any]) -> tuple[Settings | None, list[Fault]]:
    """Returns instead of raising: an error raised from pydantic's would carry the refused values along."""
    try:
        return Settings.model_validate(tree), []
    except ValidationError as error:
        return None, list_faults(error, tree)


def expand_variables(value: Any, env: Mapping[str, str], place: Place = ()) -> tuple[Any, list[Fault]]:
    """The tree with each "${NAME}" replaced from `env`, and a fault for each that cannot be; there it holds None."""
    if isinstance(value, dict):
        pairs = {key: expand_variables(inner, env, (*place, key)) for key, inner in value.items()}
        return {key: inner for key, (inner, _) in pairs.items()}, [f for _, faults in pairs.values() for f in faults]
    if isinstance(value, list):
        entries = [expand_variables(inner, env, (*place, i)) for i, inner in enumerate(value)]
        return [inner for inner, _ in entries], [f for _, faults in entries for f in faults]
    if isinstance(value, str) and (found := _VARIABLE.search(value)):
        return _expand(value, found, env, place)
    return value, []


def _expand(text: str, found: re.Match[str], env: Mapping[str, str], place: Place) -> tuple[str | None, list[Fault]]:
    name = found[1]
    if found[0] != text:
        return None, [Fault(place, f"${{{name}}} must be the whole value; put all of it into one variable")]
    if name not in env:
        return None, [Fault(place, f"${{{name}}} is not set; export it before starting")]
    return env[name], []
