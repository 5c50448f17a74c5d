"""Consent: what a visitor allowed, when, and who said so (contract 4.5)."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct


class ConsentMode(StrEnum):
    """How a store learns of consent."""

    SHOPIFY = "shopify"
    REQUIRED = "required"
    GRANTED = "granted"


class Consent(Struct, frozen=True, gc=False):
    """A visitor's choice. None means: not said.

    Units: `at_ms` Unix milliseconds; `source` is a short free word such as `shopify`, `banner`, `go`.
    """

    marketing: bool | None = None
    analytics: bool | None = None
    sale_of_data: bool | None = None
    source: str | None = None
    at_ms: int = 0


def is_allowed(mode: ConsentMode, consent: Consent | None) -> bool:
    """Whether this choice lets the gateway keep and send events: `granted` needs no yes, the others need one."""
    marketing = consent.marketing if consent else None
    if mode is ConsentMode.GRANTED:
        return marketing is not False
    return marketing is True
