"""Reports are written as a whole, or added to a folder."""

import os

import pytest

from playground.cli.writing import require_free
from playground.errors import PlaygroundError
from playground.report.writing import write_whole


def folder(path):
    (path / "run").mkdir(parents=True)
    (path / "run" / "events").write_text("new")


def test_what_a_writer_makes_a_folder_is_added_to_the_one_that_is_there(tmp_path):
    (tmp_path / "runs" / "run").mkdir(parents=True)
    (tmp_path / "runs" / "run" / "mine").write_text("mine")
    write_whole(tmp_path / "runs", folder)
    assert (tmp_path / "runs" / "run" / "events").read_text() == "new"
    assert (tmp_path / "runs" / "run" / "mine").read_text() == "mine"
    assert [path.name for path in tmp_path.iterdir()] == ["runs"]


def test_half_a_folder_is_not_left_behind(tmp_path):
    def fails(path):
        folder(path)
        raise ValueError("boom")

    with pytest.raises(PlaygroundError, match="runs: not written: ValueError: boom"):
        write_whole(tmp_path / "runs", fails)
    assert list(tmp_path.iterdir()) == []


def test_half_a_file_is_not_left_behind(tmp_path):
    (tmp_path / "a.html").write_text("old")

    def fails(path):
        path.write_text("half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_whole(tmp_path / "a.html", fails)
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("a.html", "old")]


def test_a_link_and_permissions_stay(tmp_path):
    (tmp_path / "real.txt").write_text("old")
    (tmp_path / "real.txt").chmod(0o640)
    (tmp_path / "link.txt").symlink_to("real.txt")
    write_whole(tmp_path / "link.txt", lambda path: path.write_text("new"))
    assert (tmp_path / "link.txt").is_symlink()
    assert (tmp_path / "real.txt").read_text() == "new"
    assert (tmp_path / "real.txt").stat().st_mode & 0o777 == 0o640


def test_a_pipe_is_written_to(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    end = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    write_whole(tmp_path / "pipe", lambda path: path.write_text("new"))
    assert os.read(end, 10) == b"new"
    os.close(end)


@pytest.mark.parametrize(
    ("name", "there", "force", "free"),
    [
        ("a.py", True, False, False),
        ("a.py", True, None, False),
        ("a.py", True, True, True),
        ("a.py", False, False, True),
        ("a.ipynb", True, False, False),
        ("a.YAML", True, None, False),
        ("a.tex", True, False, False),
        ("a.html", True, False, True),
        ("a.xml", True, None, True),
        ("a.csv", True, None, True),
    ],
)
def test_sources_are_not_overwritten(tmp_path, name, there, force, free):
    if there:
        (tmp_path / name).write_text("mine")
    if free:
        require_free(tmp_path / name, force)
        return
    with pytest.raises(PlaygroundError, match="exists already and is not overwritten") as raised:
        require_free(tmp_path / name, force)
    assert ("--force" in str(raised.value)) is (force is not None)
