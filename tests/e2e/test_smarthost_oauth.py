"""A smarthost that wants OAuth 2.0: the token is fetched once, used again, and renewed when it is refused."""

import base64
import http.server
import json
import smtplib
import socketserver
import ssl
import threading
import urllib.parse

from scripted_hop import PASSWORD, Hop, Server, wait_until


class Issuer(http.server.ThreadingHTTPServer):
    def __init__(self, context):
        self.asked, self.life, self.error = [], 3600, ""
        super().__init__(("127.0.0.1", 0), self.Handler)
        self.socket = context.wrap_socket(self.socket, server_side=True)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            form = dict(urllib.parse.parse_qsl(self.rfile.read(int(self.headers["Content-Length"])).decode()))
            self.server.asked.append(form)
            right = form.get("client_id") == "postern" and not self.server.error and (
                form.get("refresh_token") == "refresh me" if form["grant_type"] == "refresh_token" else form.get("client_secret") == "s3cret")
            body = json.dumps({"access_token": f"token-{len(self.server.asked)}", "expires_in": self.server.life, "token_type": "Bearer"}
                              if right else {"error": self.server.error or "invalid_grant",
                                             "error_description": "the grant was revoked"}).encode()
            self.send_response(200 if right else 400)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass


class Relay(socketserver.ThreadingTCPServer):
    """STARTTLS, then AUTH with a token of `valid`; keeps what it gets."""

    allow_reuse_address = daemon_threads = True

    def __init__(self, context, mechanism):
        self.context, self.mechanism, self.valid, self.logins, self.mails = context, mechanism, {"token-1"}, [], []
        super().__init__(("127.0.0.1", 0), self.Session)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    class Session(socketserver.BaseRequestHandler):
        def handle(self):
            sock, tls, welcome = self.request, False, False
            stream = sock.makefile("rwb", 0)
            stream.write(b"220 relay.test\r\n")
            while line := stream.readline():
                verb = line.split()[0].upper() if line.strip() else b""
                if verb == b"EHLO":
                    offer = b"AUTH " + self.server.mechanism if tls else b"STARTTLS"
                    stream.write(b"250-relay.test\r\n250 " + offer + b"\r\n")
                elif verb == b"STARTTLS":
                    stream.write(b"220 go\r\n")
                    sock = self.server.context.wrap_socket(sock, server_side=True)
                    stream, tls = sock.makefile("rwb", 0), True
                elif verb == b"AUTH":
                    response = base64.b64decode(line.split()[2]).decode()
                    self.server.logins.append(response)
                    token = response.split("auth=Bearer ")[1].split("\x01")[0]
                    welcome = "alice@relay.test" in response and token in self.server.valid
                    if not welcome:
                        stream.write(b"334 " + base64.b64encode(b'{"status":"401"}') + b"\r\n")
                        stream.readline()
                    stream.write(b"235 2.7.0 welcome\r\n" if welcome else b"535 5.7.8 bad token\r\n")
                elif verb == b"DATA" and welcome:
                    stream.write(b"354 go\r\n")
                    content = b""
                    while (text := stream.readline()) != b".\r\n":
                        content += text
                    self.server.mails.append(content)
                    stream.write(b"250 2.0.0 taken\r\n")
                elif verb == b"QUIT":
                    stream.write(b"221 bye\r\n")
                    return
                else:
                    stream.write(b"250 ok\r\n" if welcome or verb in (b"RSET", b"NOOP") else b"530 5.7.0 log in\r\n")


def scenario(tmp_path, mechanism, credentials=None):
    unused = Hop()
    made = Server(tmp_path, unused)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    issuer, relay = Issuer(context), Relay(context, mechanism)
    (tmp_path / "refresh").write_text("refresh me\n")
    (tmp_path / "secret").write_text("s3cret\n")
    credentials = credentials or f'oauth_refresh_token_file = "{tmp_path}/refresh"'
    text = made.config.read_text()
    made.config.write_text(text[:text.index("[delivery]")] + f"""[delivery]
mode = "smarthost"
smarthost = "relay"
idle_timeout = "0s"
dead_host_memory = "0s"
[smarthost.relay]
host = "localhost"
port = {relay.server_address[1]}
ca_file = "{tmp_path}/cert.pem"
user = "alice@relay.test"
oauth_token_url = "https://localhost:{issuer.server_address[1]}/token"
oauth_client_id = "postern"
{credentials}
""")
    made.start()
    return made, issuer, relay, unused


def send(server):
    tls = ssl.create_default_context(cafile=server.directory / "cert.pem")
    with smtplib.SMTP_SSL("localhost", server.ports["submissions"][0], timeout=20, context=tls) as client:
        client.login("alice@example.org", PASSWORD)
        client.sendmail("alice@example.org", ["bob@example.net"], "From: alice@example.org\r\nSubject: x\r\n\r\nbody\r\n")


def run(tmp_path, mechanism, begins):
    made, issuer, relay, unused = scenario(tmp_path, mechanism)
    try:
        send(made)
        wait_until(lambda: len(relay.mails) == 1, "the first mail")
        send(made)
        wait_until(lambda: len(relay.mails) == 2, "the second mail")
        assert len(issuer.asked) == 1, "the token is kept"
        assert issuer.asked[0]["grant_type"] == "refresh_token"
        assert all(login.startswith(begins) for login in relay.logins)
        relay.valid = {"token-2"}  # as if it had been revoked
        send(made)
        wait_until(lambda: any(m["recipients"][0]["attempts"] for m in made.json("queue", "ls")), "the refusal")
        made.cli("queue", "retry", made.json("queue", "ls")[0]["id"])
        wait_until(lambda: len(relay.mails) == 3, "the third mail")
        assert len(issuer.asked) == 2
        tested = made.json("smarthost", "test", "relay") if not relay.valid.add("token-3") else None
        assert tested["works"] and "token-" not in json.dumps(tested)
    finally:
        made.stop()
        for server in (issuer, relay, unused):
            server.shutdown()
            server.server_close()


def test_xoauth2(tmp_path):
    run(tmp_path, b"XOAUTH2", "user=alice@relay.test\x01auth=Bearer ")


def test_oauthbearer(tmp_path):
    run(tmp_path, b"OAUTHBEARER", "n,a=alice@relay.test,\x01host=localhost\x01")


def with_scenario(tmp_path, check, credentials=None):
    made, issuer, relay, unused = scenario(tmp_path, b"XOAUTH2", credentials)
    relay.valid = {f"token-{n}" for n in range(1, 9)}
    try:
        check(made, issuer, relay)
        assert "refresh me" not in (tmp_path / "log").read_text() and "token-1" not in (tmp_path / "log").read_text()
    finally:
        made.stop()
        for server in (issuer, relay, unused):
            server.shutdown()
            server.server_close()


def test_a_token_that_expires_is_renewed_before(tmp_path):
    def check(server, issuer, relay):
        issuer.life = 30  # less than the margin
        for number in (1, 2):
            send(server)
            wait_until(lambda: len(relay.mails) == number, "the mail")
        assert len(issuer.asked) == 2
    with_scenario(tmp_path, check)


def test_client_credentials(tmp_path):
    def check(server, issuer, relay):
        send(server)
        wait_until(lambda: relay.mails, "the mail")
        assert issuer.asked[0]["grant_type"] == "client_credentials" and issuer.asked[0]["scope"] == "mail send"
    with_scenario(tmp_path, check, f'oauth_client_secret_file = "{tmp_path}/secret"\noauth_scope = "mail send"')


def test_what_the_issuer_says_is_in_the_trace_whatever_other_addresses_say(tmp_path):
    """localhost is ::1 as well, where nobody listens: that says less than the issuer."""
    def check(server, issuer, relay):
        issuer.error = "invalid_grant"
        send(server)
        deferred = wait_until(lambda: [e for e in server.json("trace", "alice@example.org") if e["event"] == "deferred"], "the refusal")
        detail = deferred[0]["detail"]
        assert "invalid_grant the grant was revoked" in detail and "verified by pkix" in detail, detail
        assert relay.logins == [] and "refresh me" not in detail
        tested = server.cli("smarthost", "test", "relay", "--json", check=False)
        assert tested.returncode == 1 and "invalid_grant" in tested.stdout
    with_scenario(tmp_path, check)
