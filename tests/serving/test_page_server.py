"""The server answers whoever has the token, on this machine, from its own page: each other request is a 403."""

import http.client
import socket
import threading

import pytest

from playground.errors import PlaygroundError
from playground.serving.feed import CONTENT, ENDED, STATE, Feed
from playground.serving.page_server import PageServer


@pytest.fixture
def server():
    made = PageServer("<p>page</p>", Feed())
    made.start()
    yield made
    made.shutdown()
    made.server_close()


def ask(server, path="/", method="GET", token=None, **headers):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    host = headers.pop("Host", f"127.0.0.1:{server.port}")
    connection.putrequest(method, f"{path}?token={server.token if token is None else token}", skip_host=True)
    for name, value in {"Host": host, **headers}.items():
        for each in [value] if isinstance(value, str) else value:
            connection.putheader(name, each)
    connection.endheaders()
    return connection.getresponse()


def test_the_page_for_whoever_has_its_address(server):
    answer = ask(server)
    assert (answer.status, answer.read()) == (200, b"<p>page</p>")
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
    assert "Python" not in answer.headers["Server"]
    assert server.address == f"http://127.0.0.1:{server.port}/?token={server.token}"


STRANGERS = {
    "no token": {"token": ""},
    "a wrong token": {"token": "x" * 22},
    "a token beyond ASCII": {"token": "%C3%A9"},
    "another host": {"Host": "evil.example"},
    "another host with the port": {"Host": "evil.example:{port}"},
    "another port": {"Host": "127.0.0.1:1"},
    "two hosts": {"Host": ["127.0.0.1:{port}", "evil.example"]},
    "another origin": {"Origin": "http://evil.example"},
    "a page without an origin": {"Origin": "null"},
    "another port's origin": {"Origin": "http://127.0.0.1:1"},
    "a secure origin": {"Origin": "https://127.0.0.1:{port}"},
}


@pytest.mark.parametrize("path", ["/", "/events", "/other"])
@pytest.mark.parametrize("stranger", STRANGERS)
def test_a_stranger_is_refused(server, stranger, path):
    def fill(value):
        return value.format(port=server.port) if isinstance(value, str) else [fill(each) for each in value]

    given = {name: fill(value) for name, value in STRANGERS[stranger].items()}
    answer = ask(server, path, **given)
    assert answer.status == 403
    assert b"page</p>" not in answer.read()


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost"])
def test_its_own_names_and_origin_are_accepted(server, name):
    own = f"{name}:{server.port}"
    assert ask(server, Host=own, Origin=f"http://{own}").status == 200


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/other", 404), ("POST", "/", 501), ("PUT", "/", 501)])
def test_there_is_nothing_else(server, method, path, status):
    assert ask(server, path, method).status == status


def test_only_this_machine_is_listened_to(server):
    assert server.socket.getsockname()[0] == "127.0.0.1"


def read_event(answer):
    lines = iter(answer.readline, b"\n")
    return b"".join(lines).decode().splitlines()


def test_events_are_the_latest_of_each_kind_then_what_follows_then_the_end(server):
    feed = server.feed
    for number in range(3):
        feed.publish(CONTENT, {"number": number})
    feed.publish(STATE, {"state": "following"})
    answer = ask(server, "/events")
    assert answer.headers["Content-Type"] == "text/event-stream"
    assert read_event(answer) == ["event: content", 'data: {"number":2}']
    assert read_event(answer) == ["event: state", 'data: {"state":"following"}']
    feed.publish(CONTENT, {"number": 3})
    assert read_event(answer) == ["event: content", 'data: {"number":3}']
    feed.close({"state": ENDED})
    assert "event: state" in read_event(answer)
    assert answer.read().replace(b": still here\n\n", b"") == b""


def test_a_text_stays_one_event(server):
    server.feed.publish(CONTENT, {"html": "a\n\nevent: state\ndata: x\n\n"})
    answer = ask(server, "/events")
    assert read_event(answer) == ["event: content", 'data: {"html":"a\\n\\nevent: state\\ndata: x\\n\\n"}']
    server.feed.close({})


def test_a_browser_that_goes_away_is_forgotten(server, capfd):
    answer = ask(server, "/events")
    server.feed.publish(STATE, {"state": "following"})
    read_event(answer)
    answer.close()
    for _ in range(100):
        server.feed.publish(CONTENT, {"html": "x" * 100_000})
        if not server.feed.count_listeners():
            break
        threading.Event().wait(0.02)
    assert server.feed.count_listeners() == 0
    assert capfd.readouterr().err == ""


def test_a_port_that_is_taken_is_one_line(server):
    with pytest.raises(PlaygroundError) as caught:
        PageServer("", Feed(), server.port)
    assert str(caught.value) == (
        f"--port {server.port}: address already in use; give another port, or leave the option out for a free one"
    )


def test_a_request_that_breaks_off_says_nothing(server, capfd):
    with socket.create_connection(("127.0.0.1", server.port)) as stranger:
        stranger.sendall(b"GET / HTTP/1.1\r\nHo")
    assert ask(server).status == 200
    assert capfd.readouterr().err == ""
