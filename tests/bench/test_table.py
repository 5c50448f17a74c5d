"""The pages of the bench tell everything that is measured."""

from __future__ import annotations

from bench.table import ORDER, RESULTS


def test_the_bench_s_page_names_every_measure():
    page = (RESULTS.parent / "README.md").read_text()
    assert [name for name in ORDER if f"\n| `{name}` |" not in page] == []
