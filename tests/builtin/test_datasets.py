import math

import pytest
import torch

from playground.builtin import datasets
from playground.errors import ComponentError, Fault, ScenarioError

GATES = {
    datasets.and_gate: lambda a, b: a and b,
    datasets.or_gate: lambda a, b: a or b,
    datasets.xor_gate: lambda a, b: a != b,
    datasets.nand_gate: lambda a, b: not (a and b),
    datasets.nor_gate: lambda a, b: not (a or b),
    datasets.xnor_gate: lambda a, b: a == b,
}
CLOUDS = [datasets.moons, datasets.circles, datasets.spirals, datasets.blobs]
cloud = pytest.mark.parametrize("dataset", CLOUDS)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def noiseless(dataset, **options):
    return dataset(generator(), **{"spread" if dataset is datasets.blobs else "noise": 0.0}, **options)


@pytest.mark.parametrize(("gate", "truth"), GATES.items())
def test_gate_is_its_truth_table(gate, truth):
    data = gate()
    assert data.inputs.tolist() == [[1, 1], [1, 0], [0, 1], [0, 0]]
    assert data.targets.tolist() == [[float(truth(bool(a), bool(b)))] for a, b in data.inputs.tolist()]
    assert (data.inputs.dtype, data.targets.dtype) == (torch.float64, torch.float64)
    assert (data.names, data.classes) == (("a", "b"), 2)


@cloud
@pytest.mark.parametrize("samples", [3, 50, 101])
def test_cloud_has_as_many_points_shared_evenly(dataset, samples):
    data = dataset(generator(), samples=samples)
    assert data.inputs.shape == (samples, len(data.names)) == (samples, 2)
    assert data.targets.shape == (samples, 1)
    assert (data.inputs.dtype, data.targets.dtype) == (torch.float64, torch.float64)
    counts = data.targets.flatten().long().bincount(minlength=data.classes).tolist()
    assert len(counts) == data.classes
    assert max(counts) - min(counts) <= 1


@pytest.mark.parametrize("dataset", [*CLOUDS, datasets.line])
def test_the_generator_alone_decides_the_noise(dataset):
    torch.manual_seed(1)
    once = dataset(generator(3))
    state = torch.get_rng_state()
    torch.manual_seed(2)
    again, other = dataset(generator(3)), dataset(generator(4))
    torch.manual_seed(1)
    assert torch.equal(torch.get_rng_state(), state)  # the run's own numbers were not used up
    assert torch.equal(once.inputs, again.inputs)
    assert torch.equal(once.targets, again.targets)
    assert not (torch.equal(once.inputs, other.inputs) and torch.equal(once.targets, other.targets))


@cloud
def test_noise_has_the_size_asked_for(dataset):
    name = "spread" if dataset is datasets.blobs else "noise"
    noisy = dataset(generator(), samples=20_000, **{name: 0.3})
    noise = noisy.inputs - noiseless(dataset, samples=20_000).inputs
    assert noise.std(dim=0).tolist() == pytest.approx([0.3, 0.3], rel=0.03)
    assert noise.mean(dim=0).tolist() == pytest.approx([0.0, 0.0], abs=0.01)


def by_class(data):
    return [data.inputs[data.targets.flatten() == number] for number in range(data.classes)]


def distances(left, right):
    return (left.unsqueeze(1) - right.unsqueeze(0)).norm(dim=-1)


def test_moons_are_half_circles():
    upper, lower = by_class(noiseless(datasets.moons, samples=41))
    torch.testing.assert_close(upper.norm(dim=1), torch.ones(21, dtype=torch.float64))
    assert (upper[:, 1] > -1e-12).all()
    centre = torch.tensor([1.0, 0.5], dtype=torch.float64)
    torch.testing.assert_close((lower - centre).norm(dim=1), torch.ones(20, dtype=torch.float64))
    assert (lower[:, 1] < 0.5 + 1e-12).all()


def test_circles_are_circles():
    outer, inner = by_class(noiseless(datasets.circles, samples=40))
    torch.testing.assert_close(outer.norm(dim=1), torch.full((20,), 1.0, dtype=torch.float64))
    torch.testing.assert_close(inner.norm(dim=1), torch.full((20,), 0.5, dtype=torch.float64))
    gaps = (outer - outer.roll(1, 0)).norm(dim=1)
    torch.testing.assert_close(gaps, gaps[:1].expand(20))  # evenly around, with no point twice


def test_spirals_are_each_other_turned_by_half_and_apart():
    one, other = by_class(noiseless(datasets.spirals, samples=2000))
    torch.testing.assert_close(one, -other)
    assert one.norm(dim=1).max().item() == pytest.approx(1.0)
    assert 0.2 < distances(one, other).min() < 2 / 7
    turned = torch.atan2(one[:, 1], one[:, 0]).diff().remainder(2 * math.pi).sum().item()
    assert turned == pytest.approx(3 * math.pi)


@pytest.mark.parametrize("classes", [2, 3, 5])
def test_blobs_stand_on_the_unit_circle(classes):
    centres = torch.stack([arm[0] for arm in by_class(noiseless(datasets.blobs, classes=classes))])
    assert centres[0].tolist() == [1.0, 0.0]
    torch.testing.assert_close(centres.norm(dim=1), torch.ones(classes, dtype=torch.float64))
    torch.testing.assert_close(centres.sum(dim=0), torch.zeros(2, dtype=torch.float64))
    assert distances(centres, centres).fill_diagonal_(9).min() > 2 * math.sin(math.pi / classes) - 1e-9


def test_blobs_need_a_sample_for_each_class():
    with pytest.raises(ComponentError) as caught:
        datasets.blobs(generator(), samples=4, classes=5)
    assert caught.value.faults == (Fault("expected a sample for each class (5), got 4", ("samples",)),)


def test_line_is_a_line():
    data = datasets.line(generator(), samples=5, slope=3.0, intercept=-1.0, noise=0.0)
    assert data.inputs.tolist() == [[-1.0], [-0.5], [0.0], [0.5], [1.0]]
    assert data.targets.tolist() == [[-4.0], [-2.5], [-1.0], [0.5], [2.0]]
    assert (data.names, data.classes) == (("x",), None)
    noisy = datasets.line(generator(), samples=20_000, slope=3.0, intercept=-1.0, noise=0.2)
    assert (noisy.targets - 3 * noisy.inputs + 1).std().item() == pytest.approx(0.2, rel=0.03)


@pytest.mark.parametrize(
    ("options", "names", "classes"),
    [
        ({"inputs": [[1, 2.5], [3, 4]], "targets": [[0], [1]]}, ("x0", "x1"), None),
        ({"inputs": [[1], [2]], "targets": [[0.5, 1], [1, 2]]}, ("x",), None),
        ({"inputs": [[1], [2]], "targets": [[0], [2]], "classes": 3, "names": ["width"]}, ("width",), 3),
    ],
)
def test_inline_is_what_was_written(options, names, classes):
    data = datasets.inline(**options)
    assert data.inputs.tolist() == options["inputs"]
    assert data.targets.tolist() == options["targets"]
    assert (data.inputs.dtype, data.targets.dtype) == (torch.float64, torch.float64)
    assert (data.names, data.classes) == (names, classes)


NO_TABLE = "expected at least one row of at least one number"


@pytest.mark.parametrize(
    ("options", "faults"),
    [
        ({"inputs": [], "targets": []}, [(("inputs",), NO_TABLE), (("targets",), NO_TABLE)]),
        ({"inputs": [[], []]}, [(("inputs",), NO_TABLE)]),
        ({"inputs": [[1, 2], [3]]}, [(("inputs", 1), "expected a row as long as the others (2), got 1")]),
        (
            {"inputs": [[1], [1, 2], [1, 2], [3, 4]], "targets": [[1]] * 4},
            [(("inputs", 0), "expected a row as long as the others (2), got 1")],
        ),
        (
            {"inputs": [[1]] * 3, "targets": [[0, 1], [0], [1]], "classes": 2},
            [(("targets", 0), "expected a row as long as the others (1), got 2")],
        ),
        ({"targets": [[1], [2, 3]]}, [(("targets", 1), "expected a row as long as the others (1), got 2")]),
        ({"targets": [[1]]}, [(("targets",), "expected one row for each row of inputs (2), got 1")]),
        ({"inputs": [[1, math.nan], [math.inf, 2]]}, [
            (("inputs", 0, 1), "expected a finite number, got nan"),
            (("inputs", 1, 0), "expected a finite number, got inf"),
        ]),
        ({"names": ["a"]}, [(("names",), "expected one name for each input column (2), got 1")]),
        ({"names": ["a", "a"]}, [(("names", 1), "two columns are named 'a'; expected different names")]),
        ({"classes": 2, "targets": [[0], [2]]}, [
            (("targets", 1, 0), "expected a class, a whole number from 0 to 1, got 2"),
        ]),
        ({"classes": 3, "targets": [[0.5], [-1]]}, [
            (("targets", 0, 0), "expected a class, a whole number from 0 to 2, got 0.5"),
            (("targets", 1, 0), "expected a class, a whole number from 0 to 2, got -1"),
        ]),
        ({"classes": 2, "targets": [[0, 1], [1, 0]]}, [
            (("targets",), "expected one target column, because classes are given"),
        ]),
    ],
)  # fmt: skip
def test_inline_says_what_is_wrong_and_where(options, faults):
    with pytest.raises(ComponentError) as caught:
        datasets.inline(**{"inputs": [[1, 2], [3, 4]], "targets": [[0], [1]], **options})
    assert [(fault.path, fault.message) for fault in caught.value.faults] == faults


def test_inline_reads_a_class_number_beyond_any_range_at_once():
    with pytest.raises(ComponentError, match=r"from 0 to 999999999999, got 0\.5"):
        datasets.inline([[1.0]], [[0.5]], classes=10**12)


CSV = 'a,"b, c",note,y\n1,2.5,hello,0\n-3e-1,"4",,1\n'


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "table.csv").write_text(CSV)
    return tmp_path


def test_csv_reads_the_columns_asked_for(folder):
    data = datasets.csv(folder, "table.csv", target="y", features=["b, c", "a"], classes=2)
    assert data.inputs.tolist() == [[2.5, 1.0], [4.0, -0.3]]
    assert data.targets.tolist() == [[0.0], [1.0]]
    assert (data.inputs.dtype, data.targets.dtype) == (torch.float64, torch.float64)
    assert (data.names, data.classes) == (("b, c", "a"), 2)


def test_csv_takes_every_other_column_without_features(folder):
    (folder / "numbers.csv").write_text("y,a,b\n1,2,3\n")
    data = datasets.csv(folder, "numbers.csv", target="y")
    assert (data.inputs.tolist(), data.targets.tolist(), data.names) == ([[2.0, 3.0]], [[1.0]], ("a", "b"))
    assert data.classes is None
    data = datasets.csv(folder, "numbers.csv", target=["b", "y"])
    assert (data.inputs.tolist(), data.targets.tolist(), data.names) == ([[2.0]], [[3.0, 1.0]], ("a",))


def test_csv_may_lie_elsewhere(folder):
    (folder / "scenarios").mkdir()
    for file in ("../table.csv", str(folder / "table.csv")):
        data = datasets.csv(folder / "scenarios", file, target="y", features=["a"])
        assert data.targets.tolist() == [[0.0], [1.0]]


@pytest.mark.parametrize(
    ("options", "path", "message"),
    [
        ({"target": "yy"}, ("target",), "no column 'yy' in {file}; did you mean 'y'?"),
        ({"target": ["y", "zzz"]}, ("target", 1), "no column 'zzz' in {file} (accepted: a, b, c, note, y)"),
        ({"features": ["a", "zzz"]}, ("features", 1), "no column 'zzz' in {file} (accepted: a, b, c, note, y)"),
        ({"features": []}, ("features",), "expected at least one feature column of {file}, got none"),
        ({"target": []}, ("target",), "expected at least one target column of {file}, got none"),
        ({"target": ["a", "y", "note", "b, c"], "features": None}, ("features",),
         "expected at least one feature column of {file}, got none"),
        ({"features": ["a", "y"]}, ("target",), "column 'y' is named twice"),
        ({"target": ["y", "y"]}, ("target",), "column 'y' is named twice"),
        ({"target": ["y", "b, c"], "classes": 2}, ("target",), "expected one target column, because classes are given"),
        ({"file": "none.csv"}, ("file",), "cannot read {folder}/none.csv: no such file or directory"),
    ],
)  # fmt: skip
def test_csv_that_does_not_fit_the_scenario_is_a_fault_there(folder, options, path, message):
    with pytest.raises(ScenarioError) as caught:
        datasets.csv(folder, **{"file": "table.csv", "target": "y", "features": ["a"], **options})
    expected = message.format(file=folder / "table.csv", folder=folder)
    assert [(fault.path, fault.message, fault.place) for fault in caught.value.faults] == [(path, expected, None)]


def test_csv_with_a_class_out_of_range_is_a_fault_in_the_file(folder):
    with pytest.raises(ScenarioError) as caught:
        datasets.csv(folder, "table.csv", target="b, c", features=["a"], classes=2)
    file = folder / "table.csv"
    assert str(caught.value).splitlines() == [
        f"{file}:2:3: expected a class, a whole number from 0 to 1, got 2.5",
        f"{file}:3:7: expected a class, a whole number from 0 to 1, got 4",
    ]
