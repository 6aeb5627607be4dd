"""Access tokens log in: JWTs by the issuer's keys, opaque ones by asking it, through real clients and by hand."""

import base64
import http.server
import json
import smtplib
import ssl
import subprocess
import threading
import time
import urllib.parse

import pytest

import real_clients
from conftest import ADDRESS, PATIENCE, eventually, make_certificate, openssl, start_postern
from probe_tools import check, endpoints


def b64url(octets):
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


class Issuer:
    """An identity provider on loopback: discovery, keys, introspection."""

    def __init__(self, directory):
        make_certificate(directory)
        self.ca, self.key = directory / "certificate.pem", directory / "signing.pem"
        openssl("genrsa", "-out", self.key, "2048")
        modulus = bytes.fromhex(openssl("rsa", "-in", self.key, "-noout", "-modulus").decode().split("=")[1])
        keys = {"keys": [{"kty": "RSA", "kid": "k1", "use": "sig", "alg": "RS256", "n": b64url(modulus), "e": "AQAB"}]}
        issuer = self
        self.opaque = {}

        class Handler(http.server.BaseHTTPRequestHandler):
            def answer(self, value):
                body = json.dumps(value).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_GET(self):
                self.answer(keys if self.path == "/keys" else {"issuer": issuer.url, "jwks_uri": issuer.url + "/keys"})

            def do_POST(self):
                form = urllib.parse.parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
                self.answer(issuer.opaque.get(form["token"][0], {"active": False}))

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.ca, directory / "key.pem")
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.url = f"https://localhost:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def token(self, **claims):
        header = {"alg": "RS256", "typ": "at+jwt", "kid": "k1"}
        body = {"iss": self.url, "aud": "postern", "exp": int(time.time()) + 300, "email": ADDRESS, **claims}
        text = b64url(json.dumps(header).encode()) + "." + b64url(json.dumps(body).encode())
        done = subprocess.run(["openssl", "dgst", "-sha256", "-sign", self.key], input=text.encode(), capture_output=True, check=True)
        return text + "." + b64url(done.stdout)


@pytest.fixture(scope="module")
def issuer(tmp_path_factory):
    issuer = Issuer(tmp_path_factory.mktemp("issuer"))
    yield issuer
    issuer.server.shutdown()


@pytest.fixture(scope="module")
def postern(tmp_path_factory, issuer):
    server = start_postern(tmp_path_factory.mktemp("postern"), (
        '[delivery]\nmode = "sandbox"\n[lockout]\nfree_failures = 1000\n[submission]\nmax_auth_failures = 100\n'
        f'[oauth]\nissuer = "{issuer.url}"\naudience = ["postern"]\nintrospection_url = "{issuer.url}/introspect"\n'
        f'ca_file = "{issuer.ca}"\nscope = ""\n'))
    yield server
    server.stop()


@pytest.mark.parametrize("implicit", [False, True], ids=["587", "465"])
@pytest.mark.parametrize("client", ["curl", "msmtp-oauthbearer", "msmtp-xoauth2"])
def test_a_client_sends_with_a_token(postern, issuer, client, implicit):
    to = f"{client}-{implicit}@example.net".lower()
    if client == "curl":
        real_clients.curl(postern, implicit, to, ("--user", ADDRESS, "--oauth2-bearer", issuer.token()))
    else:
        real_clients.msmtp(postern, implicit, to, client.split("-")[1], issuer.token())
    eventually(lambda: [e for e in postern.cli_json("sandbox", "ls") if e["recipients"] == [to]], f"the mail of {client}")


def test_postern_check_logs_in_with_a_token(postern, issuer):
    ports = f"{postern.submission},{postern.submissions}"
    arguments = ("localhost", "--address", "127.0.0.1", "--timeout", "15", "--ca-file", postern.ca, "--port", ports, "--user", ADDRESS,
                 "--oauth-token-stdin")
    for endpoint in endpoints(check(*arguments, stdin=issuer.token() + "\n", code=0)).values():
        assert (endpoint["login"]["mechanism"], endpoint["login"]["reply"]["code"]) == ("OAUTHBEARER", 235), endpoint
    refused = check(*arguments, stdin=issuer.token(aud="another") + "\n", code=52)
    assert "invalid_token" in refused["summary"] and "audience" in refused["cause"]


def connect(postern):
    client = smtplib.SMTP("127.0.0.1", postern.submission, timeout=PATIENCE)
    client.starttls(context=ssl.create_default_context(cafile=postern.ca))
    client.ehlo("client.example")
    return client


def bearer(client, token, name=""):
    message = f"n,{'a=' + name if name else ''},\x01auth=Bearer {token}\x01\x01"
    return client.docmd("AUTH", "OAUTHBEARER " + base64.b64encode(message.encode()).decode())


def test_a_refused_token_is_explained_to_the_client_and_then_fails(postern, issuer):
    with connect(postern) as client:
        assert client.esmtp_features["auth"].split()[-2:] == ["OAUTHBEARER", "XOAUTH2"]
        for token, name in ((issuer.token(exp=int(time.time()) - 120), ""), (issuer.token(aud="another"), ""),
                            (issuer.token(iss="https://evil.example"), ""), (issuer.token()[:-8] + "AAAAAAAA", ""),
                            (issuer.token(), "boss@example.org"), (issuer.token(email="nobody@example.org"), ""),
                            (issuer.token(email_verified=False), ""), ("never-issued", "")):
            code, text = bearer(client, token, name)
            assert code == 334
            assert json.loads(base64.b64decode(text)) == {"status": "invalid_token", "scope": "",
                                                          "openid-configuration": issuer.url + "/.well-known/openid-configuration"}
            assert client.docmd("AQ==") == (535, b"5.7.8 Authentication credentials invalid")
        xoauth2 = base64.b64encode(f"user={ADDRESS}\x01auth=Bearer never-issued\x01\x01".encode()).decode()
        code, text = client.docmd("AUTH", "XOAUTH2 " + xoauth2)
        assert code == 334 and json.loads(base64.b64decode(text))["status"] == "401"
        assert client.docmd("")[0] == 535
        assert client.docmd("AUTH", "XOAUTH2 " + xoauth2)[0] == 334
        assert client.docmd("*")[0] == 501
        assert bearer(client, issuer.token(), ADDRESS.upper())[0] == 235


def test_an_opaque_token_is_asked_about(postern, issuer):
    issuer.opaque["opaque-1"] = {"active": True, "aud": "postern", "email": ADDRESS}
    issuer.opaque["opaque-2"] = {"active": True, "aud": "another", "email": ADDRESS}
    with connect(postern) as client:
        assert bearer(client, "opaque-2")[0] == 334
        assert client.docmd("AQ==")[0] == 535
        assert bearer(client, "opaque-1")[0] == 235
        assert client.mail(ADDRESS)[0] == 250


def test_a_suspended_account_has_no_use_for_its_token(postern, issuer):
    postern.cli("account", "add", "left@example.org", "--password-stdin", stdin="x\n")
    with connect(postern) as client, connect(postern) as other:
        assert bearer(client, issuer.token(email="left@example.org"))[0] == 235
        postern.cli("account", "suspend", "left@example.org")
        assert client.mail("left@example.org") == (550, b"5.7.1 the account is suspended")
        assert bearer(other, issuer.token(email="left@example.org"))[0] == 334
        assert other.docmd("AQ==")[0] == 535


def test_tokens_never_reach_the_log(postern, issuer):
    token = issuer.token(sub="log")
    with connect(postern) as client:
        bearer(client, token)
    log = (postern.directory / "server.log").read_text()
    assert "submission.auth_ok" in log and token not in log and token.split(".")[2] not in log
