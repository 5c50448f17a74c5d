"""The tree drawn in `gateway.errors` is the tree there is."""

from __future__ import annotations

import inspect

import pytest

from gateway import errors
from gateway.errors import GatewayError, RequestError, SettingsError, StoreError, TooMany
from gateway.web.answers import to_error

RAISED = [kind for kind in vars(errors).values() if inspect.isclass(kind) and issubclass(kind, GatewayError)]


def read_drawing() -> list[tuple[int, str]]:
    """Each class of the drawing with its depth, from top to bottom."""
    lines = (errors.__doc__ or "").splitlines()
    drawn = [
        line
        for line in lines
        if line.lstrip("│├└─ ").split(" ")[0] in vars(errors) and (line[0] in "│├└ " or line == "GatewayError")
    ]
    return [(len(line) - len(line.lstrip("│├└─ ")), line.lstrip("│├└─ ").split(" ")[0]) for line in drawn]


def list_tree(kind: type[GatewayError], depth: int = 0) -> list[tuple[int, str]]:
    """What is defined here, in the order of definition."""
    below = [inner for inner in RAISED if inner.__base__ is kind]
    return [(depth, kind.__name__), *(entry for inner in below for entry in list_tree(inner, depth + 4))]


def test_the_drawing_shows_every_exception_under_its_parent():
    assert read_drawing() == list_tree(GatewayError)


def make(kind: type[GatewayError]) -> GatewayError:
    if issubclass(kind, TooMany):
        return TooMany(7)
    return kind(("fault",)) if issubclass(kind, SettingsError) else kind("said")


@pytest.mark.parametrize("kind", [kind for kind in RAISED if issubclass(kind, RequestError)])
def test_every_refusal_is_answered_with_its_status_and_one_sentence(kind: type[RequestError]):
    answer = to_error(make(kind))
    assert answer.status == kind.status
    assert 400 <= answer.status < 500
    assert answer.body.startswith(b'{"error":"')


@pytest.mark.parametrize("kind", RAISED)
def test_what_is_no_ones_fault_outside_is_never_told_outside(kind: type[GatewayError]):
    if issubclass(kind, RequestError):
        return
    if kind is errors.StoreUnavailable:
        assert b"said" not in to_error(make(kind)).body
        return
    with pytest.raises(kind):
        to_error(make(kind))


def test_an_error_of_the_store_is_a_store_error():
    assert issubclass(errors.StoreUnavailable, StoreError)
    assert issubclass(errors.StoreLocked, StoreError)
