"""How far a revision has come with the rows that it goes through, for whoever follows the upgrade."""

from __future__ import annotations

from alembic import context


def tell(what: str, done: int, total: int) -> None:
    """Whoever called `gateway.store.database.migrate` has heard it."""
    context.config.attributes["tell"](what, done, total)
