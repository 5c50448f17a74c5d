"""Tells crawlers from browsers by their user agent."""

from __future__ import annotations

from gateway.model.browser import read_agent


def is_bot(user_agent: str) -> bool:
    """Whether this user agent says it is a crawler, or says nothing."""
    return read_agent(user_agent).is_bot
