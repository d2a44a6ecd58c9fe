"""A store that is removed with what reads it."""

import copy
import gc
import pickle

from playground.runner.store.temporary import TemporaryFolder


def test_the_folder_is_removed_with_the_last_reference():
    folder = TemporaryFolder()
    path, copied = folder.path, copy.deepcopy(folder)
    (path / "inner").mkdir()
    del folder
    gc.collect()
    assert path.is_dir()
    del copied
    gc.collect()
    assert not path.exists()


def test_another_process_does_not_get_it():
    assert pickle.loads(pickle.dumps(TemporaryFolder())) is None
