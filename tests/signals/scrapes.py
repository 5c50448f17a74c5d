"""Reads Prometheus' text as a scraper does."""

from __future__ import annotations

from collections.abc import Mapping

from prometheus_client.parser import text_string_to_metric_families

from tests.servers import Gateway

Samples = Mapping[tuple[str, tuple[tuple[str, str], ...]], float]


def parse(text: str) -> Samples:
    """Every sample by its name and labels."""
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def value(samples: Samples, name: str, **labels: str) -> float | None:
    """What `tag_gateway_{name}` says; None when there is no such series."""
    return samples.get((f"tag_gateway_{name}", tuple(sorted(labels.items()))))


async def scrape(gateway: Gateway, **headers: str) -> Samples:
    """The numbers as a scraper on the same machine gets them."""
    response = await gateway.request("GET", "/metrics", headers={"x-forwarded-for": None, **headers})
    assert response.status_code == 200
    return parse(response.text)


def grown(before: Samples, after: Samples) -> dict[str, float]:
    """By how much our counters grew, those that did, written as in a scrape."""
    ours = (key for key in after if key[0].startswith("tag_gateway_") and key[0].endswith(("_total", "_count")))
    return {_write(*key): more for key in ours if (more := after[key] - before.get(key, 0))}


def _write(name: str, labels: tuple[tuple[str, str], ...]) -> str:
    inner = ",".join(value for _, value in labels)
    return f"{name.removeprefix('tag_gateway_')}{{{inner}}}" if inner else name.removeprefix("tag_gateway_")
