"""Both languages say everything: the catalogue has each text that is shown, with its fields, and is compiled."""

import ast
import gettext
import string

import pytest
from babel.messages.pofile import read_po

from playground.builtin import optimizers
from playground.errors import PlaygroundError
from playground.report.explanation.language import LANGUAGES, translator

MARKS = {"_", "translate"}


@pytest.fixture
def folder(root):
    return root / "playground" / "locale" / "id" / "LC_MESSAGES"


@pytest.fixture
def catalogue(folder):
    with (folder / "playground.po").open("rb") as file:
        return read_po(file)


def marked(root):
    """Every text inside `_("…")`, `self._("…")` or `translate("…")`, those inside f-strings too."""
    rooms = [
        *(root / "playground/report/explanation").glob("*.py"),
        root / "playground/runner/explaining/remarks.py",
        root / "playground/runner/explaining/in_hand.py",
    ]
    for file in rooms:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
                name = getattr(node.func, "id", getattr(node.func, "attr", ""))
                if name in MARKS:
                    yield node.args[0].value


def fields(text):
    return sorted(f"{name}:{spec}" for _, name, spec, _ in string.Formatter().parse(text) if name)


def test_the_catalogue_is_complete_and_says_nothing_that_is_not_asked(root, catalogue):
    symbols = {text for name in optimizers.__all__ for text in getattr(optimizers, name).symbols.values()}
    wanted = {*marked(root), *symbols}
    assert len(wanted) > 60
    assert {message.id for message in catalogue if message.id} == wanted
    for message in catalogue:
        if message.id:
            assert message.string.strip(), message.id
            assert fields(message.string) == fields(message.id)


def test_the_compiled_catalogue_says_what_the_source_says(catalogue, folder):
    with (folder / "playground.mo").open("rb") as file:
        compiled = gettext.GNUTranslations(file)
    said = {message.id: compiled.gettext(message.id) for message in catalogue if message.id}
    assert said == {message.id: message.string for message in catalogue if message.id}, (
        "run: pybabel compile -d playground/locale -D playground"
    )


def test_english_is_the_source_and_indonesian_another():
    assert LANGUAGES == ("en", "id")
    assert translator("en")("learning rate") == "learning rate"
    assert translator("id")("learning rate") == "laju pembelajaran (learning rate)"


def test_an_unknown_language():
    with pytest.raises(PlaygroundError, match=r"^unknown language 'fr' \(accepted: en, id\)$"):
        translator("fr")
