"""Passwords that somebody else knows: Dovecot's authentication service and an LDAP server, private instances of both."""

import base64
import os
import pathlib
import pwd
import signal
import smtplib
import ssl
import subprocess
import time
import urllib.parse

import pytest

from conftest import ADDRESS, PASSWORD, PATIENCE, eventually, start_postern

SANDBOX = '[delivery]\nmode = "sandbox"\n[lockout]\nfree_failures = 1000\nlongest_delay = "0ms"\n'


def login(postern, name, password):
    with smtplib.SMTP("127.0.0.1", postern.submission, timeout=PATIENCE) as client:
        client.starttls(context=ssl.create_default_context(cafile=postern.ca))
        client.ehlo()
        assert "SCRAM" not in client.esmtp_features["auth"], "nobody here has its keys"
        return client.docmd("AUTH", "PLAIN " + base64.b64encode(f"\0{name}\0{password}".encode()).decode())[0]


class Daemon:
    def __init__(self, command, socket):
        self.process = subprocess.Popen([str(part) for part in command], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        try:
            eventually(lambda: socket.exists() or self.process.poll() is not None, f"{command[0]} to listen")
            assert self.process.poll() is None, self.process.stderr.read().decode()
        except BaseException:
            self.stop()
            raise

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.process.stderr.close()


def start_dovecot(directory):
    me = pwd.getpwuid(os.getuid()).pw_name
    users = "" if os.getuid() == 0 else f"default_internal_user = {me}\ndefault_login_user = {me}\n"
    (directory / "users").write_text("carol@example.org:{PLAIN}from dovecot\n")
    (directory / "dovecot.conf").write_text(
        f"base_dir = {directory}/run\nstate_dir = {directory}/state\nlog_path = {directory}/dovecot.log\nssl = no\nprotocols =\n{users}"
        "auth_mechanisms = plain\nauth_failure_delay = 0\n"
        f"passdb {{\n driver = passwd-file\n args = username_format=%u {directory}/users\n}}\n"
        "userdb {\n driver = static\n args = uid=65534 gid=65534 home=/nonexistent\n}\n"
        f"service auth {{\n user = {me}\n chroot =\n unix_listener auth-client {{\n  mode = 0600\n  user = {me}\n }}\n}}\n"
        "service anvil {\n chroot =\n}\nservice stats {\n chroot =\n}\n")
    return Daemon(["/usr/sbin/dovecot", "-F", "-c", directory / "dovecot.conf"], directory / "run" / "auth-client")


def start_slapd(directory, settings="", urls=()):
    """`settings` stand before the database in its configuration; it listens at `urls` too."""
    (directory / "db").mkdir()
    socket = directory / "ldapi"
    (directory / "slapd.conf").write_text(
        "".join(f"include /etc/ldap/schema/{name}.schema\n" for name in ("core", "cosine", "inetorgperson"))
        + f"{settings}pidfile {directory}/slapd.pid\nmodulepath /usr/lib/ldap\nmoduleload back_mdb\ndatabase mdb\nmaxsize 10485760\n"
        f"suffix dc=example,dc=org\nrootdn cn=admin,dc=example,dc=org\nrootpw admin secret\ndirectory {directory}/db\n"
        "access to attrs=userPassword by anonymous auth by * none\naccess to * by dn=cn=admin,dc=example,dc=org read by anonymous auth\n"
        .replace("rootpw admin secret", 'rootpw "admin secret"'))
    people = "".join(
        f"\ndn: uid={uid},dc=example,dc=org\nobjectClass: inetOrgPerson\ncn: {uid}\nsn: {uid}\nmail: {mail}\nuserPassword: {password}\n"
        for uid, mail, password in (("carol", "carol@example.org", "from ldap"), ("twin1", "twin@example.org", "same"),
                                    ("twin2", "twin@example.org", "same")))
    subprocess.run(["/usr/sbin/slapadd", "-f", directory / "slapd.conf"], check=True, capture_output=True, text=True,
                   input="dn: dc=example,dc=org\nobjectClass: domain\ndc: example\n" + people)
    url = "ldapi://" + urllib.parse.quote(str(socket), safe="")
    return Daemon(["/usr/sbin/slapd", "-f", directory / "slapd.conf", "-h", " ".join((url, *urls)), "-d", "0"], socket), url


def refusal(postern, name, password):
    """The reply to a login that fails, and the seconds that it took."""
    with smtplib.SMTP("127.0.0.1", postern.submission, timeout=PATIENCE) as client:
        client.starttls(context=ssl.create_default_context(cafile=postern.ca))
        client.ehlo()
        token = base64.b64encode(f"\0{name}\0{password}".encode()).decode()
        begun = time.monotonic()
        reply = client.docmd("AUTH", "PLAIN " + token)
        return reply, time.monotonic() - begun


def check_that_refusals_are_alike(postern):
    """CWE-204, CWE-208: who has a password here, whom the back end knows and who does not exist cannot be told apart."""
    postern.cli("account", "add", "gone@example.org", "--password-stdin", stdin="right\n")
    postern.cli("account", "suspend", "gone@example.org")
    elsewhere = postern.cli_json("app-password", "add", ADDRESS, "printer", "--network", "192.0.2.0/24")["password"]
    tries = {"known here": (ADDRESS, "wrong"), "known there": ("carol@example.org", "wrong"), "known nowhere": ("nobody@example.org", "wrong"),
             "of another domain": ("x@elsewhere.example", "wrong"), "no address": ("root", "wrong"), "suspended": ("gone@example.org", "right"),
             "an app password from elsewhere": (ADDRESS, elsewhere)}
    best = dict.fromkeys(tries, PATIENCE)
    for _ in range(4):
        for what, login in tries.items():
            reply, took = refusal(postern, *login)
            assert reply == (535, b"5.7.8 Authentication credentials invalid"), what
            best[what] = min(best[what], took)
    # Each pays for the back end and for a hash; what is left is noise. Before, it was one to two hundred.
    assert max(best.values()) < 2.5 * min(best.values()), best


def check_logins(postern, password):
    assert login(postern, "carol@example.org", "wrong") == 535
    assert login(postern, "nobody@example.org", password) == 535
    assert login(postern, "carol@elsewhere.example", password) == 535
    assert [one["address"] for one in postern.cli_json("account", "ls")] == [ADDRESS], "nothing of that made an account"
    assert login(postern, "Carol@example.org", password) == 235
    assert [one["address"] for one in postern.cli_json("account", "ls")] == [ADDRESS, "carol@example.org"]
    assert login(postern, ADDRESS, PASSWORD) == 235, "who has a password here needs nobody else"
    postern.cli("account", "suspend", "carol@example.org")
    assert login(postern, "carol@example.org", password) == 535


def test_dovecot_knows_the_passwords(make_postern, tmp_path_factory):
    directory = tmp_path_factory.mktemp("dovecot")
    dovecot = start_dovecot(directory)
    try:
        postern = make_postern(SANDBOX + f'[accounts]\nbackend = "dovecot"\n[dovecot]\nsocket = "{directory}/run/auth-client"\n')
        check_logins(postern, "from dovecot")
        postern.cli("account", "resume", "carol@example.org")
        check_that_refusals_are_alike(postern)
    finally:
        dovecot.stop()
    assert login(postern, "dave@example.org", "x") == 454, "it cannot be told now"
    assert login(postern, "carol@example.org", "from dovecot") == 235, "right a moment ago"
    assert login(postern, ADDRESS, PASSWORD) == 235


@pytest.mark.parametrize("way", ["bind", "search"])
def test_an_ldap_server_knows_the_passwords(make_postern, tmp_path_factory, way):
    directory = pathlib.Path(tmp_path_factory.mktemp("ldap"))
    slapd, url = start_slapd(directory)
    try:
        (directory / "secret").write_text("admin secret\n")
        options = ('bind_dn = "uid=%u,dc=example,dc=org"' if way == "bind" else
                   'search_base = "dc=example,dc=org"\nsearch_filter = "(mail=%s)"\n'
                   f'search_dn = "cn=admin,dc=example,dc=org"\nsearch_password_file = "{directory}/secret"')
        postern = make_postern(SANDBOX + f'[accounts]\nbackend = "ldap"\n[ldap]\nurl = "{url}"\n{options}\n')
        check_logins(postern, "from ldap")
        check_that_refusals_are_alike(postern)
        # RFC 4515 §3, RFC 4514 §2.4; CWE-90: a name is no pattern, no filter and no part of a DN.
        for name in ("car*", '"*)(mail=carol"', '"carol)(objectClass=*"', '"carol\\2a"', '"carol,dc=example"', '"carol+cn=x"', "#carol"):
            assert login(postern, name + "@example.org", "from ldap") == 535, name
        assert login(postern, "twin@example.org", "same") == 535, "two entries match"
        assert login(postern, "car*@example.org", "") == 535 and login(postern, "carol@example.org", "") == 535, "RFC 4513 §5.1.2"
    finally:
        slapd.stop()
    assert login(postern, "dave@example.org", "x") == 454
