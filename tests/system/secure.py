"""TLS for the tests: a private authority, a certificate for 127.0.0.1 and localhost, and a server
that puts TLS in front of a TCP port."""
import contextlib
import os
import socket
import ssl
import subprocess
import threading


def openssl(*words):
    subprocess.run(["openssl", *words], check=True, capture_output=True)


def make_certificates(folder):
    """ca.pem, server.pem and server.key in `folder`."""
    def at(name):
        return os.path.join(folder, name)

    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
            "-keyout", at("ca.key"), "-out", at("ca.pem"), "-days", "30", "-subj",
            "/CN=Amps test authority")
    openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
            "-keyout", at("server.key"), "-out", at("server.csr"), "-subj", "/CN=localhost")
    with open(at("names"), "w") as f:
        f.write("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
    openssl("x509", "-req", "-in", at("server.csr"), "-CA", at("ca.pem"), "-CAkey", at("ca.key"),
            "-CAcreateserial", "-out", at("server.pem"), "-days", "30", "-extfile", at("names"))


def pump(a, b):
    with contextlib.suppress(OSError):
        while data := a.recv(65536):
            b.sendall(data)
    for s in (a, b):
        with contextlib.suppress(OSError):
            s.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def tls_in_front_of(port, folder):
    """The port of a TLS server that forwards its clients to `port`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(os.path.join(folder, "server.pem"), os.path.join(folder, "server.key"))
    listener = socket.create_server(("127.0.0.1", 0))

    def serve(plain):
        with contextlib.suppress(OSError), context.wrap_socket(plain, server_side=True) as client:
            with socket.create_connection(("127.0.0.1", port)) as behind:
                threading.Thread(target=pump, args=(client, behind), daemon=True).start()
                pump(behind, client)

    def accept():
        with contextlib.suppress(OSError):
            while True:
                plain, _ = listener.accept()
                threading.Thread(target=serve, args=(plain,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
