"""A feed follows a file: each save gives the new page or the faults, whatever is saved and however it fails."""

import json
import threading
import time

import pytest

from playground.serving.feed import Feed
from playground.serving.following import ScenarioFollower
from playground.serving.recorder import Recorder

pytestmark = pytest.mark.timeout(300)

PATIENCE = 120
"""Seconds to wait for what must happen."""


class Watcher:
    """Reads a feed as a page does."""

    def __init__(self, feed, recorder):
        self.feed, self.recorder, self.seen = feed, recorder, 0

    def wait_for(self, kind, accept):
        """Return the next message of a kind that fits; others are passed over."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            for number, found, text in self.feed.wait_for_newer(self.seen, 1.0):
                self.seen = number
                message = json.loads(text)
                if found == kind and accept(message):
                    return message
        raise AssertionError(f"no such {kind}")

    def content(self, title):
        return self.wait_for("content", lambda message: message["title"] == title)

    def fault(self, part):
        return self.wait_for("state", lambda message: message["state"] == "faulty" and part in str(message["lines"]))


class StopFollowingError(Exception):
    """Ends a follower in its thread."""


@pytest.fixture
def follow(make_order, monkeypatch):
    """Follow a file in a thread; returns what reads its feed."""
    stop, threads = threading.Event(), []

    def follow(*plugins, seconds=3600.0, **options):
        feed, recorder = Feed(), Recorder(seconds)
        follower = ScenarioFollower(make_order(*plugins, **options), recorder, feed, lambda *_: None)
        find_changed = follower._files.find_changed

        def find_or_stop():
            if stop.is_set():
                raise StopFollowingError
            return find_changed()

        monkeypatch.setattr(follower._files, "find_changed", find_or_stop)

        def run():
            with pytest.raises(StopFollowingError):
                follower.follow()

        threads.append(threading.Thread(target=run))
        threads[-1].start()
        return Watcher(feed, recorder)

    yield follow
    stop.set()
    for thread in threads:
        thread.join(PATIENCE)
        assert not thread.is_alive()


def test_invalid_and_valid_again(write, bowl, follow):
    write("bowl.yaml", bowl)
    page = follow()
    assert page.wait_for("state", lambda message: True)["state"] == "recording"
    page.content("bowl")
    following = page.wait_for("state", lambda message: message["state"] == "following")
    assert following["sentence"].startswith("following bowl.yaml; recorded at ")
    write("bowl.yaml", bowl.replace("lr: 0.15", "lrr: 0.15"))
    fault = page.fault("lrr")
    assert fault["lines"] == ["bowl.yaml:5:24: unknown parameter 'lrr' of optimizer 'sgd'; did you mean 'lr'?"]
    assert fault["sentence"].endswith("below is the last page without a fault")
    write("bowl.yaml", bowl.replace("name: bowl", "name: again"))
    page.content("again")


def test_a_first_page_with_a_fault(write, follow):
    write("bowl.yaml", "task: minimise\n")
    page = follow()
    assert "below" not in page.fault("unknown task 'minimise'")["sentence"]


def test_a_file_that_is_deleted_and_comes_back(write, bowl, follow):
    path = write("bowl.yaml", bowl)
    page = follow()
    page.content("bowl")
    path.unlink()
    assert page.fault("no such file")["lines"] == ["bowl.yaml: no such file"]
    write("bowl.yaml", bowl.replace("name: bowl", "name: back"))
    page.content("back")


def test_a_plugin_what_it_imports_and_data_are_followed(write, follow):
    loss = (
        "import sys\nsys.path.insert(0, '')\nfrom helper import mine\nfrom playground import hookimpl\n\n"
        "@hookimpl\ndef playground_losses():\n    return {'mine': mine}\n"
    )
    helper = "def mine(prediction, target):\n    return ((prediction - target) ** 2).mean() * %d\n"
    plugin = write("plugin.py", loss)
    write("helper.py", helper % 1)
    write("table.csv", "a,b\n0,1\n1,2\n2,4\n")
    write(
        "line.yaml",
        "name: line\ntask: regression\ndataset: {name: csv, file: table.csv, target: b}\nmodel: linear\n"
        "loss: mine\noptimizer: sgd\nsteps: 3\n",
    )
    page = follow("plugin.py", file="line.yaml")
    first = page.content("line")["data"]["part0"]["losses"][0]
    write("helper.py", helper % 2)
    assert page.content("line")["data"]["part0"]["losses"][0] == pytest.approx(2 * first)
    write("table.csv", "a,b\n0,1\n1,2\n2,40\n")
    assert page.content("line")["data"]["part0"]["losses"][0] > 10 * first
    plugin.write_text("import time\nraise ValueError('edited')\n", encoding="utf-8")
    page.fault("ValueError: edited (plugin.py, line 2)")
    plugin.unlink()
    page.fault("no such file")
    plugin.write_text(loss, encoding="utf-8")
    page.content("line")


def test_a_plugin_that_hangs_and_is_repaired(write, bowl, follow):
    write("bowl.yaml", bowl)
    good = "from playground import hookimpl\n\n@hookimpl\ndef playground_run_started(spec):\n    pass\n"
    write("plugin.py", f"import time\ntime.sleep(3600)\n{good}")
    page = follow("plugin.py", seconds=1.0)
    page.fault("recording took longer than 1 s and was ended")
    page.recorder.seconds = 3600.0  # the repaired one has all the time that a busy machine takes
    write("plugin.py", good)
    page.content("bowl")


def test_a_newer_save_ends_the_recording_of_an_older_one(write, bowl, follow):
    write("bowl.yaml", bowl.replace("steps: 20", "steps: 1000000000"))
    page = follow()
    page.wait_for("state", lambda message: message["state"] == "recording")
    write("bowl.yaml", bowl.replace("name: bowl", "name: newer"))
    page.content("newer")


def test_a_recording_that_writes_what_it_reads_is_not_repeated(write, bowl, follow):
    write("bowl.yaml", bowl)
    write(
        "plugin.py",
        "from pathlib import Path\nfrom playground import hookimpl\n\n@hookimpl\ndef playground_run_started(spec):\n"
        "    path = Path('count.txt')\n    path.write_text(path.read_text() + 'x' if path.exists() else 'x')\n",
    )
    page = follow("plugin.py")
    page.content("bowl")
    time.sleep(0.5)
    write("bowl.yaml", bowl.replace("name: bowl", "name: second"))
    page.content("second")
    time.sleep(0.5)
    with open("count.txt", encoding="utf-8") as file:
        assert file.read() == "xx"
