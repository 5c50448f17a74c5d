"""`python -m gateway.demo.fake_tiktok`: a fake Events API as a process of its own, steered over HTTP."""

from __future__ import annotations

import argparse

from gateway.demo.fake_tiktok import serving
from gateway.demo.fake_tiktok.server import FakeTikTok


def main() -> None:
    """Prints the base URL, then serves until interrupted."""
    parser = argparse.ArgumentParser(prog="python -m gateway.demo.fake_tiktok", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="the port on 127.0.0.1; 0 picks a free one")
    parser.add_argument("--pixel", action="append", metavar="CODE=TOKEN", help="a pixel and its access token")
    parser.add_argument("--keep", type=int, default=100_000, help="how many requests and events to remember")
    args = parser.parse_args()
    pixels = dict(pixel.split("=", 1) for pixel in args.pixel or ())
    sock, url = serving.bind(args.port)
    print(url, flush=True)
    serving.run(FakeTikTok(pixels, keep=args.keep).app, sock)


if __name__ == "__main__":
    main()
