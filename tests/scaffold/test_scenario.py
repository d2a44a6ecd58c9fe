import pytest

from playground.errors import PlaygroundError
from playground.plugins.manager import load_plugins
from playground.scaffold.filling import has_template
from playground.scaffold.scenario import draft_scenario

PLUGIN = """
from playground import hookimpl
from playground.core.task import DirectTask, Outcome

class Twice(DirectTask):
    def __init__(self, number: float, again: int = 1) -> None:
        self.number = number
    def answer(self, setting):
        return Outcome({"twice": 2 * self.number})

@hookimpl
def playground_tasks():
    return {"twice": Twice}
"""


@pytest.fixture(scope="module")
def plugins():
    return load_plugins(autoload=False)


@pytest.mark.sampled(1)
@pytest.mark.parametrize("task", load_plugins(autoload=False).names("task"))
def test_it_does_what_it_expects_and_shows_what_else_could_stand_there(playground, tmp_path, plugins, task):
    assert has_template(f"scenario/{task}.yaml")
    text = draft_scenario("my_own", task, plugins.registry)[0]
    (tmp_path / "my_own.yaml").write_text(text)
    result = playground("run", "my_own.yaml")
    assert result.exit_code == 0, result.output
    assert "passed" in result.output


@pytest.mark.parametrize("task", load_plugins(autoload=False).names("task"))
def test_what_is_a_comment_could_stand_there(playground, tmp_path, plugins, task):
    """The commented keys are keys: taking the sign away gives no unknown key."""
    lines = draft_scenario("my_own", task, plugins.registry)[0].splitlines()
    lines = [line.removeprefix("# ") if line.startswith("# ") and ":  " in line else line for line in lines]
    (tmp_path / "my_own.yaml").write_text("\n".join(lines))
    result = playground("check", "my_own.yaml")
    assert result.exit_code == 0, result.output


def test_a_task_without_a_template_gets_its_own_keys(playground, tmp_path):
    (tmp_path / "twice.py").write_text(PLUGIN)
    result = playground("-p", "twice.py", "new", "scenario", "mine", "--task", "twice")
    assert result.exit_code == 0, result.output
    assert result.output.splitlines()[-1] == "fill in number; then: playground check mine.yaml"
    text = (tmp_path / "mine.yaml").read_text()
    assert "number:  # float" in text
    assert "# again: 1  # int" in text
    (tmp_path / "mine.yaml").write_text(text.replace("number:", "number: 2", 1))
    assert playground("-p", "twice.py", "run", "mine.yaml").exit_code == 0


@pytest.mark.parametrize(
    ("name", "task", "told"),
    [
        ("a", "minimise", "unknown task 'minimise'; did you mean 'minimize'?"),
        ("A b", "minimize", "'A b' is not a name: expected a lower-case letter"),
    ],
)
def test_what_will_not_do_is_refused(plugins, name, task, told):
    with pytest.raises(PlaygroundError) as caught:
        draft_scenario(name, task, plugins.registry)
    assert str(caught.value).startswith(told)
