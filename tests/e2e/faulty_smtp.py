"""Servers with one fault each, for `postern check`: `faulty_smtp.py DIRECTORY ADDRESS PORT=BEHAVIOUR...`.

Port 0 lets the kernel choose. When all listen, one line of JSON on standard output maps behaviours to ports. DIRECTORY holds
NAME.pem (certificate chain and key) for the certificate behaviours."""

import base64
import json
import pathlib
import socket
import ssl
import struct
import sys
import threading
import time
import warnings

warnings.simplefilter("ignore", DeprecationWarning)  # TLS 1.0 is what a test is about
DIRECTORY = pathlib.Path(sys.argv[1])
GOOD_TOKEN = b"good" * 200  # longer than a command line may be


def context(name):
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.set_ciphers("ALL:@SECLEVEL=0")
    made.minimum_version = ssl.TLSVersion.TLSv1 if name in ("old-tls", "also-old-tls") else ssl.TLSVersion.TLSv1_2
    if name == "old-tls":
        made.maximum_version = ssl.TLSVersion.TLSv1_1
    pem = DIRECTORY / f"{name}.pem"
    made.load_cert_chain(pem if pem.exists() else DIRECTORY / "good.pem")
    return made


class Conversation:
    """An SMTP server that wants TLS and a login, except for its one fault."""

    def __init__(self, connection, fault):
        self.socket, self.fault, self.tls = connection, fault, False
        self.lines = connection.makefile("rb")

    def send(self, text):
        self.socket.sendall(text.replace("\n", "\r\n").encode())

    def upgrade(self):
        self.socket = context(self.fault).wrap_socket(self.socket, server_side=True)
        self.lines, self.tls = self.socket.makefile("rb"), True

    def ehlo(self):
        keywords = ["mail.test", "SIZE 1000000"]
        if not self.tls and self.fault == "mask":
            keywords.append("XXXXXXXA")
        elif not self.tls and self.fault not in ("strip", "strip-passes", "no-tls", "relay", "clear-auth-no-tls"):
            keywords.append("STARTTLS")
        if (self.tls and self.fault != "no-auth") or self.fault in ("clear-auth", "clear-auth-no-tls"):
            keywords.append("AUTH XOAUTH2" if self.fault == "xoauth2" else "AUTH PLAIN LOGIN")
        self.send("".join(f"250{' ' if i + 1 == len(keywords) else '-'}{k}\n" for i, k in enumerate(keywords)))

    def command(self, line):
        verb = line.split()[0].upper() if line.split() else ""
        if verb == "EHLO":
            self.send("550 go away\n") if self.fault == "ehlo-refused" else self.ehlo()
        elif verb == "STARTTLS" and not self.tls:
            if self.fault in ("strip", "mask", "no-tls", "relay"):
                self.send("500 unknown command\n")
            elif self.fault == "454":
                self.send("454 4.7.0 TLS not available due to local problem\n")
            else:
                self.send("220 go\n")
                if self.fault == "breaks-tls":
                    self.socket.close()
                    return False
                self.upgrade()
        elif verb == "AUTH":
            if self.fault == "clear-auth-hidden" and not self.tls:
                self.send("334 \n")
                self.lines.readline()
                self.send("501 cancelled\n")
            elif not self.tls:
                self.send("538 5.7.11 Encryption required\n")
            elif self.fault == "xoauth2":
                self.xoauth2(line)
            else:
                self.send("235 2.7.0 ok\n" if line.split()[-1] == "AGFsaWNlAHNlY3JldA==" else "535 5.7.8 no\n")
        elif verb in ("MAIL", "RCPT"):
            wants_tls = self.fault in ("strip", "mask") or not self.tls
            refuse = "530 5.7.0 Must issue a STARTTLS command first\n" if wants_tls else "530 5.7.0 Authentication required\n"
            self.send("250 2.1.0 ok\n" if self.fault in ("relay", "no-tls-relay", "tls-relay") else
                      "550 5.7.1 no\n" if self.fault == "no-tls" else refuse)
        elif verb == "QUIT":
            self.send("221 bye\n")
            return False
        else:
            self.send("250 ok\n")
        return True

    def xoauth2(self, line):
        """Takes the token "good" of alice; others get the refusal in JSON, which the client has to answer."""
        if len(line.split()) == 2:
            self.send("334 \n")
            line = self.lines.readline().decode("latin-1").strip()
        if base64.b64decode(line.split()[-1]) == b"user=alice\x01auth=Bearer " + GOOD_TOKEN + b"\x01\x01":
            return self.send("235 2.7.0 ok\n")
        self.send("334 " + base64.b64encode(b'{"status":"401","schemes":"bearer"}').decode() + "\n")
        answer = self.lines.readline()
        return self.send("535 5.7.8 no\n" if answer == b"\r\n" else "501 5.5.2 that was no answer\n")

    def run(self):
        if self.fault in ("implicit", "tls-on-587"):
            self.upgrade()
        if self.fault == "slow-banner":
            time.sleep(4)
        if self.fault == "554":
            return self.send("554 5.7.1 your address is listed\n")
        if self.fault == "greet-pause":
            self.send("220-mail.test wait\n")
            time.sleep(1.5)
        self.send("220 ****************************\n" if self.fault == "mask" else "220 mail.test ESMTP\n")
        while True:
            line = self.lines.readline()
            if not line or not self.command(line.decode("latin-1").rstrip("\r\n")):
                return None


def serve(connection, fault):
    connection.settimeout(30)
    try:
        if fault == "silent":
            time.sleep(30)
        elif fault == "http":
            data = connection.recv(1000)
            if data:
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        elif fault == "ssh":
            connection.sendall(b"SSH-2.0-OpenSSH_9.2p1\r\n")
        elif fault == "reset":
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        elif fault != "close":
            Conversation(connection, fault).run()
    except (OSError, ssl.SSLError):
        pass
    finally:
        connection.close()


def accept(listener, fault):
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=serve, args=(connection, fault), daemon=True).start()


def main():
    ports = {}
    for argument in sys.argv[3:]:
        port, fault = argument.split("=")
        family = socket.AF_INET6 if ":" in sys.argv[2] else socket.AF_INET
        listener = socket.create_server((sys.argv[2], int(port)), family=family, backlog=50)
        ports[fault] = listener.getsockname()[1]
        threading.Thread(target=accept, args=(listener, fault), daemon=True).start()
    print(json.dumps(ports), flush=True)
    threading.Event().wait()


main()
