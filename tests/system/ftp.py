"""An FTP server (RFC 959, RFC 2428) with one file, for the server under test."""
import contextlib
import socket
import socketserver
import threading


class Session(socketserver.StreamRequestHandler):
    plain = {"USER": "331 and the password?", "PASS": "230 welcome", "TYPE": "200 so be it",
             "FEAT": "211 none", "PWD": '257 "/"', "QUIT": "221 bye"}

    def say(self, text):
        self.wfile.write(f"{text}\r\n".encode())

    def handle(self):
        data, offset = None, 0
        self.say("220 ready")
        for line in self.rfile:
            verb, _, rest = line.decode().strip().partition(" ")
            self.server.asked.append((verb, rest))
            if verb == "EPSV":
                data = socket.create_server(("127.0.0.1", 0))
                self.say(f"229 here (|||{data.getsockname()[1]}|)")
            elif verb == "SIZE":
                self.say(f"213 {len(self.server.file)}")
            elif verb == "REST":
                offset = int(rest)
                self.say("350 from there")
            elif verb == "RETR":
                self.say("150 here it comes")
                with data, data.accept()[0] as to, contextlib.suppress(OSError):
                    to.sendall(self.server.file[offset:])
                self.say("226 done")
            else:
                self.say(self.plain.get(verb, "502 what?"))


class FtpOrigin(socketserver.ThreadingTCPServer):
    daemon_threads = True

    def __init__(self, path):
        super().__init__(("127.0.0.1", 0), Session)
        self.file = open(path, "rb").read()
        self.asked = []
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    def url(self):
        return f"ftp://guest:door@127.0.0.1:{self.server_address[1]}/film.ts"

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()
