"""SCRAM, app passwords and sender rights on the wire: what is proven, what is refused, and what a stranger can find out."""

import base64
import hashlib
import hmac
import os
import smtplib
import ssl
import threading
import time

import pytest

from conftest import ADDRESS, PASSWORD, PATIENCE, start_postern

SETTINGS = ('[delivery]\nmode = "sandbox"\n[limits.bulk]\nmessages = ["2/1h"]\n'
            '[lockout]\nfree_failures = 1000\n[submission]\nmax_auth_failures = 100\n')
WRONG = (535, b"5.7.8 Authentication credentials invalid")


@pytest.fixture(scope="module")
def postern(tmp_path_factory):
    server = start_postern(tmp_path_factory.mktemp("postern"), SETTINGS)
    yield server
    server.stop()


def connect(postern, source="127.0.0.1"):
    client = smtplib.SMTP("127.0.0.1", postern.submission, timeout=PATIENCE, source_address=(source, 0))
    client.starttls(context=ssl.create_default_context(cafile=postern.ca))
    client.ehlo("client.example")
    return client


def plain(client, name, password):
    return client.docmd("AUTH", "PLAIN " + base64.b64encode(f"\0{name}\0{password}".encode()).decode())


def respond(client, octets):
    return client.docmd(base64.b64encode(octets).decode())


class Scram:
    """A client after RFC 5802, with every step open to be spoilt."""

    def __init__(self, client, name, password, gs2="n,,", mechanism="SCRAM-SHA-256", binding=b""):
        self.client, self.password, self.gs2, self.binding = client, password, gs2, binding
        self.bare = f"n={name},r={base64.b64encode(os.urandom(18)).decode()}"
        self.code, text = client.docmd("AUTH", mechanism + " " + base64.b64encode((gs2 + self.bare).encode()).decode())
        self.server_first = base64.b64decode(text).decode() if self.code == 334 else ""
        self.parts = dict(part.split("=", 1) for part in self.server_first.split(",")) if self.server_first else {}

    def finish(self):
        """The reply to our proof; once it was right and the server has proven itself, the reply to that."""
        salted = hashlib.pbkdf2_hmac("sha256", self.password.encode(), base64.b64decode(self.parts["s"]), int(self.parts["i"]))
        digest = lambda key, text: hmac.new(key, text.encode(), "sha256").digest()
        client_key = digest(salted, "Client Key")
        without = "c=" + base64.b64encode(self.gs2.encode() + self.binding).decode() + ",r=" + self.parts["r"]
        message = f"{self.bare},{self.server_first},{without}"
        signature = digest(hashlib.sha256(client_key).digest(), message)
        proof = base64.b64encode(bytes(a ^ b for a, b in zip(client_key, signature))).decode()
        code, text = respond(self.client, f"{without},p={proof}".encode())
        if code != 334:
            return code, text
        assert base64.b64decode(text) == b"v=" + base64.b64encode(digest(digest(salted, "Server Key"), message))
        return self.client.docmd("")


def test_scram_logs_in_and_the_server_proves_itself(postern):
    with connect(postern) as client:
        assert client.esmtp_features["auth"].split()[:4] == ["PLAIN", "LOGIN", "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"]
        assert Scram(client, ADDRESS, "wrong").finish() == WRONG
        assert Scram(client, ADDRESS.upper(), PASSWORD).finish() == (235, b"2.7.0 Authentication successful")
        client.sendmail(ADDRESS, ["friend@example.net"], f"From: {ADDRESS}\r\n\r\nHello.\r\n")


def test_scram_ends_in_good_order_whatever_the_client_does(postern):
    with connect(postern) as client:
        scram = Scram(client, ADDRESS, PASSWORD)
        assert client.docmd("*") == (501, b"5.7.0 Authentication cancelled")
        scram = Scram(client, ADDRESS, PASSWORD)
        scram.parts["r"] += "x"
        assert scram.finish() == WRONG
        assert Scram(client, ADDRESS, PASSWORD, gs2=f"n,a=other@example.org,").finish() == WRONG
        assert Scram(client, ADDRESS, PASSWORD, gs2="y,,").code == 535, "the client was told that there is no PLUS"
        assert Scram(client, ADDRESS, PASSWORD, "p=tls-exporter,,", "SCRAM-SHA-256-PLUS", b"x" * 32).finish() == WRONG
        assert Scram(client, ADDRESS, PASSWORD, "n,,", "SCRAM-SHA-256-PLUS").code == 535
        assert client.docmd("MAIL FROM:<>")[0] == 530, "nothing of that was a login"
        assert Scram(client, ADDRESS, PASSWORD).finish()[0] == 235
        assert client.docmd("AUTH", "SCRAM-SHA-256 biws")[0] == 503


def test_scram_alone_when_plus_is_not_wanted(make_postern):
    postern = make_postern('[delivery]\nmode = "sandbox"\n[accounts]\nscram_plus = false\n')
    with connect(postern) as client:
        assert client.esmtp_features["auth"].split() == ["PLAIN", "LOGIN", "SCRAM-SHA-256"]
        assert client.docmd("AUTH", "SCRAM-SHA-256-PLUS")[0] == 504
        assert Scram(client, ADDRESS, PASSWORD, gs2="y,,").finish()[0] == 235, "true: there is no PLUS here"


def test_scram_plus_binds_to_the_certificate(postern):
    certificate = ssl.PEM_cert_to_DER_cert(postern.ca.read_text())
    with connect(postern) as client:
        for data, code in ((hashlib.sha256(b"another").digest(), 535), (hashlib.sha256(certificate).digest(), 235)):
            scram = Scram(client, ADDRESS, PASSWORD, "p=tls-server-end-point,,", "SCRAM-SHA-256-PLUS", data)
            assert scram.finish()[0] == code


def test_lines_of_an_exchange_are_bounded(postern):
    """RFC 4954 §4: 12288 octets without CRLF are borne, more are refused, and the session goes on."""
    with connect(postern) as client:
        for length, reply in ((12288, 535), (12292, 500), (200_000, 500)):
            assert client.docmd("AUTH", "PLAIN") == (334, b"")
            assert client.docmd("A" * length)[0] == reply
        assert client.docmd("AUTH", "PLAIN " + "A" * 12288)[0] == 535
        assert client.docmd("AUTH", "PLAIN " + "A" * 13000)[0] == 500
        assert client.docmd("AUTH", "PLAIN =") == WRONG
        assert client.docmd("AUTH", "PLAIN AG!=")[0] == 501
        assert plain(client, ADDRESS, PASSWORD)[0] == 235


def test_names_cannot_be_found_out(postern):
    """Salt, count and replies of a name that does not exist are as good, and as stable, as those of one that does."""
    with connect(postern) as client:
        seen = {}
        for name in (ADDRESS, "nobody@example.org", "other@elsewhere.example") * 2:
            scram = Scram(client, name, "wrong")
            assert scram.finish() == WRONG
            seen.setdefault(name, set()).add((scram.parts["s"], scram.parts["i"]))
            assert plain(client, name, "wrong") == WRONG
        assert all(len(values) == 1 for values in seen.values())
        assert len({salt for values in seen.values() for salt, _ in values}) == 3
        assert len({(len(salt), count) for values in seen.values() for salt, count in values}) == 1


def test_an_imported_hash_becomes_argon2id_and_scram_at_the_first_login(postern):
    hashed = "{SSHA}" + base64.b64encode(hashlib.sha1(b"old secretsalt").digest() + b"salt").decode()
    postern.cli("account", "add", "old@example.org", "--password-stdin", "--hash", stdin=hashed + "\n")
    with connect(postern) as client:
        assert Scram(client, "old@example.org", "old secret").finish() == WRONG, "not known yet"
        assert plain(client, "old@example.org", "old secret")[0] == 235
    with connect(postern) as client:
        assert Scram(client, "old@example.org", "old secret").finish()[0] == 235


def test_a_flood_of_logins_delays_its_own_network(postern):
    """Password checks wait in turns between networks: who tries many delays itself, not the next one."""
    flood = [connect(postern) for _ in range(24)]
    answers = []
    threads = [threading.Thread(target=lambda c=client, n=n: answers.append(plain(c, f"guess{n}@example.org", "x")[0]))
               for n, client in enumerate(flood)]
    with connect(postern, "127.0.0.77") as other:
        for thread in threads:
            thread.start()
        while not answers:
            time.sleep(0.005)
        assert plain(other, "old@example.org", "wrong") == WRONG
        assert len(answers) < 16, "it was asked before most of the others"
    for thread in threads:
        thread.join(PATIENCE)
    for client in flood:
        client.close()
    assert set(answers) == {535} and len(answers) == 24


def make_app_password(postern, name, *options):
    made = postern.cli_json("app-password", "add", ADDRESS, name, *options)
    assert made["account"] == ADDRESS and made["name"] == name
    return made["password"]


def test_an_app_password_logs_in_until_it_is_revoked(postern):
    password = make_app_password(postern, "printer")
    assert password not in postern.cli("app-password", "ls").stdout
    with connect(postern) as client, connect(postern) as other:
        assert Scram(client, ADDRESS, password).finish()[0] == 235, "clients that prefer SCRAM use it too"
        assert plain(other, ADDRESS, password)[0] == 235
        assert client.mail(ADDRESS)[0] == 250
        client.rset()
        assert '"by":"scram","tls":' in (log := (postern.directory / "server.log").read_text()) and '"app_password":"printer"' in log
        assert password not in log
        postern.cli("app-password", "rm", ADDRESS, "printer")
        assert client.mail(ADDRESS) == (550, b"5.7.1 the app password was removed or has expired")
    with connect(postern) as client:
        assert plain(client, ADDRESS, password) == WRONG
    assert [one for one in postern.cli_json("app-password", "ls", ADDRESS) if one["name"] == "printer"] == []


def test_only_app_passwords_log_in_where_that_is_wanted(make_postern):
    """RFC 4954 §6: 534 5.7.9 for a login that is right and weaker than the policy; wrong ones learn nothing from it."""
    postern = make_postern('[delivery]\nmode = "sandbox"\n[accounts]\napp_passwords_only = true\n[lockout]\nfree_failures = 1000\n')
    password = make_app_password(postern, "laptop")
    told = (534, b"5.7.9 Log in with an app password: the account's own is not for mail programs")
    for login in (lambda client, secret: plain(client, ADDRESS, secret), lambda client, secret: Scram(client, ADDRESS, secret).finish()):
        with connect(postern) as client:
            assert login(client, PASSWORD) == told
            assert login(client, "wrong") == WRONG
            assert client.docmd("MAIL FROM:<>")[0] == 530
        with connect(postern) as client:
            assert login(client, password)[0] == 235
            assert client.mail(ADDRESS)[0] == 250


def test_an_app_password_is_bound_to_senders_networks_and_a_class(postern):
    postern.cli("alias", "add", "news-*@example.org", ADDRESS)
    password = make_app_password(postern, "newsletter", "--from", "news-*@example.org", "--network", "127.0.0.8/29",
                                 "--class", "bulk", "--expires", "30d")
    with connect(postern) as client:
        assert plain(client, ADDRESS, password) == WRONG, "from another network"
    with connect(postern, "127.0.0.9") as client:
        assert plain(client, ADDRESS, password)[0] == 235
        assert client.mail(ADDRESS) == (550, f"5.7.1 {ADDRESS} may not send as {ADDRESS}".encode())
        assert client.mail("news-1@example.org")[0] == 250
        client.rcpt("friend@example.net")
        code, text = client.data(f"From: {ADDRESS}\r\n\r\nThe header counts as well.\r\n")
        assert (code, text) == (550, f"5.7.1 {ADDRESS} may not send as {ADDRESS}".encode())
        for _ in range(2):
            client.sendmail("news-1@example.org", ["friend@example.net"], "From: news-1@example.org\r\n\r\nNews.\r\n")
        assert client.mail("news-1@example.org")[0] == 450, "the limit of its class"
    with connect(postern) as client:
        assert plain(client, ADDRESS, PASSWORD)[0] == 235
        assert client.mail(ADDRESS)[0] == 250, "what a program sent is not the person's"


def test_send_as_grants_count_at_once(postern):
    postern.cli("account", "add", "boss@example.org", "--password-stdin", stdin="x\n")
    with connect(postern) as client:
        plain(client, ADDRESS, PASSWORD)
        assert client.mail("boss@example.org")[0] == 550
        postern.cli("send-as", "add", ADDRESS, "boss@example.org")
        client.sendmail("boss@example.org", ["friend@example.net"], "From: Boss <boss@example.org>\r\n\r\nFrom above.\r\n")
        assert postern.cli_json("account", "show", ADDRESS)["send_as"] == ["boss@example.org"]
        postern.cli("send-as", "rm", ADDRESS, "boss@example.org")
        assert client.mail("boss@example.org")[0] == 550


@pytest.mark.parametrize("arguments, says", [
    (["account", "passwd", "alcie@example.org"], "no account alcie@example.org; did you mean alice@example.org?"),
    (["account", "add", ADDRESS], "alice@example.org exists already"),
    (["account", "add", "x@example.org", "--class", "robot"], "robot: the class must be person, app or bulk"),
    (["account", "add", "not-an-address"], "not a mail address: not-an-address"),
    (["account", "add", "x@example.org", "--hash"], "not a password hash that can be checked; understood are Argon2"),
    (["app-password", "add", "nobody@example.org", "x"], "no account nobody@example.org"),
    (["app-password", "add", ADDRESS, "x", "--expires", "soon"], "soon: not a time such as 90d, 12h or 2027-01-31"),
    (["app-password", "add", ADDRESS, "x", "--network", "127.0.0.1/8"], "did you mean 127.0.0.0/8?"),
    (["app-password", "add", ADDRESS, "x", "--from", "*@*"], "* can only stand for what is below a domain"),
    (["app-password", "rm", ADDRESS, "x"], "alice@example.org has no app password named x"),
    (["alias", "add", "sales", ADDRESS], "neither an address nor a pattern such as *@example.org: sales"),
    (["send-as", "add", ADDRESS, "nobody@example.org"], "no account nobody@example.org"),
])
def test_a_mistake_is_named_and_nothing_is_changed(postern, arguments, says):
    before = postern.cli_json("account", "ls"), postern.cli_json("app-password", "ls"), postern.cli_json("alias", "ls")
    done = postern.cli(*arguments, stdin="{SECRET}nonsense\n", ok=False)
    assert done.returncode == 1 and says in done.stderr and done.stdout == ""
    assert before == (postern.cli_json("account", "ls"), postern.cli_json("app-password", "ls"), postern.cli_json("alias", "ls"))
