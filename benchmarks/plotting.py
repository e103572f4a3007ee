"""Rates as bars, drawn as SVG: a chart of a few rectangles needs no library."""

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

_LEFT, _BAR, _GAP, _WIDTH = 150, 14, 5, 760
_COLOURS = ("#1f6f8b", "#e08e45", "#7a9e7e", "#99627a", "#5b5b5b")


def draw(
    path: str,
    title: str,
    rates: Mapping[tuple[str, str], float],
    names: Sequence[str],
    scenarios: Sequence[str],
) -> None:
    """Write bars in groups: for each of ``scenarios`` one for each of ``names``, where measured."""
    longest = max(rates.values())
    room = _WIDTH - _LEFT - 130
    drawn, y = [], 40
    for scenario in scenarios:
        drawn.append(f'<text x="12" y="{y + 11}" font-weight="bold">{escape(scenario)}</text>')
        y += _BAR + _GAP
        for at, name in enumerate(names):
            rate = rates.get((name, scenario))
            if rate is None:
                continue
            length = max(rate / longest * room, 1)
            colour = _COLOURS[at % len(_COLOURS)]
            drawn += [
                f'<text x="{_LEFT - 6}" y="{y + 11}" text-anchor="end">{escape(name)}</text>',
                f'<rect x="{_LEFT}" y="{y}" width="{length:.1f}" height="{_BAR}" fill="{colour}"/>',
                f'<text x="{_LEFT + length + 6:.1f}" y="{y + 11}">{rate:,.0f}</text>',
            ]
            y += _BAR + _GAP
        y += 2 * _GAP
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{y}" '
        'font-family="sans-serif" font-size="12">'
        '<rect width="100%" height="100%" fill="#fff"/>'
        f'<text x="12" y="22" font-size="15">{escape(title)}</text>'
    )
    Path(path).write_text("\n".join([head, *drawn, "</svg>", ""]), encoding="utf-8")
