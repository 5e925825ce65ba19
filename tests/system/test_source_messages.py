"""The messages for operator and viewer when a source is not a stream."""
import contextlib
import http.server
import socket
import threading

import pytest
from lineup import channel, line_up


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        if self.path == "/circle.ts":
            self.answer(302, b"", Location="/circle.ts")
        else:
            self.answer(200, b"\r\n<!DOCTYPE HTML>\n<html><body>Log in</body></html>\n" * 50)

    def answer(self, status, body, **headers):
        self.send_response(status)
        for name, value in {"Content-Type": "text/html", "Content-Length": len(body),
                            **headers}.items():
            self.send_header(name, str(value))
        self.end_headers()
        self.wfile.write(body)


@contextlib.contextmanager
def web():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()


@contextlib.contextmanager
def closing():
    """Reads each request and closes the connection."""
    def serve():
        while True:
            try:
                peer, _ = sock.accept()
            except OSError:
                return
            with peer:
                peer.settimeout(5)
                with contextlib.suppress(OSError):
                    peer.recv(65536)

    with socket.create_server(("127.0.0.1", 0)) as sock:
        threading.Thread(target=serve, daemon=True).start()
        yield sock.getsockname()[1]
        sock.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize("server_of, path, message", [
    (web, "/page.ts", "the source answered with a web page (HTML)"),
    (web, "/circle.ts", "the source redirects in a loop"),
    (closing, "/live.ts", "the source closed the connection without an answer")],
    ids=["page", "circle", "closed"])
def test_error_messages_are_clear(server, server_of, path, message):
    with server_of() as port:
        s = server(line_up(channel(1, f"http://127.0.0.1:{port}{path}"),
                           streaming={"allow_private": True}))
        answer = s.refused("/stream/1")
        assert answer.status == 502 and message in answer.text
        assert message in s.tuner("1")["last_error"]
        assert message in s.log()
