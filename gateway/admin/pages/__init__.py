"""The pages of the dashboard, in the order of its menu; the first is where the sign-in leads."""

from __future__ import annotations

from gateway.admin.pages import (
    cookies,
    failures,
    install,
    ledger,
    live,
    match_keys,
    orders,
    overview,
    recovered,
)

PAGES = (
    overview.PAGE,
    recovered.PAGE,
    orders.PAGE,
    match_keys.PAGE,
    cookies.PAGE,
    ledger.PAGE,
    live.PAGE,
    failures.PAGE,
    install.PAGE,
)
