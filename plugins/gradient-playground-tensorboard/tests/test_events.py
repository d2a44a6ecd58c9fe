"""Event files, read back record by record."""

import math
import struct
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from tensorboardX.crc32c import crc32c
from tensorboardX.proto.event_pb2 import Event
from tensorboardX.proto.plugin_hparams_pb2 import HParamsPluginData

from playground.plugin_api import Batch, Run, Status, Verdict
from playground.testing import ReporterContract
from playground_tensorboard.events import write

BOWL = """
    name: bowl
    task: minimize
    function: (2*x + 10)**2 + y**2
    start: {x: 1, y: 2}
    optimizer: {name: sgd, lr: 0.1}
    steps: 3
    expect: {loss: {below: 1000}}
"""

SWEEP = """
    sweep: {over: {optimizer.lr: [0.01, 0.1, 3.0], seed: {count: 2}}}
"""


def masked(data):
    """The checksum of the TFRecord format."""
    value = crc32c(data)
    return ((value >> 15 | value << 17) + 0xA282EAD8) & 0xFFFFFFFF


def events(folder):
    """Every event of every file below a folder, checksums checked."""
    found = []
    for file in sorted(Path(folder).rglob("events.out.tfevents.*")):
        data = file.read_bytes()
        while data:
            (length,) = struct.unpack("<Q", data[:8])
            body = data[12 : 12 + length]
            assert struct.unpack("<I", data[8:12])[0] == masked(data[:8])
            assert struct.unpack("<I", data[12 + length : 16 + length])[0] == masked(body)
            found.append((file, Event.FromString(body)))
            data = data[16 + length :]
    return found


def values(folder):
    return [(event.step, value) for _, event in events(folder) for value in event.summary.value]


def scalars(folder, tag):
    return [(step, value.simple_value) for step, value in values(folder) if value.tag == tag]


class TestReporter(ReporterContract):
    folder = True

    def reporter(self):
        return write


@pytest.fixture
def playground(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def playground(text, *arguments):
        Path("s.yaml").write_text(textwrap.dedent(text).lstrip(), encoding="utf-8")
        command = [sys.executable, "-m", "playground", "run", "s.yaml", *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    return playground


def test_the_loss_is_a_scalar_for_each_step_and_the_last_one(playground):
    assert playground(BOWL, "--report", "tensorboard=runs").returncode == 0
    written = scalars("runs", "loss")
    assert [step for step, _ in written] == [0, 1, 2, 3]
    assert written[0][1] == pytest.approx(148)
    assert written[3][1] == pytest.approx((12 * 0.2**3) ** 2 + (2 * 0.8**3) ** 2, rel=1e-4)


def test_final_parameters_are_histograms(playground):
    playground(BOWL, "--report", "tensorboard=runs")
    histograms = {value.tag: value.histo for _, value in values("runs") if value.HasField("histo")}
    assert set(histograms) == {"x", "y"}
    assert histograms["x"].sum == pytest.approx(-5 + 6 * 0.2**3, abs=1e-4)
    assert histograms["x"].num == 1


def test_a_metric_is_a_scalar_at_the_last_step_and_the_verdict_is_text(playground):
    scenario = Path(__file__).parent.parent / "scenarios" / "moons.yaml"
    assert playground(scenario.read_text(encoding="utf-8"), "--report", "tensorboard=runs").returncode == 0
    assert scalars("runs", "accuracy") == [(400, pytest.approx(1, abs=0.05))]
    (text,) = [value.tensor.string_val[0].decode() for _, value in values("runs") if value.tag.startswith("run/")]
    assert text.startswith("**passed**")
    assert "✔ accuracy at least 0.95" in text


def test_a_sweep_is_a_table_of_hyperparameters(playground):
    playground(BOWL + SWEEP, "--report", "tensorboard=runs")
    rows = {}
    for file, event in events("runs"):
        for value in event.summary.value:
            if value.tag == "_hparams_/session_start_info":
                info = HParamsPluginData.FromString(value.metadata.plugin_data.content).session_start_info
                rows.setdefault(file.parent.name, {}).update({k: v.number_value for k, v in info.hparams.items()})
            elif value.HasField("simple_value"):
                rows.setdefault(file.parent.name, {})[value.tag] = value.simple_value
    assert [rows[each]["optimizer.lr"] for each in sorted(rows)] == [0.01, 0.1, 3.0]
    assert [rows[each]["runs"] for each in sorted(rows)] == [2, 2, 2]
    assert [rows[each]["sweep/passed"] for each in sorted(rows)] == [1, 1, 0]
    assert rows["point0002"]["sweep/diverged"] == 1


def test_a_second_report_adds_to_the_folder_and_keeps_what_is_there(playground):
    Path("runs").mkdir()
    Path("runs/mine.txt").write_text("mine")
    for _ in range(2):
        assert playground(BOWL, "--report", "tensorboard=runs").returncode == 0
    assert Path("runs/mine.txt").read_text() == "mine"
    assert len(scalars("runs", "loss")) == 8
    assert not list(Path().glob(".runs*"))


def test_a_report_where_a_file_is_is_one_line(playground):
    Path("runs").write_text("mine")
    result = playground(BOWL, "--report", "tensorboard=runs")
    assert result.returncode == 2
    assert "runs: cannot be written: file exists" in result.stderr
    assert Path("runs").read_text() == "mine"


@pytest.mark.parametrize("status", Status)
def test_every_status_is_written(tmp_path, status):
    run = Run(
        scenario="a/../b é",
        id="",
        seed=0,
        status=status,
        verdict=Verdict.FAILED,
        parameters={"x": [math.nan, 1.0], "y": []},
        metrics={"m": None},
    )
    write(Batch((run,)), tmp_path / "runs")
    assert [path.parent for path in (tmp_path / "runs").iterdir()] == [tmp_path / "runs"]
    assert not [value for _, value in values(tmp_path) if value.HasField("histo")]
