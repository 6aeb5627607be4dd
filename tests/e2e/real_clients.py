"""How each real client is told to send one mail; the test and the reason for each client are in test_send_with_clients.py."""

import asyncio
import functools
import os
import pathlib
import smtplib
import ssl
import subprocess
import tempfile

from conftest import ADDRESS, PASSWORD, PATIENCE

CLIENTS = pathlib.Path(__file__).with_name("clients")
# What must come through to the octet: dots at line starts and alone, blanks at line ends, the longest line, UTF-8, empty lines at the end.
BODY = ("One line.\r\n.dot\r\n..two\r\n.\r\n \r\nblank behind \r\n\t tab\r\n" + "x" * 998 + "\r\nGr\u00fc\u00dfe \u2713\r\n\r\n\r\n")
HEADER = f"From: Alice <{ADDRESS}>\r\nTo: x@example.net\r\n", "Bcc: hidden@example.net\r\n", "Subject: hello\r\nX-Folded: a\r\n\t b \r\n"
MESSAGE = "".join(HEADER) + "\r\n" + BODY
UNIX_MESSAGE = MESSAGE.replace("\r\n", "\n").encode()


def run(command, **more):
    done = subprocess.run([str(part) for part in command], capture_output=True, timeout=3 * PATIENCE, **more)
    assert done.returncode == 0, (done.stdout + done.stderr).decode()
    return done.stdout.decode()


def context(postern):
    return ssl.create_default_context(cafile=postern.ca)


def port(postern, implicit):
    return postern.submissions if implicit else postern.submission


def flag(implicit):
    return "true" if implicit else "false"


def smtplib_(postern, implicit, to):
    if implicit:
        client = smtplib.SMTP_SSL("localhost", postern.submissions, context=context(postern), timeout=PATIENCE)
    else:
        client = smtplib.SMTP("localhost", postern.submission, timeout=PATIENCE)
        client.starttls(context=context(postern))
    with client:
        client.login(ADDRESS, PASSWORD)
        client.sendmail(ADDRESS, [to], MESSAGE.encode())


def aiosmtplib(postern, implicit, to):
    from aiosmtplib import send
    tls = {"use_tls": True} if implicit else {"start_tls": True}
    asyncio.run(send(MESSAGE.encode(), sender=ADDRESS, recipients=[to], hostname="localhost", port=port(postern, implicit),
                     username=ADDRESS, password=PASSWORD, tls_context=context(postern), timeout=PATIENCE, **tls))


def curl(postern, implicit, to, login=("--user", f"{ADDRESS}:{PASSWORD}")):
    url = f"{'smtps' if implicit else 'smtp'}://localhost:{port(postern, implicit)}"
    run(["curl", "-sS", "--ssl-reqd", "--url", url, "--cacert", postern.ca, *login,
         "--mail-from", ADDRESS, "--mail-rcpt", to, "-T", "-"], input=MESSAGE.encode())


def swaks(postern, implicit, to):
    run(["swaks", "--server", "127.0.0.1", "--port", port(postern, implicit), "--tls-on-connect" if implicit else "--tls",
         "--tls-verify", "--tls-ca-path", postern.ca, "--auth", "LOGIN", "--auth-user", ADDRESS,
         "--auth-password", PASSWORD, "--from", ADDRESS, "--to", to, "--body", "One line.\n.dot"])


def msmtp(postern, implicit, to, method="plain", password=PASSWORD):
    run(["msmtp", "--host=localhost", f"--port={port(postern, implicit)}", f"--tls-starttls={'off' if implicit else 'on'}",
         "--tls=on", f"--tls-trust-file={postern.ca}", f"--auth={method}", f"--user={ADDRESS}",
         f"--passwordeval=echo {password}", f"--from={ADDRESS}", to], input=UNIX_MESSAGE)


def msmtp_scram(postern, implicit, to):
    msmtp(postern, implicit, to, "scram-sha-256")


def nodemailer(postern, implicit, to):
    run(["node", CLIENTS / "nodemailer.js", port(postern, implicit), flag(implicit), postern.ca, ADDRESS, PASSWORD, to],
        env={**os.environ, "NODE_PATH": "/usr/share/nodejs"})


def phpmailer(postern, implicit, to):
    run(["php", CLIENTS / "phpmailer.php", port(postern, implicit), flag(implicit), postern.ca, ADDRESS, PASSWORD, to])


@functools.cache
def go_program():
    directory = tempfile.mkdtemp(prefix="postern-go-")
    environment = {**os.environ, "GO111MODULE": "off", "GOCACHE": directory + "/cache", "GOFLAGS": "-p=1"}
    run(["go", "build", "-o", directory + "/net_smtp", CLIENTS / "net_smtp.go"], env=environment)
    return directory + "/net_smtp"


def go(postern, implicit, to):
    run([go_program(), port(postern, implicit), flag(implicit), postern.ca, ADDRESS, PASSWORD, to], input=MESSAGE.encode())


def jakarta_mail(postern, implicit, to):
    store = postern.directory / "trust.p12"
    if not store.exists():
        run(["keytool", "-importcert", "-noprompt", "-alias", "postern", "-file", postern.ca, "-keystore", store,
             "-storepass", "changeit"])
    jars = ":".join(f"/usr/share/java/{name}.jar" for name in ("jakarta-mail", "jakarta-activation"))
    run(["java", "-Xshare:auto", "-XX:TieredStopAtLevel=1", "-cp", jars, CLIENTS / "JakartaMail.java", port(postern, implicit),
         flag(implicit), store, ADDRESS, PASSWORD, to])


def s_nail(postern, implicit, to):
    user, password = ADDRESS.replace("@", "%40"), PASSWORD.replace(" ", "%20")
    scheme = "submissions" if implicit else "submission"
    tls = [] if implicit else ["-Ssmtp-use-starttls"]
    run(["s-nail", "-:/", "-Sv15-compat", f"-Stls-ca-file={postern.ca}", "-Stls-ca-no-defaults", "-Stls-verify=strict", *tls,
         f"-Smta={scheme}://{user}:{password}@localhost:{port(postern, implicit)}", "-Ssmtp-auth=login",
         "-Shostname=client.example", f"-r{ADDRESS}", "-shello", to], input=b"One line.\n.dot\n")


def mutt(postern, implicit, to):
    rc = postern.directory / f"muttrc-{port(postern, implicit)}"
    scheme = "smtps" if implicit else "smtp"
    rc.write_text(f'set smtp_url="{scheme}://{ADDRESS}@localhost:{port(postern, implicit)}"\nset smtp_pass="{PASSWORD}"\n'
                  f'set from="{ADDRESS}"\nset use_envelope_from=yes\nset certificate_file="{postern.ca}"\n'
                  # Debian's mutt takes SCRAM-SHA-256-PLUS when it is offered, and then has no channel binding for TLS 1.3.
                  'set smtp_authenticators="scram-sha-256:plain"\nset ssl_starttls=yes\nset ssl_force_tls=yes\nset copy=no\nset record=""\n')
    run(["mutt", "-n", "-F", rc, "-s", "hello", "--", to], input=b"One line.\n.dot\n",
        env={**os.environ, "HOME": str(postern.directory)})


def git_send_email(postern, implicit, to):
    patch = postern.directory / "0001-hello.patch"
    patch.write_text(f"From 0000 Mon Sep 17 00:00:00 2001\nFrom: {ADDRESS}\nSubject: [PATCH] hello\n\nOne line.\n.dot\n")
    run(["git", "send-email", "--smtp-server=localhost", f"--smtp-server-port={port(postern, implicit)}",
         f"--smtp-encryption={'ssl' if implicit else 'tls'}", f"--smtp-ssl-cert-path={postern.ca}", f"--smtp-user={ADDRESS}",
         f"--smtp-pass={PASSWORD}", f"--from={ADDRESS}", f"--to={to}", "--suppress-cc=all", "--confirm=never", "--no-validate",
         patch], env={**os.environ, "HOME": str(postern.directory), "GIT_CONFIG_NOSYSTEM": "1",
                "GIT_COMMITTER_NAME": "Alice", "GIT_AUTHOR_NAME": "Alice", "GIT_AUTHOR_EMAIL": ADDRESS, "GIT_COMMITTER_EMAIL": ADDRESS}, cwd=postern.directory)


ALL = {client.__name__.rstrip("_"): client for client in (
    smtplib_, aiosmtplib, curl, swaks, msmtp, msmtp_scram, nodemailer, phpmailer, go, jakarta_mail, s_nail, mutt, git_send_email)}

# These are given the whole message, and hand it in as it is.
AS_GIVEN = {"smtplib", "aiosmtplib", "curl", "msmtp", "msmtp_scram", "go"}
