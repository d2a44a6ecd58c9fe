"""Stamps notice every way in which an editor saves, and wait while a file is gone for a moment."""

import os
import time

import pytest

from playground.serving.watched_files import SETTLING_SECONDS, FileStamp, WatchedFiles, read_stamp


def rewrite(path):
    path.write_text("other text", encoding="utf-8")


def replace_whole(path):
    beside = path.with_name("beside")
    beside.write_text("same", encoding="utf-8")
    os.utime(beside, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns))
    beside.replace(path)


def touch(path):
    os.utime(path, ns=(1, 1))


def move_away_and_write(path):
    path.rename(path.with_name("a.yaml~"))
    path.write_text("same", encoding="utf-8")


@pytest.mark.parametrize("save", [rewrite, replace_whole, touch, move_away_and_write], ids=lambda save: save.__name__)
def test_a_save_is_noticed_once(tmp_path, save):
    path = tmp_path / "a.yaml"
    path.write_text("same", encoding="utf-8")
    files = WatchedFiles([str(path)])
    assert files.find_changed() == []
    save(path)
    assert files.find_changed() == [str(path)]
    assert files.find_changed() == []


@pytest.mark.parametrize("empty", [True, False], ids=["emptied", "removed"])
def test_a_file_without_content_counts_after_a_moment_and_when_it_is_back(tmp_path, empty):
    path = tmp_path / "a.yaml"
    path.write_text("text", encoding="utf-8")
    files = WatchedFiles([str(path)])
    path.write_text("", encoding="utf-8") if empty else path.unlink()
    assert files.find_changed() == []
    time.sleep(SETTLING_SECONDS)
    assert files.find_changed() == [str(path)]
    assert files.find_changed() == []
    path.write_text("again", encoding="utf-8")
    assert files.find_changed() == [str(path)]


def test_a_file_that_is_written_at_once_after_it_was_emptied_changes_once(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text("text", encoding="utf-8")
    files = WatchedFiles([str(path)])
    path.write_text("", encoding="utf-8")
    assert files.find_changed() == []
    path.write_text("more", encoding="utf-8")
    assert files.find_changed() == [str(path)]
    time.sleep(SETTLING_SECONDS)
    assert files.find_changed() == []


def test_an_added_file_is_compared_with_the_stamp_from_before_it_was_read(tmp_path):
    path = tmp_path / "data.csv"
    path.write_text("1,2\n", encoding="utf-8")
    before = read_stamp(str(path))
    path.write_text("1,2\n3,4\n", encoding="utf-8")
    files = WatchedFiles([])
    files.add(str(path), before)
    assert files.find_changed() == [str(path)]
    files.add(str(path), before)  # it is known, with a newer stamp
    assert files.find_changed() == []


def test_a_file_that_recordings_write_is_not_watched(tmp_path):
    path = tmp_path / "log.txt"
    files = WatchedFiles([str(path)])
    files.ignore(str(path))
    files.add(str(path), FileStamp())
    path.write_text("a line\n", encoding="utf-8")
    assert files.find_changed() == []


@pytest.mark.parametrize("name", [".", "missing", "\0"])
def test_what_is_no_file_has_an_empty_stamp(tmp_path, name):
    assert read_stamp(f"{tmp_path}/{name}") == FileStamp()
