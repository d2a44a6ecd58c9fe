"""The check of names: the package passes, and what it is there for is found."""

import sys
import textwrap

import pytest


@pytest.fixture
def find_faults(root, monkeypatch):
    monkeypatch.syspath_prepend(str(root / "tests"))
    from check_names import find_faults

    yield find_faults
    sys.modules.pop("check_names")


@pytest.mark.slow
def test_the_package(root, find_faults):
    assert list(find_faults(root / "playground")) == []


def test_what_is_found(tmp_path, find_faults):
    package = tmp_path / "package"
    package.mkdir()
    (package / "a.py").write_text("class Node: ...\nclass _Own: ...\ndef told(): ...\n", encoding="utf-8")
    code = """
        class Node: ...
        class _Own: ...
        class Other:
            @property
            def told(self): ...
            def written(self): ...
    """
    (package / "b.py").write_text(textwrap.dedent(code), encoding="utf-8")
    assert list(find_faults(package)) == [
        "package/a.py:3: function 'told' is named by a participle; name it by a verb",
        "package/b.py:7: function 'written' is named by a participle; name it by a verb",
        "package/a.py:1: class 'Node' has the name of package/b.py:2",
    ]
