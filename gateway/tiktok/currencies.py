"""The currencies TikTok takes; asked by `gateway.tiktok.payload` on the way out."""

from __future__ import annotations

_CODES = """
AED ARS AUD BDT BHD BIF BOB BRL CAD CHF CLP CNY COP CRC CZK DKK DZD EGP EUR GBP GTQ HKD HNL HUF IDR ILS INR ISK JPY
KES KHR KRW KWD KZT MAD MOP MXN MYR NGN NIO NOK NZD OMR PEN PHP PKR PLN PYG QAR RON RUB SAR SEK SGD THB TRY TWD UAH
USD VES VND ZAR
"""

CURRENCIES = frozenset(_CODES.split())
"""What becomes of any other is not documented. Source: Events API 2.0, `currency` (spec 2.4, read 2026-09)."""
