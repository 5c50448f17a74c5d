"""The little of GraphQL that a query for orders needs: which fields are asked for, and an answer of just those.

Used by `gateway.demo.fake_admin.server`. Fragments and directives are not understood; arguments are skipped, as the
server reads the variables they name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from msgspec import Struct

_TOKEN = re.compile(r"\w+|[{}():]")


class QueryError(Exception):
    """The query asks for what is not there."""


class Field(Struct, frozen=True):
    """A field asked for, the name to answer it under, and what is asked of it."""

    name: str
    alias: str
    fields: tuple[Field, ...] = ()


def parse_query(query: str) -> tuple[Field, ...]:
    """The fields of the query's only operation. Raises: QueryError."""
    start = query.find("{")
    tokens = _TOKEN.findall(query[start:] if start >= 0 else "")[::-1]
    try:
        tokens.pop()
        return _parse_fields(tokens)
    except IndexError:
        raise QueryError("syntax error, unexpected end of file") from None


def _parse_fields(tokens: list[str]) -> tuple[Field, ...]:
    """The fields up to the closing brace, which is taken too. Shape: `tokens` stands on its head, the next one last."""
    fields = []
    while (alias := tokens.pop()) != "}":
        name = alias
        if tokens[-1] == ":":
            tokens.pop()
            name = tokens.pop()
        if tokens[-1] == "(":
            while tokens.pop() != ")":
                pass
        inner: tuple[Field, ...] = ()
        if tokens[-1] == "{":
            tokens.pop()
            inner = _parse_fields(tokens)
        fields.append(Field(name, alias, inner))
    return tuple(fields)


def select(value: Any, fields: tuple[Field, ...], path: str = "QueryRoot") -> Any:
    """Of this value only what is asked for, under the names asked for. Raises: QueryError, naming the field."""
    if value is None:
        return None
    if isinstance(value, list):
        return [select(one, fields, path) for one in value]
    if isinstance(value, Mapping) != bool(fields):
        raise QueryError(f"Selections do not fit the type of '{path}'")
    if not fields:
        return value
    for field in fields:
        if field.name not in value:
            raise QueryError(f"Field '{field.name}' doesn't exist on type '{path}'")
    return {field.alias: select(value[field.name], field.fields, field.name) for field in fields}
