"""What an operator does with a running gateway's data: reconcile orders, erase people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli.base import DEFAULT_CONFIG, ConfigOption, StoreOption, app
from gateway.settings import Settings, load_settings

if TYPE_CHECKING:
    from gateway.ops.errands import Errand
    from gateway.ops.screen import Screen


@app.command()
def reconcile(
    config: ConfigOption = DEFAULT_CONFIG,
    store: StoreOption = None,
    since: Annotated[
        str, typer.Option(help="How far back to look for orders that were placed or changed, such as 30m, 6h or 7d.")
    ] = "7d",
    send: Annotated[bool, typer.Option("--send", help="Send what is missing.")] = False,
) -> int:
    """Compare Shopify's orders with what was delivered.

    Tells how many were sent, are missing, or are deliberately not sent and why; ends with 1 while any is missing. Needs
    access to the shop's Admin API. While a gateway is running, it does the work.
    """
    from gateway.ops.errands import Reconcile
    from gateway.ops.reconcile import choose_shops, parse_since

    since_s = parse_since(since)
    settings = load_settings(config)
    return _run(settings, Reconcile(tuple(shop.id for shop in choose_shops(settings, store)), since_s, send))


@app.command()
def erase(
    config: ConfigOption = DEFAULT_CONFIG,
    store: StoreOption = None,
    email: Annotated[str | None, typer.Option(help="The person's email address.")] = None,
    phone: Annotated[str | None, typer.Option(help="Their phone number, with its country code.")] = None,
    customer: Annotated[str | None, typer.Option(help="Their customer id in Shopify.")] = None,
    visitor: Annotated[str | None, typer.Option(help="The id of one of their visitors.")] = None,
) -> int:
    """Erase a person's data and print what was erased.

    Visitors, links, events and what waits to be sent are gone for good; of their orders the bare numbers stay, so that
    none is told again. While a gateway is running, it does the work.
    """
    from gateway.ops.erase import parse_person
    from gateway.ops.errands import Erase, choose_stores

    person = parse_person(email, phone, customer, visitor)
    settings = load_settings(config)
    return _run(settings, Erase(tuple(shop.id for shop in choose_stores(settings, store)), person))


def _run(settings: Settings, errand: Errand) -> int:
    """The errand is done, here or by the running gateway, and shown; the exit code."""
    import asyncio

    from gateway.ops.screen import Screen

    screen = Screen()
    asyncio.run(_show(settings, errand, screen))
    return screen.tally.exit_code


async def _show(settings: Settings, errand: Errand, screen: Screen) -> None:
    from gateway.clock import now_ms
    from gateway.ops.control import open_desk

    async with open_desk(settings, now_ms) as desk:
        with screen.progress():
            async for report in desk.run(errand):
                screen.show(report)
        screen.finish(is_serving=desk.is_serving)
