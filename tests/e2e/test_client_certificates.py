"""AUTH EXTERNAL: a client certificate logs in, on the listener that asks for one and nowhere else."""

import base64
import os
import smtplib
import ssl

import pytest

from conftest import ADDRESS, PATIENCE, openssl, start_postern


def make_certificate(directory, name, address, authority=None):
    key, pem = directory / f"{name}.key", directory / f"{name}.pem"
    arguments = ["-x509"] + (["-CA", directory / f"{authority}.pem", "-CAkey", directory / f"{authority}.key"] if authority else [])
    extensions = ["-addext", f"subjectAltName=email:{address}"] if address else []
    openssl("req", *arguments, "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", f"/CN={name}",
            *extensions, "-keyout", key, "-out", pem)
    os.chmod(key, 0o600)


@pytest.fixture(scope="module")
def postern(tmp_path_factory):
    directory = tmp_path_factory.mktemp("postern")
    make_certificate(directory, "authority", "")
    make_certificate(directory, "stranger", ADDRESS)
    for name, address in (("alice", ADDRESS), ("nobody", "nobody@example.org")):
        make_certificate(directory, name, address, "authority")
    server = start_postern(directory, '[delivery]\nmode = "sandbox"\n[lockout]\nfree_failures = 1000\n',
                           listen='client_certificates = ["127.0.0.1:0"]\n', tls=f'client_ca = "{directory}/authority.pem"\n')
    yield server
    server.stop()


def connect(postern, name):
    context = ssl.create_default_context(cafile=postern.ca)
    if name:
        context.load_cert_chain(postern.directory / f"{name}.pem", postern.directory / f"{name}.key")
    client = smtplib.SMTP_SSL("localhost", postern.submissions, context=context, timeout=PATIENCE)
    client.ehlo("client.example")
    return client


def external(client, identity=""):
    return client.docmd("AUTH", "EXTERNAL " + (base64.b64encode(identity.encode()).decode() or "="))


def test_a_certificate_logs_in_as_the_address_in_it(postern):
    with connect(postern, "alice") as client:
        assert client.esmtp_features["auth"].split()[-1] == "EXTERNAL"
        assert external(client, "boss@example.org")[0] == 535
        assert external(client, ADDRESS.upper())[0] == 235
        client.sendmail(ADDRESS, ["friend@example.net"], f"From: {ADDRESS}\r\n\r\nCertified.\r\n")
    with connect(postern, "alice") as client:
        assert external(client)[0] == 235
        postern.cli("account", "suspend", ADDRESS)
        assert client.mail(ADDRESS) == (550, b"5.7.1 the account is suspended")
        postern.cli("account", "resume", ADDRESS)


def test_without_a_good_certificate_there_is_no_external(postern):
    with connect(postern, "") as client:
        assert "EXTERNAL" not in client.esmtp_features["auth"]
        assert external(client)[0] == 504
    with connect(postern, "nobody") as client:
        assert external(client)[0] == 535, "no such account"
    with pytest.raises((ssl.SSLError, smtplib.SMTPServerDisconnected, ConnectionError)):
        with connect(postern, "stranger") as client:
            client.noop()
