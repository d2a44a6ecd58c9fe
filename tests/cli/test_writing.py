"""Reports are written as a whole, or added to a folder."""

import pytest

from playground.cli.writing import write_whole
from playground.errors import PlaygroundError


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
