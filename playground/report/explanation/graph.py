"""Draws the computational graph as SVG, in layers from the inputs down to the loss."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape

from playground.explanation import Explanation, FollowingTensor, GraphNode, TensorSummary
from playground.figures.text import cut_text, make_printable
from playground.report.explanation.formatting import format_tensor

WIDTH, HEIGHT = 168, 66
"""Size of a node's box, in pixels."""
ACROSS, DOWN = 24, 42
"""Between boxes."""
BOX_CHARACTERS = 21
"""Maximum number of characters in a line of a box."""
GRADIENT_SIGN = "∂ "
"""Stands before the gradient in a box."""


@dataclass(frozen=True)
class GraphEdge:
    """An edge from an input to a value computed from it."""

    source: str
    target: str


def graph_edges(explanation: Explanation) -> list[GraphEdge]:
    """Return every edge once."""
    found = [
        GraphEdge(source, target)
        for operation in explanation.operations
        for target in operation.outputs
        for source in operation.inputs
    ]
    return list(dict.fromkeys(found))


def graph_layers(explanation: Explanation) -> list[list[str]]:
    """Return the names in each layer: every value is below its inputs, a given value just above its first use.

    Within a layer a value is near the middle of its inputs, so that few edges cross.
    """
    # operations are in the order of execution, so the depths of all inputs are known
    links, depth = graph_edges(explanation), dict.fromkeys((node.name for node in explanation.nodes), 0)
    for operation in explanation.operations:
        for name in operation.outputs:
            depth[name] = 1 + max((depth[each] for each in operation.inputs), default=0)
    # move given values from the top layer down to just above their first use, so that edges are short
    made = {link.target for link in links}
    for name in depth:
        uses = [depth[link.target] for link in links if link.source == name]
        if name not in made and uses:
            depth[name] = min(uses) - 1
    rows: list[list[str]] = [[] for _ in range(max(depth.values(), default=0) + 1)]
    for name, level in depth.items():
        rows[level].append(name)
    place: dict[str, float] = {}
    for row in rows:
        sources = {name: [place[e.source] for e in links if e.target == name and e.source in place] for name in row}
        row.sort(key=lambda name: sum(sources[name]) / len(sources[name]) if sources[name] else len(place))
        place.update({name: index - (len(row) - 1) / 2 for index, name in enumerate(row)})
    return [row for row in rows if row]


MAX_PHONE_BOXES = 2
"""Maximum number of boxes in a row that stay readable on a phone."""


def graph_svg(explanation: Explanation, across: int = 0) -> str:
    """Return the graph as one SVG element; its colours come from the page.

    :param across: maximum number of boxes in a row; a longer layer is continued below. 0 means no limit.
    """
    rows = graph_layers(explanation)
    if across:
        rows = [row[start : start + across] for row in rows for start in range(0, len(row), across)]
    kind = "graph narrow" if across else "graph"
    widest = max((len(row) for row in rows), default=1)
    width, height = widest * (WIDTH + ACROSS), len(rows) * (HEIGHT + DOWN)
    places = {
        name: ((width - len(row) * (WIDTH + ACROSS) + ACROSS) / 2 + column * (WIDTH + ACROSS), level * (HEIGHT + DOWN))
        for level, row in enumerate(rows)
        for column, name in enumerate(row)
    }
    made = {name: operation.name for operation in explanation.operations for name in operation.outputs}
    lines = "".join(_line(places, edge) for edge in graph_edges(explanation))
    boxes = "".join(_box(node, made, places[node.name], explanation.digits) for node in explanation.nodes)
    return (
        f'<svg class="{kind}" width="{width}" height="{height}" viewBox="-2 -2 {width + 4} {height}" role="img">'
        f"{lines}{boxes}</svg>"
    )


def _line(places: Mapping[str, tuple[float, float]], edge: GraphEdge) -> str:
    (x1, y1), (x2, y2) = places[edge.source], places[edge.target]
    x1, x2, y1 = x1 + WIDTH / 2, x2 + WIDTH / 2, y1 + HEIGHT
    middle = DOWN * 0.6
    return f'<path class="edge" d="M{x1:g} {y1:g}C{x1:g} {y1 + middle:g} {x2:g} {y2 - middle:g} {x2:g} {y2:g}"/>'


def _box(node: GraphNode, made: Mapping[str, str], place: tuple[float, float], digits: int) -> str:
    x, y = place
    head = make_printable(f"{node.name} ← {made[node.name]}" if node.name in made else node.name)
    texts = [("name", head, ""), ("value", format_tensor(node.value, digits, BOX_CHARACTERS), _follow(node.value))]
    if node.gradient is not None:
        slope = format_tensor(node.gradient, digits, BOX_CHARACTERS - len(GRADIENT_SIGN))
        texts.append(("slope", GRADIENT_SIGN + slope, _follow(node.gradient)))
    shown = "".join(
        f'<text class="{kind}" x="{x + 10:g}" y="{y + 18 + 18 * line:g}"{attribute}>'
        f"{escape(cut_text(text, BOX_CHARACTERS + 1))}</text>"
        for line, (kind, text, attribute) in enumerate(texts)
    )
    whole = escape("\n".join((head, *(text for _, text, _ in texts[1:]))))
    return (
        f'<g class="{node.kind}"><title>{whole}</title>'
        f'<rect x="{x:g}" y="{y:g}" width="{WIDTH}" height="{HEIGHT}" rx="8"/>{shown}</g>'
    )


def _follow(shown: TensorSummary) -> str:
    """Return the attribute of a text that shows a tensor in a box."""
    return f' data-boxed="{shown.index}"' if isinstance(shown, FollowingTensor) else ""
