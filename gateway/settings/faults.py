"""Faults: everything that is wrong with a file, each as its path and a sentence that says what to do.

Called by `gateway.settings.load`. pydantic finds most of them; here they become readable and lose every trace of the
value that was refused.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from difflib import get_close_matches
from functools import cache
from itertools import pairwise
from typing import Any, NamedTuple, TypeAlias, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from gateway.settings.model import Settings

Place: TypeAlias = tuple[str | int, ...]
"""A path in the file: table and key names, and the position in a list."""


class Fault(NamedTuple):
    """One thing to mend."""

    place: Place
    sentence: str

    def __str__(self) -> str:
        return f"{to_path(self.place)}: {self.sentence}"


_SENTENCES = {
    "model_type": "must be a table, written [name]",
    "tuple_type": 'must be a list such as ["…"]; tables in a list are written [[name]]',
    "string_type": "must be text in quotes",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "finite_number": "must be a finite number",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "greater_than": "must be more than {gt:g}",
    "greater_than_equal": "must be {ge:g} or more",
    "less_than_equal": "must be {le:g} or less",
    "literal_error": "must be {expected}",
    "value_error": "{error}",
}
"""pydantic's kinds of error that our models can raise, in our words."""


def to_path(place: Place) -> str:
    """The place as one reads it in the file: `stores[0].pixels[1].code`."""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in place).removeprefix(".")


def list_faults(error: ValidationError, tree: dict[str, Any]) -> list[Fault]:
    """All that pydantic found in `tree`, in our words."""
    details = error.errors(include_url=False, include_input=False)
    return [Fault(_as_written(detail["loc"], tree), _to_sentence(detail)) for detail in details]


def _as_written(place: Place, tree: Any) -> Place:
    """The place as far as the file goes: a list that was written as one text has no positions."""
    for depth, step in enumerate(place):
        if isinstance(tree, str):
            return place[:depth]
        tree = tree.get(step) if isinstance(tree, dict) else tree[step]
    return place


def _to_sentence(detail: ErrorDetails) -> str:
    kind, place = detail["type"], detail["loc"]
    if kind == "extra_forbidden":
        return _explain_unknown(place)
    if kind == "missing":
        return f"is missing: {_describe(place)}"
    return _SENTENCES.get(kind, "is no value of this kind").format(**detail.get("ctx", {}))


def _explain_unknown(place: Place) -> str:
    table, key = _names(place[:-1]), str(place[-1])
    close = get_close_matches(key, list_tables()[table], n=1)
    if close:
        return f"unknown key; did you mean {close[0]}?"
    homes = [name for name, fields in list_tables().items() if key in fields]
    return f"unknown key; it belongs in [{'.'.join(homes[0])}]" if homes else "unknown key; remove it"


def _describe(place: Place) -> str:
    return list_tables()[_names(place[:-1])][str(place[-1])]


def _names(place: Place) -> tuple[str, ...]:
    return tuple(step for step in place if isinstance(step, str))


@cache
def list_tables() -> dict[tuple[str, ...], dict[str, str]]:
    """Every table a file may have, by its names from the root on: its keys, each with its description."""
    return dict(_walk(Settings, ()))


def _walk(model: type[BaseModel], table: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], dict[str, str]]]:
    keys = {name: field.alias or name for name, field in model.model_fields.items()}
    told = _read_docstrings(model)
    yield table, {key: told.get(name, "") for name, key in keys.items()}
    for name, field in model.model_fields.items():
        for inner in _models_in(field.annotation):
            yield from _walk(inner, (*table, keys[name]))


def _read_docstrings(model: type[BaseModel]) -> dict[str, str]:
    """What stands in the source below the settings of a table, by the setting's name."""
    [table] = ast.parse(inspect.getsource(model)).body
    assert isinstance(table, ast.ClassDef)  # noqa: S101 - no model is written any other way
    found = {}
    for setting, told in pairwise(table.body):
        if isinstance(setting, ast.AnnAssign) and isinstance(told, ast.Expr) and isinstance(told.value, ast.Constant):
            found[ast.unparse(setting.target)] = inspect.cleandoc(str(told.value.value))
    return found


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for argument in get_args(annotation) for model in _models_in(argument)]


def find_repeats(tree: dict[str, Any]) -> list[Fault]:
    """Store ids, hosts and (within one store) pixel codes that stand in the file twice.

    Looks at the file as written, so that a second store's fault elsewhere does not hide its doubled host.
    """
    stores = _entries(tree, ("stores",))
    ids = [(place, name) for store, at in stores for place, name in _texts(store, at, "id")]
    hosts = [(place, name.lower()) for store, at in stores for place, name in _texts(store, at, "host")]
    codes = [
        [
            (place, name)
            for pixel, inner in _entries(store, (*at, "pixels"))
            for place, name in _texts(pixel, inner, "code")
        ]
        for store, at in stores
    ]
    return [fault for names in (ids, hosts, *codes) for fault in _repeats(names)]


def _entries(table: dict[str, Any], place: Place) -> list[tuple[dict[str, Any], Place]]:
    """The tables in the list at `place`, whose last step is its key in `table`; what is no table is left out."""
    listed = table.get(str(place[-1]))
    if not isinstance(listed, list):
        return []
    return [(entry, (*place, position)) for position, entry in enumerate(listed) if isinstance(entry, dict)]


def _texts(table: dict[str, Any], place: Place, key: str) -> Iterator[tuple[Place, str]]:
    value = table.get(key)
    if isinstance(value, str):
        yield (*place, key), value
    elif isinstance(value, list):
        yield from (((*place, key, i), text) for i, text in enumerate(value) if isinstance(text, str))


def _repeats(names: list[tuple[Place, str]]) -> Iterator[Fault]:
    first: dict[str, Place] = {}
    for place, name in names:
        if name in first:
            yield Fault(place, f"is the same as {to_path(first[name])}; each needs its own")
        first.setdefault(name, place)
