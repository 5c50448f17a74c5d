"""The figures behind the dashboard, read from the hours that `gateway.store.rollups` counts; never from events.

Each module answers one page: `fn(connection, scope) -> Report`, frozen and typed. Run them through `Store.read`.
"""

from gateway.store.reports.cookies import CookieReport, report_cookies
from gateway.store.reports.failures import FailureReport, report_failures
from gateway.store.reports.match_keys import MatchKeyReport, report_match_keys
from gateway.store.reports.orders import OrderReport, report_orders
from gateway.store.reports.overview import OverviewReport, report_overview
from gateway.store.reports.recovered import RecoveredReport, report_recovered
from gateway.store.reports.scope import Scope

__all__ = [
    "CookieReport",
    "FailureReport",
    "MatchKeyReport",
    "OrderReport",
    "OverviewReport",
    "RecoveredReport",
    "Scope",
    "report_cookies",
    "report_failures",
    "report_match_keys",
    "report_orders",
    "report_overview",
    "report_recovered",
]
