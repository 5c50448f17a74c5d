"""What is counted has a stable name, told in docs/signals.md, and workers of one machine count together."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.delivery.troubles import Cause
from gateway.errors import StoreUnavailable
from gateway.model.outcome import Dropped, Fate
from gateway.signals.metrics import REGISTRY, DeliveryTally, Tally, render
from gateway.signals.workers import SHARED_FOLDER, counting_together
from gateway.store import Store
from gateway.tiktok.answers import Verdict
from gateway.web.metrics import Standing, to_gauges
from tests.signals.scrapes import grown, parse, value
from tests.store.conftest import migrated  # noqa: F401 - a fixture
from tests.store.samples import NOW_MS, at_commit, make_receipt, record_together

DOCS = (Path(__file__).parents[2] / "docs/signals.md").read_text()
OURS = "tag_gateway_"
STANDING = Standing({("acme", "C0"): 3}, {"acme": 1_000}, [("acme", "credentials C0"), ("", "disk")])


def list_metrics() -> Iterator[tuple[str, tuple[str, ...]]]:
    """Every metric of ours, with its labels."""
    for metric in REGISTRY._collector_to_names:
        if name := getattr(metric, "_name", ""):
            yield name + ("_total" if metric._type == "counter" else ""), tuple(metric._labelnames)
    for gauge in to_gauges(STANDING, 5_000):
        yield gauge.name, tuple(gauge._labelnames)


def test_every_metric_is_told_with_its_labels_and_no_other():
    told = re.findall(rf"^\| `({OURS}\w+)` \| (.*?) \|", DOCS, re.MULTILINE)
    assert {(name, tuple(re.findall(r"`(\w+)`", labels))) for name, labels in told} == set(list_metrics())
    assert len(told) > 10


def test_every_metric_of_ours_is_ours_by_name():
    assert all(name.startswith(OURS) for name, _ in list_metrics())


@pytest.mark.parametrize("word", [*Dropped, *Fate, *Verdict, *Cause])
def test_every_value_of_a_label_is_told(word: str):
    assert f"`{word}`" in DOCS


def test_what_is_read_is_shown_beside_what_is_counted():
    samples = parse(render(to_gauges(STANDING, 5_000)).decode())
    assert value(samples, "pending_events", store="acme", pixel="C0") == 3
    assert value(samples, "oldest_pending_seconds", store="acme") == 4
    assert value(samples, "trouble", store="acme", cause="credentials C0") == 1
    assert value(samples, "trouble", store="", cause="disk") == 1
    assert ("process_resident_memory_bytes", ()) in samples


def test_a_request_counts_as_one_thing():
    tally = Tally("test-of-tally", "beacon")
    before = parse(render().decode())
    tally.count(204, None, 0.003)
    tally.count(204, "bot", 0.001)
    tally.count(429, None, 0.001)
    tally.count(429, "bot", 0.001)
    assert grown(before, parse(render().decode())) == {
        "accepted_total{beacon,test-of-tally}": 1,
        "dropped_total{beacon,bot,test-of-tally}": 1,
        "refused_total{beacon,429,test-of-tally}": 2,
        "request_seconds_count{beacon}": 4,
    }


def test_a_series_is_there_before_anything_happens():
    Tally("test-of-zero", "go")
    DeliveryTally("test-of-zero")
    samples = parse(render().decode())
    assert value(samples, "accepted_total", store="test-of-zero", endpoint="go") == 0
    assert value(samples, "delivery_delay_seconds_count", store="test-of-zero") == 0


def test_what_becomes_of_events_is_counted():
    tally = DeliveryTally("test-of-delivery")
    before = parse(render().decode())
    tally.answer(Verdict.ACCEPTED, 0.2)
    tally.arrive([400, 3_000])
    tally.settle([Fate.ACCEPTED, Fate.ACCEPTED, Fate.EXPIRED])
    after = parse(render().decode())
    assert grown(before, after) == {
        "tiktok_requests_total{test-of-delivery,accepted}": 1,
        "tiktok_request_seconds_count{test-of-delivery}": 1,
        "delivery_delay_seconds_count{test-of-delivery}": 2,
        "settled_events_total{accepted,test-of-delivery}": 2,
        "settled_events_total{expired,test-of-delivery}": 1,
    }
    assert value(after, "delivery_delay_seconds_bucket", store="test-of-delivery", le="0.5") == 1


def test_many_delays_count_as_each_of_them_would():
    together, alone = DeliveryTally("test-of-many"), DeliveryTally("test-of-each")
    delays_ms = [0, 499, 500, 501, 900_000, 900_001, 86_400_000, 99_999_999, 2_000, 2_000]
    together.arrive(delays_ms)
    for delay_ms in delays_ms:
        alone.arrive([delay_ms])
    samples = parse(render().decode())
    many, each = (
        {(name, *(pair for pair in labels if pair[0] != "store")): count for (name, labels), count in samples.items()
         if "delivery_delay" in name and not name.endswith("_created") and ("store", store) in labels}
        for store in ("test-of-many", "test-of-each")
    )  # fmt: skip
    assert many == each
    assert value(samples, "delivery_delay_seconds_bucket", store="test-of-many", le="0.5") == 3
    assert value(samples, "delivery_delay_seconds_bucket", store="test-of-many", le="900.0") == 7
    assert value(samples, "delivery_delay_seconds_bucket", store="test-of-many", le="+Inf") == len(delays_ms)


async def test_each_job_is_counted_with_its_commit_and_so_is_a_commit_that_fails(migrated: Path, tmp_path: Path):  # noqa: F811
    store = Store(f"sqlite:///{shutil.copy(migrated, tmp_path / 'gateway.db')}")
    await store.start(NOW_MS)
    before = parse(render().decode())
    await record_together(store, [make_receipt() for _ in range(40)])
    after = parse(render().decode())
    jobs = "tag_gateway_commit_jobs_sum", ()
    assert grown(before, after) == {"commit_jobs_count": 2, "commit_seconds_count": 2}
    assert after[jobs] - before[jobs] == 1 + 40  # one that keeps the writer busy, and those that came meanwhile
    with at_commit(fail), pytest.raises(StoreUnavailable):
        await store.record(make_receipt())
    failed = parse(render().decode())
    assert grown(after, failed) == {"commit_failures_total": 1}
    assert failed[jobs] == after[jobs]
    await store.stop()


def fail() -> None:
    raise StoreUnavailable("the disk is full")


COUNT_TWICE = """
from gateway.signals.metrics import Tally, render
Tally("acme", "beacon").count(204, None, 0.1)
Tally("acme", "beacon").count(204, None, 0.1)
print(render().decode())
"""


def test_workers_of_one_machine_show_each_others_numbers():
    with counting_together():
        shown = [run(COUNT_TWICE) for _ in range(2)]
    assert [value(parse(text), "accepted_total", store="acme", endpoint="beacon") for text in shown] == [2, 4]
    assert [value(parse(text), "request_seconds_count", endpoint="beacon") for text in shown] == [2, 4]


def test_a_process_of_its_own_counts_alone():
    shown = [run(COUNT_TWICE) for _ in range(2)]
    assert [value(parse(text), "accepted_total", store="acme", endpoint="beacon") for text in shown] == [2, 2]


def test_nothing_is_left_of_workers_that_have_ended():
    with counting_together():
        folder = Path(os.environ[SHARED_FOLDER])
        run(COUNT_TWICE)
        assert list(folder.iterdir())
    assert not folder.exists()
    assert SHARED_FOLDER not in os.environ


def run(program: str) -> str:
    return subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout
