"""The collection pytorch-optimizer by name: `collection.NAME`. Imports nothing of it until one is used."""

from __future__ import annotations

from collections.abc import Mapping

from playground import hookimpl
from playground_optimizers.collection import CLASSES, OBSTACLES


@hookimpl
def playground_optimizers() -> Mapping[str, str]:
    """Return the collection; what cannot run is there as well, and says why when it is asked for."""
    return {f"collection.{each.lower()}": _where(each) for each in CLASSES}


def _where(name: str) -> str:
    return f"playground_optimizers.refused:{name}" if name in OBSTACLES else f"pytorch_optimizer:{name}"
