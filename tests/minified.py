"""Writes static/*.min.js from the scripts that stores load: `make static`. A test tells when that was forgotten."""

from __future__ import annotations

from pathlib import Path

import minify  # type: ignore[import-untyped]

from gateway.files import STATIC

SCRIPTS = ("snippet.js", "shopify.js")


def build_minified(name: str) -> str:
    """The script static/`name` without comments and long names."""
    minify.config({"js-version": 2018})
    return f"{minify.string('text/javascript', (STATIC / name).read_text('utf-8'))}\n"


def to_path(name: str) -> Path:
    """Where the minified script stands."""
    return (STATIC / name).with_suffix(".min.js")


if __name__ == "__main__":
    for script in SCRIPTS:
        to_path(script).write_text(build_minified(script), "utf-8")
