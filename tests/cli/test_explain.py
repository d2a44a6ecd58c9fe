"""The command `explain`: every format, both languages, and what is wrong in one line."""

import json
import re
import shutil
from html.parser import HTMLParser

import pytest


@pytest.fixture
def explain(playground, root, tmp_path):
    shutil.copytree(root / "scenarios", tmp_path / "scenarios")

    def explain(name, *options):
        result = playground("explain", f"scenarios/{name}.yaml", *options)
        assert result.exit_code == 0, result.stderr
        return result.stdout

    return explain


def test_text(explain):
    shown = explain("forward_pass", "--sample", "1")
    titles = re.findall(r"^(\S.*)\n─+$", shown, re.MULTILINE)
    assert titles == ["Forward", "Backward", "Update", "In words", "Graph"]
    assert "p[1, 0] = σ(1.8866) = 0.8684" in shown
    assert "dL/dz2 = dL/dp · p(1 − p)" in shown


@pytest.mark.slow
def test_a_long_explanation_is_summed_up_unless_all_of_it_is_asked_for(explain):
    short, whole = explain("two_moons", "--step", "3"), explain("two_moons", "--step", "3", "--full")
    note = re.search(r"all (\d+) lines are shown with --full", " ".join(short.split()))
    assert int(note[1]) == len(whole.splitlines())
    assert len(short.splitlines()) < len(whole.splitlines())
    assert "--full" not in whole
    titles = ["Forward", "Backward", "Update", "In words", "Graph"]
    assert all(re.findall(r"^(\S.*)\n─+$", shown, re.MULTILINE) == titles for shown in (short, whole))
    assert explain("bowl") == explain("bowl", "--full")


LARGE = """
task: classification
dataset: {name: blobs, samples: 64}
model: {name: mlp, hidden: [3100, 3100]}
loss: cross_entropy
optimizer: {name: adam, lr: 0.001}
steps: 1
"""


@pytest.mark.product(2)
@pytest.mark.slow
@pytest.mark.parametrize("form", ["text", "html", "latex", "json"])
def test_ten_million_parameters_are_summed_up(playground, write, form):
    write("large.yaml", LARGE)
    shown = playground("explain", "large.yaml", "--format", form)
    assert shown.exit_code == 0
    assert "layer2.weight" in shown.stdout
    assert len(shown.stdout) < 40_000


@pytest.mark.sampled(1)
@pytest.mark.parametrize("columns", [60, 80, 120])
def test_text_keeps_to_the_width(explain, monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    shown = explain("xor_gate", "--sample", "1")
    assert max(map(len, shown.splitlines())) <= columns


def test_to_a_file(explain, playground, tmp_path):
    printed = explain("bowl", "--format", "html")
    assert explain("bowl", "--format", "html", "--out", "out/step.html") == ""
    assert (tmp_path / "out" / "step.html").read_text() == printed
    failed = playground("explain", "scenarios/bowl.yaml", "--out", "scenarios")
    assert failed.exit_code == 2
    assert re.fullmatch("scenarios: cannot be written: .+\n", failed.stderr)


def test_digits(explain):
    assert "0.017327" in explain("forward_pass", "--digits", "6")


@pytest.mark.slow
def test_json_in_full_precision(explain):
    told = json.loads(explain("square_derivative", "--format", "json"))
    assert told["schema"] == 1
    assert told["parameters"][0]["gradient"]["values"] == 48
    assert [operation["name"] for operation in told["operations"]] == ["mul", "add", "pow"]


class Balanced(HTMLParser):
    VOID = ("meta", "path", "rect", "br")

    def __init__(self):
        super().__init__()
        self.open = []

    def handle_starttag(self, tag, attrs):
        assert tag not in ("script", "img", "link")
        assert not any(name in ("src", "href") for name, _ in attrs)
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in self.VOID:
            assert self.open.pop() == tag


@pytest.mark.sampled(1)
@pytest.mark.parametrize("name", ["xor_gate", "rosenbrock", "square_derivative"])
def test_html_is_one_whole_page_that_asks_nobody(explain, name):
    page = explain(name, "--format", "html", "--no-live")
    parser = Balanced()
    parser.feed(page)
    assert parser.open == []
    assert "http" not in page
    nodes = json.loads(explain(name, "--format", "json"))["nodes"]
    drawings = re.findall(r"<svg.*?</svg>", page, re.DOTALL)  # one for wide screens, one for narrow ones
    assert [drawing.count("<rect") for drawing in drawings] == [len(nodes)] * 2


@pytest.mark.slow
def test_a_page_folds_large_tensors_and_shows_all_of_them(explain):
    page = explain("two_moons", "--format", "html")
    summary = r'<details><summary class="value">\(32 × 2\)  mean [^<]*</summary><table class="entries value">'
    (table,) = re.findall(summary + "(.*?)</table></details>", page)
    assert table.count("<tr>") == 32
    assert "<details" not in explain("and_gate", "--format", "html", "--no-live")


def test_html_escapes_what_a_scenario_says(explain):
    page = explain("bowl", "--format", "html", "--set", "summary=<script>alert(1)</script>")
    assert "<script>alert" not in page
    assert "&lt;script&gt;" in page


def test_a_page_is_live_or_says_why_not(explain):
    live = explain("bowl", "--format", "html")
    assert live.count("<script") == 2  # the data and the script; no plotly
    assert "script-src &#39;wasm-unsafe-eval&#39; &#39;sha256-" in live
    assert not re.search(r"(src|href)=.?http", live)
    assert "data-tensor" not in explain("bowl", "--format", "html", "--no-live")
    still = explain("square_derivative", "--format", "html")
    assert "Not live: task &#x27;derivative&#x27; has no descent." in still
    assert "<script" not in still


@pytest.mark.slow
def test_latex_is_balanced(explain):
    made = explain("xor_gate", "--format", "latex")
    assert made.count(r"\begin{align*}") == made.count(r"\end{align*}") == 3
    assert made.count(r"\begin{pmatrix}") == made.count(r"\end{pmatrix}") > 5
    bare = re.sub(r"\\[{}]", "", made)
    assert bare.count("{") == bare.count("}")
    assert r"p &= \sigma(z_{3})" in made
    assert r"\frac{\partial L}{\partial \mathrm{layer2.weight}} &= \frac{\partial L}{\partial z_{3}}^{\top}" in made
    assert made.isascii()


def test_indonesian(explain):
    shown = explain("and_gate", "--language", "id")
    assert "Propagasi maju (forward)" in shown
    assert "menarik paling kuat" in shown
    assert "laju pembelajaran (learning rate)" in shown
    assert "In words" not in shown


def test_a_sweep_is_explained_without_it(explain):
    assert "The scenario is a sweep" in explain("and_gate_sweep")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--format", "htm"], "--format htm: unknown; did you mean 'html'? (accepted: html, json, latex, text)"),
        (["--language", "fr"], "--language fr: unknown (accepted: en, id)"),
        (["--step", "5000"], "scenarios/bowl.yaml:10:8: step 5000 is beyond the budget of 1000 steps"),
        (["--sample", "2"], "no sample 2 in step 0 (samples: none)"),
        (["--set", "optimizer.lrr=1"], "lrr"),
    ],
)
def test_one_line_for_what_is_wrong(explain, playground, options, message):
    result = playground("explain", "scenarios/bowl.yaml", *options)
    assert result.exit_code == 2
    assert message in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert result.stdout == ""


@pytest.mark.parametrize("options", [["--digits", "0"], ["--digits", "x"], ["--step", "-1"], ["--sample", "-1"]])
def test_numbers_out_of_range(playground, options):
    assert playground("explain", "bowl.yaml", *options).exit_code == 2


@pytest.mark.slow
def test_a_large_model_is_summed_up(explain):
    shown = explain("two_moons", "--set", "model.hidden=[3000, 3300]", "--set", "optimizer=sgd")
    assert len(shown) < 10_000
    assert "(3300 × 3000)  mean" in shown
