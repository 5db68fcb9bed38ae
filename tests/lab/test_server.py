"""The server of the laboratory: for its own page on this machine, and for nobody else."""

import contextlib
import http.client
import json
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from minires.errors import StateError
from minires.lab import server as module
from minires.lab.server import MOST_BYTES, MOST_LABS, Labs, Server, serve

SMALL = {"do": "make", "nets": [{"depth": 8}, {"depth": 8, "block": "plain"}]}


@contextlib.contextmanager
def listening(language="en"):
    with Server(0, language) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(scope="module")
def server():
    with listening() as found:
        yield found


def asked(server, method, path, body=None, **headers):
    connection = http.client.HTTPConnection(*server.server_address, timeout=30)
    try:
        connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        return answer.status, answer.read(), answer.headers
    finally:
        connection.close()


def ask(server, request, lab="one", **headers):
    body = json.dumps({"lab": lab, "ask": request})
    status, answer, _ = asked(server, "POST", f"{server.place}ask", body, Content_Type="application/json", **headers)
    return status, json.loads(answer) if status == 200 else answer.decode()


def raw(server, data):
    """What comes back for bytes that http.client would not send."""
    with socket.create_connection(server.server_address, timeout=30) as connection:
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(65536), b"")).decode("latin-1")


def test_the_page_and_its_answers(server):
    status, page, headers = asked(server, "GET", server.place)
    assert status == 200 and page == server.page and headers["Content-Type"] == "text/html; charset=utf-8"
    assert headers["Cache-Control"] == "no-store" and headers["X-Content-Type-Options"] == "nosniff"
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"] and "Python" not in headers["Server"]
    origin = server.address.removesuffix(server.place)
    status, made = ask(server, SMALL, Origin=origin)
    assert status == 200 and made["step"] == 0
    assert ask(server, {"do": "step", "steps": 2})[1]["step"] == 2


def test_the_token_is_long_and_of_one_server(server):
    with Server(0, "en") as other:
        assert len(server.place) > 32 and other.place != server.place
        assert asked(server, "GET", other.place)[0] == 403


@pytest.mark.parametrize(
    "path", ["/", "/ask", "/token/", "/favicon.ico", "", "{short}", "{upper}", "/?token={bare}", "/{bare}%2f"]
)
def test_without_the_token_nothing_is_to_be_had(server, path):
    place, bare = server.place, server.place.strip("/")
    path = path.format(short=place[:-2], upper=place.swapcase(), bare=bare)
    for method in ("GET", "POST"):
        status, words, _ = asked(server, method, path or "/", b"{}" if method == "POST" else None)
        assert status == 403 and b"token" in words and bare.encode() not in words


@pytest.mark.parametrize(
    "rest", ["../", "../../etc/passwd", "..%2f..%2fetc/passwd", "ask/../", "lab.js", "ask", "?x=1", "%00"]
)
def test_no_path_leads_to_a_file(server, rest):
    status, words, _ = asked(server, "GET", server.place + rest)
    assert status == 404 and b"root:" not in words
    assert (
        "403" in raw(server, f"GET /../..{server.place} HTTP/1.0\r\nHost: {server.address[7:22]}\r\n\r\n".encode())[:40]
    )


@pytest.mark.parametrize(
    "origin",
    ["http://example.org", "https://127.0.0.1:{port}", "http://127.0.0.1", "http://127.0.0.1:1", "null", "", "file://"],
)
def test_a_foreign_origin_is_refused(server, origin):
    status, words = ask(server, SMALL, lab="foreign", Origin=origin.format(port=server.server_address[1]))
    assert status == 403 and "another page asks" in words
    assert ask(server, {"do": "step"}, lab="foreign")[1]["error"], "nothing has been made"


@pytest.mark.parametrize(
    "host", ["example.org", "example.org:{port}", "127.0.0.1", "localhost.example.org:{port}", "0.0.0.0:{port}", ""]
)
def test_a_name_that_leads_here_is_refused(server, host):
    """A page whose name is made to point to the loopback address is of the same origin as itself."""
    host = host.format(port=server.server_address[1])
    assert ask(server, SMALL, Host=host)[0] == 403
    assert asked(server, "GET", server.place, Host=host)[0] == 403


def test_localhost_is_this_machine_too(server):
    name = f"localhost:{server.server_address[1]}"
    assert ask(server, SMALL, Host=name, Origin=f"http://{name}")[0] == 200


def test_100_megabytes_are_refused_and_not_kept(server):
    chunk, sent = b" " * (1 << 20), 0
    with socket.create_connection(server.server_address, timeout=30) as connection:
        head = f"POST {server.place}ask HTTP/1.1\r\nHost: 127.0.0.1:{server.server_address[1]}\r\n"
        connection.sendall(f"{head}Content-Type: application/json\r\nContent-Length: {100 << 20}\r\n\r\n".encode())
        with contextlib.suppress(OSError):
            for _ in range(100):
                connection.sendall(chunk)
                sent += len(chunk)
        answer = connection.recv(65536).decode()
    assert " 413 " in answer and f"at most {MOST_BYTES}" in answer


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 411),
        ({"Content-Length": "-1"}, 411),
        ({"Content-Length": "1e3"}, 411),
        ({"Content-Length": "9" * 5000}, 413),
        ({"Content-Length": str(MOST_BYTES + 1)}, 413),
        ({"Content-Length": "2", "Transfer-Encoding": "chunked"}, 411),
        ({"Content-Length": "2", "Content-Type": "text/plain"}, 415),
        ({"Content-Length": "2", "Content-Type": "application/x-www-form-urlencoded"}, 415),
    ],
    ids=range(8),
)
def test_bodies_that_say_not_what_they_are(server, headers, status):
    headers = {"Host": server.address[7:].split("/")[0], "Content-Type": "application/json"} | headers
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    answer = raw(server, f"POST {server.place}ask HTTP/1.0\r\n{lines}\r\n{{}}".encode())
    assert f" {status} " in answer.splitlines()[0], answer


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe", b"[" * 60000, b"NaN,", b'{"a":'])
def test_what_is_no_json(server, body):
    status, words, _ = asked(server, "POST", f"{server.place}ask", body, Content_Type="application/json")
    assert status == 400 and b"no JSON" in words


@pytest.mark.parametrize(
    "body", ["[]", "{}", '{"lab": 1, "ask": {}}', '{"lab": "", "ask": {}}', '{"lab": "a", "b": 1}', "7"]
)
def test_requests_that_are_none(server, body):
    status, answer, _ = asked(server, "POST", f"{server.place}ask", body, Content_Type="application/json")
    assert status == 200 and json.loads(answer)["error"]


def test_other_methods_and_garbage(server):
    for method in ("PUT", "DELETE", "OPTIONS", "HEAD", "TRACE"):
        assert asked(server, method, server.place)[0] == 501
    for data in (b"\r\n\r\n", b"GET\r\n\r\n", b"\x16\x03\x01\x00\r\n\r\n", b"GET / HTTP/9\r\n\r\n", b"A" * 70000):
        assert "200 OK" not in raw(server, data)
    assert asked(server, "GET", server.place)[0] == 200, "it is still there"


def test_nothing_listens_beyond_loopback(server):
    assert server.server_address[0] == "127.0.0.1"
    port = f"{server.server_address[1]:04X}"
    lines = [
        line.split()[1:4] for name in ("tcp", "tcp6") for line in Path("/proc/net", name).read_text().splitlines()[1:]
    ]
    listens = [here for here, _, state in lines if state == "0A" and here.endswith(f":{port}")]
    assert listens == [f"0100007F:{port}"]


def test_pages_do_not_see_each_other():
    labs = Labs()
    for name in ("a", "b"):
        labs.respond({"lab": name, "ask": SMALL})
    assert labs.respond({"lab": "a", "ask": {"do": "step", "steps": 2}})["step"] == 2
    assert labs.respond({"lab": "b", "ask": {"do": "step"}})["step"] == 1


def test_the_oldest_page_is_dropped():
    labs = Labs()
    for number in range(MOST_LABS + 1):
        labs.respond({"lab": str(number), "ask": SMALL})
        labs.respond({"lab": "1", "ask": {"do": "step"}})
    assert "there are no networks" in labs.respond({"lab": "0", "ask": {"do": "step"}})["error"]
    assert "error" not in labs.respond({"lab": "1", "ask": {"do": "step"}})
    assert len(labs._labs) == MOST_LABS


def test_many_ask_at_once(server):
    answers = {}

    def one(name):
        ask(server, SMALL, name)
        answers[name] = ask(server, {"do": "step", "steps": 3}, name)[1]

    threads = [threading.Thread(target=one, args=(f"page {n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 4 and all(answer == answers["page 0"] for answer in answers.values())


def test_a_port_in_use_is_passed_over_or_said(monkeypatch):
    def stop(address):
        raise KeyboardInterrupt(address)

    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(StateError, match=rf"port {port} is in use: take another one, --port 0"):
            serve(port)
        monkeypatch.setattr(module, "PORT", port)
        with pytest.raises(KeyboardInterrupt) as found:
            serve(ready=stop)
        assert f":{port}/" not in str(found.value)
        monkeypatch.setattr(module, "TRIES", 1)
        with pytest.raises(StateError, match=rf"ports {port} to {port} are in use"):
            serve()


@pytest.mark.parametrize("port", [-1, 65536, 1.5, "80", True])
def test_ports_that_are_none(port):
    with pytest.raises(ValueError, match="port is .*, expected an integer from 0 to 65535"):
        serve(port)


def test_ctrl_c_ends_it_in_the_middle_of_a_training():
    command = [sys.executable, "-m", "minires", "lab", "--no-browser", "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        line, about = process.stdout.readline(), process.stdout.readline()
        place = line.split("http://")[1].strip()
        host, path = place.split("/", 1)
        name, port = host.split(":")

        def train():
            with contextlib.suppress(OSError, http.client.HTTPException):
                for request in ({"do": "make"}, *[{"do": "step", "steps": 100}] * 9):
                    connection = http.client.HTTPConnection(name, int(port), timeout=60)
                    body = json.dumps({"lab": "a", "ask": request})
                    connection.request("POST", f"/{path}ask", body, {"Content-Type": "application/json"})
                    connection.getresponse().read()

        thread = threading.Thread(target=train)
        thread.start()
        time.sleep(2)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
        thread.join()
    finally:
        process.kill()
    assert (process.returncode, err) == (130, "minires: stopped\n")
    with pytest.raises(OSError):
        socket.create_connection((name, int(port)), timeout=5)
    assert "Ctrl-C" in about and not out.strip()
