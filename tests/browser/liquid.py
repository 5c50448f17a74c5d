"""As much of Liquid as the theme tag is written in, to see it rendered. What it does not know, it refuses."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator
from typing import Any

_TOKEN = re.compile(r"(\s*\{[{%]-|\{[{%])(.*?)(-[%}]\}\s*|[%}]\})", re.DOTALL)


def _json(value: Any) -> str:
    """As Shopify's: HTML's own characters are escaped."""
    text = json.dumps(value)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


_FILTERS: dict[str, Callable[..., Any]] = {
    "json": _json,
    "append": lambda value, more: _to_text(value) + more,
    "strip": lambda value: _to_text(value).strip(),
    "downcase": lambda value: _to_text(value).lower(),
    "sha256": lambda value: hashlib.sha256(_to_text(value).encode()).hexdigest(),
}


def render_liquid(template: str, **values: Any) -> str:
    """The template filled. Raises: KeyError for a filter, ValueError for a tag that is not known here."""
    tokens = list(_tokens(template))
    return _Block(tokens).render(values)


def _tokens(template: str) -> Iterator[tuple[str, str]]:
    """("text", …), ("value", …) and ("tag", …) in order."""
    end = 0
    for found in _TOKEN.finditer(template):
        yield "text", template[end : found.start()]
        yield ("value" if "{{" in found[1] else "tag"), found[2].strip()
        end = found.end()
    yield "text", template[end:]


class _Block:
    """The tokens not yet read; blocks within are read by calling themselves."""

    def __init__(self, tokens: list[tuple[str, str]]) -> None:
        self._tokens = tokens
        self._at = 0

    def render(self, values: dict[str, Any], *, is_shown: bool = True) -> str:
        """Everything up to the end, or to a tag that ends or divides the block this was called for."""
        out = []
        while self._at < len(self._tokens):
            kind, text = self._tokens[self._at]
            name = text.partition(" ")[0] if kind == "tag" else ""
            if name == "else" or name.startswith("end"):
                break
            self._at += 1
            out.append(self._one(kind, name, text, values, is_shown))
        return "".join(out)

    def _one(self, kind: str, name: str, text: str, values: dict[str, Any], is_shown: bool) -> str:
        rest = text.partition(" ")[2]
        if kind != "tag":
            return text if kind == "text" else _to_text(_evaluate(text, values)) if is_shown else ""
        if name in ("if", "unless"):
            return self._choose(bool(_test(rest, values)) == (name == "if"), values, is_shown)
        if name == "for":
            return self._repeat(rest, values, is_shown)
        if name == "comment":
            self.render(values, is_shown=False)
            return self._close("")
        if name == "assign":
            target, _, said = rest.partition("=")
            values[target.strip()] = _evaluate(said, values)
            return ""
        raise ValueError(f"unknown tag: {name}")

    def _choose(self, is_first: bool, values: dict[str, Any], is_shown: bool) -> str:
        first = self.render(values, is_shown=is_shown and is_first)
        second = ""
        if self._tokens[self._at][1] == "else":
            self._at += 1
            second = self.render(values, is_shown=is_shown and not is_first)
        return self._close(first if is_first else second)

    def _repeat(self, rest: str, values: dict[str, Any], is_shown: bool) -> str:
        found = re.fullmatch(r"(\w+) in ([\w.]+)(?: limit: (\d+))?", rest)
        assert found, rest
        items = (_look_up(found[2], values) or [])[: int(found[3] or 250)] if is_shown else []
        start, out = self._at, []
        for number, item in enumerate(items, 1):
            self._at = start
            out.append(self.render({**values, found[1]: item, "forloop": {"last": number == len(items)}}))
        if not items:
            self.render(values, is_shown=False)
        return self._close("".join(out))

    def _close(self, text: str) -> str:
        assert self._tokens[self._at][1].startswith("end"), self._tokens[self._at]
        self._at += 1
        return text


def _evaluate(said: str, values: dict[str, Any]) -> Any:
    first, *filters = said.split("|")
    value = _look_up(first.strip(), values)
    for one in filters:
        name, _, argument = one.strip().partition(": ")
        value = _FILTERS[name](value, *([_look_up(argument, values)] if argument else []))
    return value


def _test(said: str, values: dict[str, Any]) -> bool:
    left, operator, right = (*said.split(), "", "")[:3]
    if not operator:
        return _look_up(left, values) not in (None, False)
    assert operator == "!=", said
    return _look_up(left, values) != _look_up(right, values)


def _look_up(path: str, values: dict[str, Any]) -> Any:
    if path.startswith('"'):
        return path.strip('"')
    value: Any = values
    for name in path.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _to_text(value: Any) -> str:
    return "" if value is None else str(value)
