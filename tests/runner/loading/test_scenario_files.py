from pathlib import Path

from playground.runner.loading.scenario_files import find_scenarios


def test_folders_are_searched_and_files_taken_as_they_are(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("b.yaml", "a.yml", "deep/er/c.yaml", ".hidden/d.yaml", ".e.yaml", "notes.txt", "deep/x.YAML.txt"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (tmp_path / "folder.yaml").mkdir()
    files, errors = find_scenarios([Path()])
    assert [str(file) for file in files] == ["a.yml", "b.yaml", "deep/er/c.yaml"]
    assert errors == []
    files, errors = find_scenarios([Path("b.yaml"), Path("deep"), Path(), Path("gone.txt")])
    assert [str(file) for file in files] == ["b.yaml", "deep/er/c.yaml", "a.yml", "gone.txt"]


def test_a_folder_without_scenarios(tmp_path):
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "x.yaml").touch()
    files, errors = find_scenarios([tmp_path])
    assert files == []
    assert [str(error) for error in errors] == [f"{tmp_path}: no scenario in this folder (looked for *.yaml, *.yml)"]


def test_the_name_of_a_hidden_parent_does_not_hide(tmp_path):
    inside = tmp_path / ".cache" / "scenarios"
    inside.mkdir(parents=True)
    (inside / "a.yaml").touch()
    assert find_scenarios([inside])[0] == [inside / "a.yaml"]
