"""Draws charts on the server: pygal's shapes without its styles and scripts, which the policy forbids and we need not.

Called by the pages; shown by the macro `chart` of templates/admin/pieces.html, which sets the legend and the same
figures as a table beside it. Colours, sizes and dark mode are static/admin.css's: a series has the class `color-N`.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Sequence
from math import ceil, floor, log10
from typing import Any

from markupsafe import Markup
from msgspec import Struct
from pygal import Line, StackedBar  # type: ignore[import-untyped]  # it has no types of its own
from pygal.style import Style  # type: ignore[import-untyped]

from gateway.admin.format import NOTHING, to_compact, to_count

sys.meta_path[:] = [finder for finder in sys.meta_path if type(finder).__module__ != "pygal"]
"""Without the hook that pygal puts into every later import, to find its maps: made for older Pythons, it only warns."""

WIDTH, HEIGHT = 720, 260
GREEN, RED, AMBER, GREY, BLUE, VIOLET = range(6)
"""The colours there are. Green is for what TikTok accepted, red for what it refused, amber for what was kept back."""

_LABEL_SIZE = 22
"""Room for labels as large as a phone needs them; the style shows them smaller where there is more room."""

_MOST_LABELS = 6
_LEAST_TICKS = 3
_NEARLY = 1e-9

_numbers = itertools.count(1)

Word = Callable[[float], str]
"""A value in words."""


class Series(Struct, frozen=True):
    """One line, or one layer of the bars: a value for each label, None where there is none."""

    name: str
    color: int
    values: Sequence[float | None]


class Plan(Struct, frozen=True):
    """What is to be drawn. `about` says it in a sentence, for who cannot see it; `axis` names the labels."""

    title: str
    about: str
    axis: str
    labels: Sequence[str]
    series: Sequence[Series]
    to_word: Word = to_count


class Chart(Struct, frozen=True):
    """A drawn chart. Shape: `rows` are its table's, words only; `svg` is empty when every value is nought or none."""

    plan: Plan
    rows: Sequence[tuple[str, Sequence[str]]]
    svg: Markup


class Quick:
    """Makes a pygal chart draw in half the time, and otherwise the same."""

    def __getattribute__(self, name: str) -> Any:
        """What is known while drawing comes first, as in pygal, which asks itself four times over for each answer."""
        state = object.__getattribute__(self, "__dict__").get("state")
        if state is None or name not in state.__dict__ or name.startswith("__") or name == "state":
            return object.__getattribute__(self, name)
        return getattr(state, name)

    def _tooltip_data(self, node: Any, value: str, _x: float, _y: float, _class: str = "", xlabel: str = "") -> None:
        """One note is left at the value, first in its element as titles must be, and not four for pygal's script."""
        note = self.svg.node(node, "desc")
        note.text = f"{xlabel or ''}\n{value}"
        node.remove(note)
        node.insert(0, note)


class QuickBars(Quick, StackedBar):  # type: ignore[misc]
    """Bars upon each other."""


class QuickLines(Quick, Line):  # type: ignore[misc]
    """Lines."""


def draw_bars(plan: Plan) -> Chart:
    """A bar for each label, one series upon the other."""
    return _draw(QuickBars, plan, max((sum(value or 0 for value in column) for column in _columns(plan)), default=0))


def draw_lines(plan: Plan) -> Chart:
    """A line for each series over the labels; where it has no value, it is broken."""
    return _draw(QuickLines, plan, max((value or 0 for column in _columns(plan) for value in column), default=0))


def find_ticks(top: float) -> list[float]:
    """Round numbers from nought to `top` or just above; whole ones where `top` is at least one."""
    rough = max(top / _LEAST_TICKS, 1 if top >= 1 else 0)
    size = 10.0 ** floor(log10(rough) + _NEARLY)
    step = max(factor * size for factor in (1, 2, 5) if factor * size <= rough + _NEARLY)
    return [step * count for count in range(ceil(top / step - _NEARLY) + 1)]


def _columns(plan: Plan) -> list[tuple[float | None, ...]]:
    return list(zip(*(one.values for one in plan.series), strict=True))


def _draw(kind: Any, plan: Plan, top: float) -> Chart:
    words = [[NOTHING if value is None else plan.to_word(value) for value in column] for column in _columns(plan)]
    rows = list(zip(plan.labels, words, strict=True)) if plan.series else []
    return Chart(plan, rows, _to_svg(kind, plan, top) if top > 0 else Markup())


def _to_svg(kind: Any, plan: Plan, top: float) -> Markup:
    graph = kind(
        width=WIDTH,
        height=HEIGHT,
        margin=4,
        js=(),
        css=(),
        no_prefix=True,
        disable_xml_declaration=True,
        show_legend=False,
        dots_size=3,
        spacing=4,
        x_labels_major_every=ceil(len(plan.labels) / _MOST_LABELS),
        show_minor_x_labels=False,
        truncate_label=-1,
        value_formatter=to_compact,
        style=Style(label_font_size=_LABEL_SIZE, major_label_font_size=_LABEL_SIZE),
    )
    graph.x_labels, graph.y_labels = list(plan.labels), find_ticks(top)
    for one in plan.series:
        graph.add(one.name, list(one.values))
    graph.add_xml_filter(lambda root: _finish(root, plan))
    return Markup(graph.render())  # noqa: S704 - pygal writes XML and escapes what it is given


def _finish(root: Any, plan: Plan) -> Any:
    """The drawing as it may stand in a page: nothing styled or run, what it shows told to who cannot see it.

    Shape: an element of ElementTree, or of lxml where pygal has found one.
    """
    for parent in list(root.iter()):
        for child in [child for child in parent if not _is_kept(child)]:
            parent.remove(child)
    for number, one in enumerate(plan.series):
        for group in root.iterfind(f".//*[@class='series serie-{number} color-{number}']"):
            group.set("class", f"series color-{one.color}")
            _tell_values(group, one.name)
    _tell(root, plan)
    return root


def _is_kept(element: Any) -> bool:
    """Not so its style and script (in `defs`), a comment, pygal's own title, and the empty layers of its tooltips."""
    name = str(element.tag).rpartition("}")[2] if isinstance(element.tag, str) else ""
    return name not in ("", "defs", "title") and element.get("class") not in (
        "plot text-overlay",
        "plot tooltip-overlay",
    )


def _tell_values(group: Any, name: str) -> None:
    """What is noted of each value becomes the title that browsers show by themselves."""
    for note in [element for element in group.iter() if str(element.tag).endswith("desc")]:
        label, _, value = (note.text or "").partition("\n")
        note.tag = note.tag.replace("desc", "title")
        note.text = f"{label} \u00b7 {name}: {value}"


def _tell(root: Any, plan: Plan) -> None:
    key = f"chart-{next(_numbers)}"
    for name, text in (("desc", plan.about), ("title", plan.title)):
        _add(root, name, text, id=f"{key}-{name}")
    del root.attrib["id"]
    for name, value in {"role": "img", "aria-labelledby": f"{key}-title", "aria-describedby": f"{key}-desc"}.items():
        root.set(name, value)


def _add(parent: Any, name: str, text: str, **attributes: str) -> None:
    """The element stands first in its parent, as SVG wants titles to."""
    element = parent.makeelement(name, attributes)
    element.text = text
    parent.insert(0, element)
