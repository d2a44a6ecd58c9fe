"""The optimizers of pytorch-optimizer, as `collection.NAME`. The collection is imported on first use."""

from __future__ import annotations

from collections.abc import Mapping

from playground import hookimpl
from playground_optimizers.collection import CLASSES, OBSTACLES


@hookimpl
def playground_optimizers() -> Mapping[str, str]:
    """Register every optimizer; those that cannot run are refused, with the reason, when a scenario uses them."""
    return {f"collection.{each.lower()}": _where(each) for each in CLASSES}


def _where(name: str) -> str:
    return f"playground_optimizers.refused:{name}" if name in OBSTACLES else f"pytorch_optimizer:{name}"
