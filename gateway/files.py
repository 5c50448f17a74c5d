"""Where the files lie that are not Python: `templates/` and `static/`.

In a checkout they are folders beside the package; a wheel carries them inside it as `_templates` and `_static`
(pyproject.toml, force-include). Imports nothing of ours.
"""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).parent


def _folder(name: str) -> Path:
    packed = _PACKAGE / f"_{name}"
    return packed if packed.is_dir() else _PACKAGE.parent / name


TEMPLATES = _folder("templates")
"""Jinja templates: the config that `init` writes, the snippet, the theme tag, the dashboard's pages."""

STATIC = _folder("static")
"""What browsers download: the snippet's source, the dashboard's style and script."""
