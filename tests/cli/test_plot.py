import sys
import xml.etree.ElementTree as ElementTree

import pytest
from PIL import Image

import playground as package
from playground.core.setting import one_thread
from playground.errors import PlaygroundError

BOWL = "task: minimize\nfunction: (2*x + 10)**2\nstart: {x: 1}\noptimizer: {name: sgd, lr: 0.15}\nsteps: 20\n"
GATE = "task: classification\ndataset: and_gate\nmodel: perceptron\nloss: mse\noptimizer: adam\nsteps: 5\n"
RATES = BOWL + "sweep: {over: {optimizer: [sgd, adam], optimizer.lr: [0.01, 0.1, 0.3, 1], start.x: [1, 2]}}\n"

BEGINNINGS = {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF", "gif": b"GIF8", "apng": b"\x89PNG"}


@pytest.fixture(autouse=True)
def _one_thread():
    with one_thread():
        yield


@pytest.mark.parametrize(
    ("suffix", "text"),
    [
        ("png", BOWL),
        *(pytest.param(suffix, GATE, marks=pytest.mark.slow) for suffix in ("svg", "pdf", "apng")),
        pytest.param("gif", BOWL.replace("20", "3"), marks=pytest.mark.slow),
    ],
)
def test_the_suffix_says_what_is_written_and_it_is_the_same_every_time(playground, write, tmp_path, suffix, text):
    write("a.yaml", text)
    written = []
    for _ in range(2):
        done = playground("plot", "a.yaml", "--out", f"a.{suffix}")
        assert (done.exit_code, done.output) == (0, "")
        written.append((tmp_path / f"a.{suffix}").read_bytes())
    assert written[0].startswith(BEGINNINGS[suffix])
    assert written[0] == written[1]


def test_a_figure_says_which_command_makes_it_again(playground, write, tmp_path):
    write("bowl.yaml", BOWL)
    playground("plot", "bowl.yaml", "--kind", "function", "--range", "x=-10:4", "--seed", "1", "--out", "b.png")
    with Image.open(tmp_path / "b.png") as image:
        found = image.info["Description"]
    assert found == "playground plot bowl.yaml --out b.png --kind function --range x=-10:4 --seed 1 --width 5"


def test_a_gif_has_a_frame_for_each_recorded_step_and_is_as_wide_as_asked(playground, write, tmp_path):
    write("bowl.yaml", BOWL)
    playground("plot", "bowl.yaml", "--steps", "2", "--width", "3", "--out", "b.gif")
    with Image.open(tmp_path / "b.gif") as image:
        assert image.n_frames == 3
        assert image.width == 330
        assert image.info["comment"].startswith(b"playground plot bowl.yaml")


@pytest.mark.sampled(4)
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--out", "a.bmp"], "a.bmp: unknown suffix (accepted: .apng, .gif, .pdf, .png, .svg)"),
        (
            ["--out", "a.png", "--kind", "functoin"],
            (
                "--kind functoin: unknown; did you mean 'function'? "
                "(accepted: boundary, fit, path, function, surface, loss, lr)"
            ),
        ),
        (["--out", "a.png", "--kind", "boundary"], "bowl has no picture 'boundary'; it has path, function, loss"),
        (["--out", "a.gif", "--kind", "loss"], "this picture has no animation; write it as .png, .svg, .pdf"),
        (["--out", "a.png", "--range", "x"], "--range x: expected KEY=VALUE"),
        (["--out", "a.png", "--range", "x=1"], "--range x=1: expected AXIS=LOW:HIGH, such as x=-10:4"),
        (["--out", "a.png", "--range", "x=4:-10"], "--range x=4:-10: expected two finite numbers, the low one first"),
        (["--out", "a.png", "--range", "x=0:inf"], "--range x=0:inf: expected two finite numbers, the low one first"),
        (["--out", "a.png", "--range", "z=0:1"], "range of 'z': no picture has that axis (accepted: x)"),
    ],
)
def test_what_cannot_be_drawn_is_told_in_one_line(playground, write, tmp_path, arguments, message):
    write("bowl.yaml", BOWL)
    done = playground("plot", "bowl.yaml", *arguments)
    assert done.exit_code == 2
    assert done.output.strip().endswith(message)
    assert len(done.output.strip().splitlines()) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["bowl.yaml"]


def test_of_what_does_not_descend_there_is_nothing_to_draw(playground, write):
    write("square.yaml", "task: derivative\nfunction: x**2\nat: {x: [4]}\n")
    done = playground("plot", "square.yaml", "--out", "a.png")
    assert done.exit_code == 2
    assert done.output == "square: nothing to draw: there are neither losses nor a path\n"


def test_without_matplotlib_there_is_a_line_that_says_what_to_install(playground, write, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    done = playground("plot", write("bowl.yaml", BOWL), "--out", "a.png")
    assert done.exit_code == 2
    assert done.output == "plotting needs matplotlib; install it: pip install 'gradient-playground[plot]'\n"


@pytest.mark.slow
def test_a_sweep_is_drawn_from_its_file_or_from_the_store(playground, write, tmp_path):
    write("rates.yaml", RATES)
    assert playground("plot", "rates.yaml", "--out", "a.png").exit_code == 0
    listed = playground("results").output.splitlines()[1]
    for kind, query in (("lr", listed.split()[0]), ("loss", listed.split()[0][:5]), ("lr", "rates")):
        assert playground("plot", query, "--kind", kind, "--out", f"{kind}.svg").exit_code == 0
        ElementTree.parse(tmp_path / f"{kind}.svg")
    done = playground("plot", listed.split()[0], "--seed", "1", "--out", "a.png")
    assert (done.exit_code, done.output.strip()) == (
        *(2, "--seed has no effect on a sweep: its runs are drawn as they are"),
    )
    assert "there is no sweep 'nothing'" in playground("plot", "nothing", "--out", "a.png").output


def test_python_gets_the_figure(write):
    result = package.run(write("bowl.yaml", BOWL), record=20)
    figure = package.plot(result, width=4)
    assert figure.get_size_inches()[0] == 4
    assert figure._repr_png_().startswith(BEGINNINGS["png"])
    with pytest.raises(PlaygroundError, match="bowl has no picture 'lr'; it has path, function, loss"):
        package.plot(result, "lr")


SCENARIOS = {
    "and_gate": ["boundary", "path", "loss"],
    "bowl": ["path", "function", "loss"],
    "bowl_diverges": ["path", "function", "loss"],
    "himmelblau": ["path", "surface", "loss"],
    "line": ["fit", "path", "surface", "loss"],
    "two_moons": ["boundary", "path", "loss"],
    "and_gate_sweep": ["lr", "loss"],
}


@pytest.mark.product(10)
@pytest.mark.slow
@pytest.mark.parametrize(("name", "kind"), [(name, kind) for name, kinds in SCENARIOS.items() for kind in kinds])
@pytest.mark.parametrize("suffix", BEGINNINGS)
def test_every_kind_of_every_scenario_is_written(playground, root, tmp_path, name, kind, suffix):
    done = playground("plot", root / "scenarios" / f"{name}.yaml", "--kind", kind, "--out", f"a.{suffix}")
    if suffix in ("gif", "apng") and kind in ("loss", "lr", "function", "surface"):
        assert "this picture has no animation" in done.output
    else:
        assert (tmp_path / f"a.{suffix}").read_bytes().startswith(BEGINNINGS[suffix])
