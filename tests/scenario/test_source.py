"""Places, and values set from the command line."""

import os

import pytest

from playground.errors import Fault, Place, ScenarioError
from playground.scenario.messages import FaultyKey
from playground.scenario.node import YamlEntry, YamlNode
from playground.scenario.source import MAX_BYTES, load_source, parse_source

TEXT = """\
# a comment
task: minimize
function: "(2*x + 10)**2"
start:
  x: [1, 2]
  layer1.weight: [3]
optimizer: {name: sgd, lr: 0.1}
loss: &loss mse
summary: >
  folded
model: *loss
"""


@pytest.fixture
def source():
    return parse_source(TEXT, "f.yaml")


@pytest.mark.parametrize(
    ("path", "line", "column"),
    [
        ((), 2, 1),
        (("task",), 2, 7),
        (("task", "name"), 2, 7),
        (("start", "x", 1), 5, 10),
        (("start", "x", 2), 5, 6),
        (("start", "x", "y"), 5, 6),
        (("start", "layer1.weight", 0), 6, 19),
        (("start", "y"), 5, 3),
        (("start", FaultyKey("x")), 5, 3),
        (("start", FaultyKey("y")), 5, 3),
        (("optimizer", "lr"), 7, 28),
        (("optimizer", FaultyKey("lr")), 7, 24),
        ((FaultyKey("optimizer"),), 7, 1),
        (("model",), 8, 7),
        (("absent", "lr"), 2, 1),
    ],
)
def test_place_of_the_deepest_value_there_is(source, path, line, column):
    assert source.place(path) == Place("f.yaml", line, column)


def test_place_of_a_key(source):
    assert source.place(("optimizer", "lr"), key=True) == Place("f.yaml", 7, 24)


@pytest.mark.parametrize(
    ("fault", "place"),
    [
        (Fault("", ("function",), offset=3), Place("f.yaml", 3, 15)),
        (Fault("", ("function", "formula"), offset=3), Place("f.yaml", 3, 15)),
        (Fault("", ("task",), offset=2), Place("f.yaml", 2, 9)),
        (Fault("", ("summary",), offset=2), Place("f.yaml", 9, 10)),
        (Fault("", ("optimizer",), offset=2), Place("f.yaml", 7, 12)),
        (Fault("", ("task",), Place("data.csv", 1, 2)), Place("data.csv", 1, 2)),
    ],
)
def test_a_fault_is_placed(source, fault, place):
    assert source.add_place(fault).place == place


def test_located_errors_keep_their_type_and_follow_the_file(source):
    error = source.locate(ScenarioError(Fault("b", ("optimizer",)), Fault("a", ("task",))))
    assert type(error) is ScenarioError
    assert str(error) == "f.yaml:2:7: a\nf.yaml:7:12: b"


@pytest.mark.parametrize(
    ("dotted", "text", "path", "value"),
    [
        ("optimizer.lr", "1e-3", ("optimizer", "lr"), 0.001),
        ("optimizer.beta", "[1, 2]", ("optimizer", "beta"), [1, 2]),
        ("optimizer", "torch.Adam", ("optimizer",), "torch.Adam"),
        ("start.x.0", "7", ("start", "x"), [7, 2]),
        ("start.layer1.weight.0", "8", ("start", "layer1.weight"), [8]),
        ("task.name", "x", ("task",), {"name": "x"}),
        ("loss.delta", "1", ("loss",), {"name": "mse", "delta": 1}),
        ("model.hidden", "[4]", ("model",), {"name": "mse", "hidden": [4]}),
        ("function.formula", "3*x", ("function",), {"name": "expression", "formula": "3*x"}),
        ("stop.loss", "0.1", ("stop",), {"loss": 0.1}),
        ("new", "", ("new",), None),
        ("summary", "'1'", ("summary",), "1"),
    ],
)
def test_set(source, dotted, text, path, value):
    changed = source.set(dotted, text)
    data = changed.data
    for key in path:
        data = data[key]
    assert data == value
    assert source.data == parse_source(TEXT, "f.yaml").data, "the source itself stays as it was"


def test_a_value_that_was_set_is_placed_on_the_command_line(source):
    changed = source.set("optimizer.lr", "fast").set("stop.patience.steps", "0")
    assert str(changed.place(("optimizer", "lr"))) == "--set optimizer.lr=fast"
    assert str(changed.place(("optimizer", FaultyKey("lr")))) == "f.yaml:7:24"
    assert str(changed.place(("stop", "patience", FaultyKey("steps")))) == "--set stop.patience.steps=0"
    assert changed.place(("optimizer", "name")) == Place("f.yaml", 7, 19)


def test_shorthand_keeps_its_place_when_it_is_written_out(source):
    changed = source.set("function.scale", "2")
    assert changed.add_place(Fault("", ("function", "formula"), offset=3)).place == Place("f.yaml", 3, 15)


@pytest.mark.parametrize(
    ("dotted", "text", "message"),
    [
        ("start.x.5", "1", "--set start.x.5=1: 'start.x' is a list with entries 0 to 1, got '5'"),
        ("start.x.-1", "1", "--set start.x.-1=1: 'start.x' is a list with entries 0 to 1, got '-1'"),
        ("summary.x", "1", "--set summary.x=1: 'summary' is 'folded\\n' and has no keys; set it as a whole"),
        ("optimizer.lr.x", "1", "--set optimizer.lr.x=1: 'optimizer.lr' is 0.1 and has no keys; set it as a whole"),
        ("a..b", "1", "--set a..b=1: 'a..b' is not a key; write it like optimizer.lr"),
        ("", "1", "--set =1: '' is not a key; write it like optimizer.lr"),
        ("a", "1\n---\n2", "--set a=1\\n---\\n2: a second document starts here; a scenario file holds one"),
        ("a", "{b: 1, b: 2}", "--set a={b: 1, b: 2}: key 'b' is given twice"),
        ("a", "\x00", "--set a=\\x00: character U+0000 is not allowed in YAML; is this a text file?"),
    ],
)
def test_what_cannot_be_set(source, dotted, text, message):
    with pytest.raises(ScenarioError) as caught:
        source.set(dotted, text)
    assert str(caught.value) == message


def test_a_key_of_ten_thousand_parts_is_refused(source):
    with pytest.raises(ScenarioError, match="is not a key"):
        source.set(".".join("a" * 10_000), "1")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "FILE: the file is empty; a scenario has at least a task"),
        (b"# nothing\n---\n", "FILE: the file is empty; a scenario has at least a task"),
        (b"- 1", "FILE:1:1: expected keys and values, such as 'task: minimize', got a list"),
        (b"just words", "FILE:1:1: expected keys and values, such as 'task: minimize', got 'just words'"),
        (b"a: 1\nb: \xff", "FILE:2:4: byte 0xff is not UTF-8; is this a text file?"),
        (b"\x89PNG\r\n\x1a\n\x00", "FILE:1:1: byte 0x89 is not UTF-8; is this a text file?"),
        (b"a: \x00", "FILE:1:4: character U+0000 is not allowed in YAML; is this a text file?"),
        (b"a: " + b"x" * MAX_BYTES, "FILE: larger than 1,000,000 bytes"),
    ],
)
def test_files_that_are_no_scenario(tmp_path, content, message):
    file = tmp_path / "bad.yaml"
    file.write_bytes(content)
    with pytest.raises(ScenarioError) as caught:
        load_source(file)
    assert str(caught.value) == message.replace("FILE", str(file))


def test_files_that_cannot_be_read(tmp_path):
    (tmp_path / "and_gate.yaml").write_text("task: x")
    for name, message in [
        ("and_gat.yaml", "no such file; did you mean 'and_gate.yaml'?"),
        ("zzz", "no such file"),
        ("", "is a folder, not a scenario file"),
        ("and_gate.yaml/x", "cannot be read: not a directory"),
        ("a\0b", "cannot be read: embedded null byte"),
    ]:
        with pytest.raises(ScenarioError) as caught:
            load_source(os.path.join(tmp_path, name))
        assert caught.value.faults[0].message == message


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="permissions do not hold this user back")
def test_a_file_without_permission(tmp_path):
    file = tmp_path / "secret.yaml"
    file.write_text("task: x")
    file.chmod(0)
    with pytest.raises(ScenarioError, match="cannot be read: permission denied"):
        load_source(file)


def test_a_byte_order_mark_is_no_column(tmp_path):
    file = tmp_path / "bom.yaml"
    file.write_bytes(b"\xef\xbb\xbftask: x")
    assert load_source(file).place(("task",)) == Place(str(file), 1, 7)


def test_text_from_python_is_limited_too():
    with pytest.raises(ScenarioError, match="larger than"):
        parse_source("a" * (MAX_BYTES + 1), "f")


def test_an_assigned_value_keeps_its_own_place_and_new_keys_stand_where_they_were_asked_for(source):
    asked, found = Place("asked", 1, 1), Place("found", 2, 2)
    changed = source.assign("optimizer.momentum", YamlEntry(asked, YamlNode(found, 0.9)))
    assert changed.data["optimizer"] == {"name": "sgd", "lr": 0.1, "momentum": 0.9}
    assert changed.place(("optimizer", "momentum")) == found
    assert changed.place(("optimizer", FaultyKey("momentum"))) == asked
    assert changed.place(("optimizer", "lr")) == source.place(("optimizer", "lr"))
    with pytest.raises(ScenarioError, match=r"^asked:1:1: 'summary' is "):
        source.assign("summary.x", YamlEntry(asked, YamlNode(found, 1)))


def test_variants_share_what_they_have_in_common(source):
    one = source.set("optimizer.lr", "1")
    two = one.set("task", "other")
    assert one.common(source) == set(source.data) - {"optimizer"}
    assert two.common(source) == set(source.data) - {"optimizer", "task"}
    assert two.data == {**source.data, "optimizer": {"name": "sgd", "lr": 1}, "task": "other"}
    assert two.data["start"] is source.data["start"]
    assert source.data["optimizer"] == {"name": "sgd", "lr": 0.1}
    assert two == type(two)(two.file, two.root)


def test_an_alias_is_data_of_its_own():
    data = parse_source("a: &x [1]\nb: *x\n", "f.yaml").data
    assert data["a"] == data["b"]
    assert data["a"] is not data["b"]
