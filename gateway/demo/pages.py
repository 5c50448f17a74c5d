"""Renders the demo store's pages from templates/demo. Called by `storefront`."""

from __future__ import annotations

from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from starlette.responses import HTMLResponse

from gateway.demo.catalogue import CATALOGUE, CURRENCY
from gateway.demo.site import Site
from gateway.files import TEMPLATES


class Pages:
    """The templates, filled with what every page shows."""

    def __init__(self, site: Site) -> None:
        self._environment = Environment(
            loader=FileSystemLoader(TEMPLATES / "demo"),
            autoescape=select_autoescape(),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.filters |= {"money": to_money}
        self._environment.globals |= {"site": site, "catalogue": CATALOGUE, "currency": CURRENCY}

    def render(self, name: str, *, status: int = 200, **values: Any) -> HTMLResponse:
        """The page `name`.html; browsers keep no copy, as each visit is another experiment."""
        html = self._environment.get_template(f"{name}.html").render(values)
        return HTMLResponse(html, status, {"cache-control": "no-store"})


def to_money(cents: int) -> str:
    """A price as it is shown: 1850 cents are €18.50."""
    return f"€{cents / 100:,.2f}"
