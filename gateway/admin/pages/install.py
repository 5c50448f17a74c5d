"""What to paste where, and which pieces already work: `tag-gateway install` with copy buttons and live ticks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.admin.page import Page, View


async def show(view: View) -> Mapping[str, Any]:
    """The steps of this store."""
    return {"steps": view.backend.build_install(view.shop)}


PAGE = Page("install", "Install", show)
