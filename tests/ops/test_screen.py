"""What commands show is counted right, is plain where nobody watches, and can be copied to the letter."""

from __future__ import annotations

import re

import pytest

from gateway.ops.errands import Checked, Gone, Standing, State, Trouble
from gateway.ops.install import Step
from gateway.ops.progress import LINE_EVERY
from gateway.ops.screen import LONGEST_LIST, Screen, show_steps, tell_erased
from gateway.ops.tally import Tally
from gateway.store.erase import Erased


def check(*states: State, first: int = 1, reason: str | None = None, store_id: str = "acme") -> Checked:
    """Orders of these states, numbered on from the first."""
    standings = [Standing(number, f"#{number}", state, reason) for number, state in enumerate(states, first)]
    return Checked(store_id, tuple(standings))


def tally(*reports: Checked | Gone | Trouble) -> Tally:
    added = Tally()
    for report in reports:
        added.add(report)
    return added


def test_orders_are_counted_by_state_and_reason_in_the_order_of_the_states():
    counted = tally(
        check(State.NOT_SENT, State.NOT_SENT, reason="unpaid"),
        check(State.NOT_SENT, first=3, reason="test_order"),
        check(State.SENT, State.MISSING, first=4),
    )
    assert list(counted.list_counts("acme")) == [
        (State.SENT, "", 1),
        (State.MISSING, "", 1),
        (State.NOT_SENT, "test_order", 1),
        (State.NOT_SENT, "unpaid", 2),
    ]
    assert counted.count("acme") == 5
    assert counted.list_orders("acme", State.MISSING) == ["#5"]


def test_an_order_that_comes_twice_counts_once_as_it_came_last():
    counted = tally(check(State.MISSING), check(State.SENT))
    assert list(counted.list_counts("acme")) == [(State.SENT, "", 1)]


@pytest.mark.parametrize(
    ("reports", "code"),
    [
        ([], 0),
        ([Checked("acme")], 0),
        ([check(State.SENT, State.QUEUED, State.REJECTED, State.EXPIRED, State.NOT_SENT, State.WAITING)], 0),
        ([check(State.MISSING), check(State.SENT, store_id="beta")], 1),
        ([Trouble("acme", "later", 1), check(State.SENT, store_id="beta")], 1),
        ([Trouble("acme", "never", 2), check(State.MISSING, store_id="beta")], 2),
        ([Gone("acme", Erased())], 0),
    ],
)
def test_the_exit_code_tells_of_trouble_and_of_missing_orders(reports: list[Checked], code: int):
    assert tally(*reports).exit_code == code


def test_what_was_erased_is_told_in_words():
    assert tell_erased(Erased(1, 2, 0, 0, 1)) == "erased 1 visitor, 2 links, 1 order"
    assert tell_erased(Erased()) == "nothing is known of this person"


def test_the_result_is_plain_on_stdout_and_the_progress_on_stderr(capsys: pytest.CaptureFixture[str]):
    screen = Screen()
    with screen.progress():
        screen.show(Checked("acme"))
        screen.show(check(*[State.SENT] * LINE_EVERY))
        screen.show(check(State.MISSING, first=LINE_EVERY + 1))
        screen.show(
            Trouble("beta", "[stores.shopify] lacks a secret, and that makes this line longer than any screen " * 2, 2)
        )
    screen.finish(is_serving=True)
    out, err = capsys.readouterr()
    assert [line.split() for line in out.splitlines()] == [
        ["store", "orders", "state", "why"],
        ["acme", "250", "sent"],
        ["acme", "1", "missing"],
        ["acme", "251", "in", "all"],
        ["acme,", "missing:", "#251;", "--send", "sends", "them"],
    ]
    progress, trouble = err.splitlines()
    assert progress == "acme: orders compared: 250"
    assert trouble.startswith("beta: [stores.shopify] lacks")
    assert "\x1b" not in out + err


def test_a_terminal_shows_a_bar(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    screen = Screen()
    with screen.progress():
        screen.show(check(*[State.SENT] * LINE_EVERY))
    shown = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", capsys.readouterr().err)
    assert re.search(r"acme: orders compared ━+ 250 ", shown)


def test_a_long_list_is_cut(capsys: pytest.CaptureFixture[str]):
    screen = Screen()
    screen.show(check(*[State.QUEUED] * (LONGEST_LIST + 7)))
    screen.finish(is_serving=False)
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.startswith("acme, queued now: #1, #2, ")
    assert last.endswith(f"#{LONGEST_LIST} and 7 more; they are sent once the gateway runs")


def test_what_is_to_be_pasted_is_printed_to_the_letter(capsys: pytest.CaptureFixture[str]):
    text = '<script async src="[[x]]" data-a=":smile: [bold]">' + "x" * 300 + "</script>\n\tsecond line  \n"
    show_steps("acme", [Step("Paste it", "into the theme", text, ("Take care.",)), Step("Done", "here", "nothing")])
    out = capsys.readouterr().out
    assert out.startswith(
        "== acme ==\n\n1. Paste it\n   into the theme\n\n" + text + "\n\n   ! Take care.\n\n2. Done\n"
    )
    assert "\x1b" not in out
