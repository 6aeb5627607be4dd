"""Renewed certificate files are used within seconds, by new connections only; broken ones change nothing."""

import os
import signal
import smtplib
import socket
import ssl

from conftest import ADDRESS, PASSWORD, PATIENCE, eventually, make_certificate

MESSAGE = f"From: {ADDRESS}\r\nSubject: hello\r\n\r\nOne line.\r\n".encode()


def served(port, name="localhost"):
    """The certificate that 465 shows, in DER."""
    context = ssl._create_unverified_context()
    with socket.create_connection(("127.0.0.1", port), PATIENCE) as raw:
        with context.wrap_socket(raw, server_hostname=name) as secured:
            return secured.getpeercert(binary_form=True)


def on_disk(path):
    return ssl.PEM_cert_to_DER_cert(path.read_text())


def renew(directory):
    """As certificate tools do: new files under other names, then renamed into place."""
    fresh = directory / "fresh"
    fresh.mkdir(exist_ok=True)
    make_certificate(fresh)
    for name in ("key.pem", "certificate.pem"):
        os.replace(fresh / name, directory / name)


def test_renewed_certificate_is_served_without_a_restart(postern):
    before = served(postern.submissions)
    assert before == on_disk(postern.ca)
    context = ssl.create_default_context(cafile=postern.ca)
    with smtplib.SMTP("localhost", postern.submission, timeout=PATIENCE) as old_connection:
        old_connection.starttls(context=context)
        renew(postern.directory)
        # Nobody tells the server: it looks by itself.
        eventually(lambda: served(postern.submissions) == on_disk(postern.ca), "the new certificate on 465")
        assert served(postern.submissions) != before

        fresh = ssl.create_default_context(cafile=postern.ca)
        with smtplib.SMTP("localhost", postern.submission, timeout=PATIENCE) as client:
            client.starttls(context=fresh)
            assert client.noop()[0] == 250

        old_connection.login(ADDRESS, PASSWORD)
        old_connection.sendmail(ADDRESS, ["friend@example.net"], MESSAGE)
    postern.sandbox_message()
    assert "tls.certificate_reloaded" in (postern.directory / "server.log").read_text()


def test_broken_certificate_files_keep_the_old_certificate(postern):
    log = postern.directory / "server.log"
    before = served(postern.submissions)
    key = (postern.directory / "key.pem").read_text()

    def refusals():
        return log.read_text().count("tls.reload_failed")

    postern.ca.write_text("-----BEGIN CERTIFICATE-----\nhalf a file")
    postern.process.send_signal(signal.SIGHUP)
    eventually(lambda: refusals() == 1, "a complaint about the certificate")
    assert served(postern.submissions) == before

    # A certificate whose key is not there yet: the two files do not belong together.
    make_certificate(postern.directory)
    (postern.directory / "key.pem").write_text(key)
    postern.process.send_signal(signal.SIGHUP)
    eventually(lambda: refusals() == 2, "a complaint about the key")
    assert served(postern.submissions) == before

    renew(postern.directory)
    postern.process.send_signal(signal.SIGHUP)
    eventually(lambda: served(postern.submissions) == on_disk(postern.ca), "the certificate after the repair")
    assert postern.process.poll() is None
