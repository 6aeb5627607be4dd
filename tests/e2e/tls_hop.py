"""Mail hosts and web servers with certificates of a private CA, for tests of how strong TLS has to be."""

import hashlib
import http.server
import random
import socket
import socketserver
import ssl
import subprocess
import threading

import pytest
from conftest import openssl


class Authority:
    """A CA of our own in `directory`; `ca` is its certificate."""

    def __init__(self, directory):
        directory.mkdir(exist_ok=True)
        self.directory = directory
        self.ca, self.key = directory / "ca.pem", directory / "ca.key"
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=Test CA",
                "-addext", "basicConstraints=critical,CA:TRUE", "-keyout", self.key, "-out", self.ca)

    def issue(self, name, *names):
        """A context for a server called `names`; the chain has the CA in it (RFC 7672 §3.1.1)."""
        base = self.directory / name
        (base.with_suffix(".ext")).write_text("subjectAltName=" + ",".join(f"DNS:{each}" for each in names) + "\n")
        openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={name}",
                "-keyout", f"{base}.key", "-out", f"{base}.csr")
        openssl("x509", "-req", "-in", f"{base}.csr", "-CA", self.ca, "-CAkey", self.key, "-CAcreateserial", "-days", "2",
                "-extfile", f"{base}.ext", "-out", f"{base}.pem")
        chain = self.directory / f"{name}.chain"
        chain.write_text((self.directory / f"{name}.pem").read_text() + self.ca.read_text())
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(chain, f"{base}.key")
        context.sni_callback = lambda connection, asked, _: setattr(connection, "asked_for", asked)
        return context

    def spki_sha256(self, name, algorithm=hashlib.sha256):
        """What a TLSA record 3 1 1 holds, or 3 1 2 with hashlib.sha512."""
        public = openssl("x509", "-in", self.directory / f"{name}.pem", "-pubkey", "-noout")
        der = subprocess.run(["openssl", "pkey", "-pubin", "-outform", "DER"], input=public, check=True, capture_output=True).stdout
        return algorithm(der).hexdigest()

    def ca_sha256(self):
        """What a TLSA record 2 0 1 holds."""
        return hashlib.sha256(openssl("x509", "-in", self.ca, "-outform", "DER")).hexdigest()


class TlsHop(socketserver.ThreadingTCPServer):
    """A mail host that offers STARTTLS when it has a context; keeps (recipient, SNI, was it TLS, content)."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, address, context, login=""):
        self.context, self.login = context, login  # a line of EHLO's reply under TLS
        self.mails = []
        super().__init__(address, self.Session)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def port(self):
        return self.server_address[1]

    def recipients(self):
        return [recipient for mail in self.mails for recipient in mail["to"]]

    class Session(socketserver.BaseRequestHandler):
        def say(self, text):
            self.file.write(text.encode() + b"\r\n")
            self.file.flush()

        def handle(self):
            connection, context = self.request, self.server.context
            connection.settimeout(20)
            self.file = connection.makefile("rwb")
            sni, tls, mail, sender, to = None, False, "", "", []
            try:
                self.say("220 hop.test ESMTP")
                while line := self.file.readline():
                    verb = line[:4].upper()
                    if verb == b"EHLO":
                        self.say(f"250-hop.test\r\n{self.server.login}250-PIPELINING\r\n250 8BITMIME" if tls or not context
                                 else "250-hop.test\r\n250-PIPELINING\r\n250-STARTTLS\r\n250 8BITMIME")
                    elif verb == b"STAR":
                        self.say("220 go")
                        connection = context.wrap_socket(connection, server_side=True)
                        self.file = connection.makefile("rwb")
                        tls, sni = True, getattr(connection, "asked_for", None)
                    elif verb == b"MAIL":
                        mail, sender, to = line.decode().strip(), line.decode().split("<")[1].split(">")[0], []
                        self.say("250 ok")
                    elif verb == b"RCPT":
                        to.append(line.decode().split("<")[1].split(">")[0])
                        self.say("250 ok")
                    elif verb == b"DATA":
                        self.say("354 go")
                        body = b""
                        while (text := self.file.readline()) not in (b".\r\n", b""):
                            body += text[1:] if text.startswith(b".") else text
                        self.server.mails.append({"from": sender, "to": to, "sni": sni, "tls": tls, "mail": mail, "content": body})
                        self.say("250 taken")
                    elif verb == b"QUIT":
                        self.say("221 bye")
                        return
                    else:
                        self.say("250 ok")
            except (OSError, ssl.SSLError):
                pass


def private_address():
    """Somewhere in 127.0.0.0/8, so that fixed ports do not meet when tests run side by side."""
    return f"127.{random.randint(1, 250)}.{random.randint(1, 250)}.{random.randint(2, 250)}"


class WebHost:
    """https:// on port 443 of `address`. `pages` maps paths to (status, type, body); `asked` has what came."""

    def __init__(self, address, context):
        self.pages, self.asked, self.posted = {}, [], []
        host = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def answer(self):
                host.asked.append((self.headers["Host"], self.path))
                status, kind, body = host.pages.get(self.path, (404, "text/plain", "nothing here"))
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body.encode())

            def do_GET(self):
                self.answer()

            def do_POST(self):
                host.posted.append((dict(self.headers), self.rfile.read(int(self.headers["Content-Length"]))))
                self.answer()

            def log_message(self, *_):
                pass

        try:
            self.server = http.server.ThreadingHTTPServer((address, 443), Handler)
        except PermissionError:
            pytest.skip("port 443 needs root")
        self.server.daemon_threads = True
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()
