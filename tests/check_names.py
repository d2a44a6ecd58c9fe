"""Check the names of `playground`: `python tests/check_names.py`. Prints one line for each fault; exit code 1 if any.

Public class names are unique, and no public function or method is named by a participle: a function is a verb.
"""

from __future__ import annotations

import ast
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

PARTICIPLES = frozenset(
    """
    added applied asked begun bound built checked chosen compiled computed converted copied counted declared decoded
    derived described diagnosed drawn emitted encoded ended escaped evaluated expanded expected explained filled
    finished folded formatted found given grouped held inferred inlined joined judged kept listed loaded located lost
    made measured merged moved named normalised normalized noted numbered operated packed padded parsed planned
    prepared printed recorded reduced refused registered resolved rounded scaled seeded seen selected settled shaped
    shared shifted shown sized sorted stacked stored stripped styled summed taken thinned tiled told tried unpacked
    used wanted wrapped written
    """.split()
)
"""Names that say what was done to a result instead of what a function does."""


def find_faults(root: Path) -> Iterator[str]:
    """Yield `file:line: what is wrong`.

    :param root: the package's folder.
    """
    classes: dict[str, list[str]] = defaultdict(list)
    for file in sorted(root.rglob("*.py")):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            place = f"{file.relative_to(root.parent)}:{getattr(node, 'lineno', 0)}"
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                classes[node.name].append(place)
            elif isinstance(node, ast.FunctionDef) and node.name in PARTICIPLES and not _is_property(node):
                yield f"{place}: function {node.name!r} is named by a participle; name it by a verb"
    for name, places in classes.items():
        if len(places) > 1:
            yield f"{places[0]}: class {name!r} has the name of {', '.join(places[1:])}"


def _is_property(node: ast.FunctionDef) -> bool:
    return any("property" in ast.unparse(each) for each in node.decorator_list)


if __name__ == "__main__":
    found = list(find_faults(Path(__file__).parent.parent / "playground"))
    print(*found, sep="\n", end="\n" if found else "")
    sys.exit(bool(found))
