"""A store that is removed with the results that read it."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from pathlib import Path
from typing import Any


class TemporaryFolder:
    """A new folder, which is removed when nothing refers to this object any more, or when the process ends.

    :ivar path: the folder.
    """

    def __init__(self) -> None:
        self.path = Path(tempfile.mkdtemp(prefix="playground-"))
        weakref.finalize(self, shutil.rmtree, self.path, ignore_errors=True)

    def __deepcopy__(self, memo: Any) -> TemporaryFolder:
        """Return the same object: a copied result reads the same files."""
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle as None: another process cannot keep the folder."""
        return type(None), ()
