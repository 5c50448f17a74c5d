"""A TikTok Events API for demonstrations and tests: stricter than TikTok, and it misbehaves on request.

A real HTTP server on loopback, as the gateway meets it on its way out. `schema` says what it takes, `ledger` counts
events and their twins as TikTok does, `moods` are its bad days, `server` puts them together, `serving` runs it.
`python -m gateway.demo.fake_tiktok --port 9000` runs one as a process of its own.
"""

from gateway.demo.fake_tiktok.ledger import Recorded
from gateway.demo.fake_tiktok.moods import Mood
from gateway.demo.fake_tiktok.server import DEMO_PIXEL, DEMO_TOKEN, FakeTikTok, Seen

__all__ = ["DEMO_PIXEL", "DEMO_TOKEN", "FakeTikTok", "Mood", "Recorded", "Seen"]
