"""Clients that hand in mail until they are stopped or the server is gone, and note each 250."""

import contextlib
import smtplib
import ssl
import threading

from conftest import e2e_server

ADDRESS, PASSWORD, PATIENCE = e2e_server.ADDRESS, e2e_server.PASSWORD, e2e_server.PATIENCE
SMALL = f"From: {ADDRESS}\r\nSubject: hello\r\n\r\nOne line.\r\n".encode()
LARGE = SMALL + b"A line of a body that is larger than a piece.\r\n" * 7000


@contextlib.contextmanager
def logged_in(postern):
    with smtplib.SMTP("localhost", postern.submission, timeout=PATIENCE) as client:
        client.starttls(context=ssl.create_default_context(cafile=postern.ca))
        client.login(ADDRESS, PASSWORD)
        yield client


class Senders:
    """Each message has a recipient of its own. Every tenth is large, every eighth cannot be delivered."""

    def __init__(self, postern, count, name):
        self.answered = []   # recipients of messages answered 250
        self.refused = []    # reply codes of the others
        self.stopping = threading.Event()
        self.threads = [threading.Thread(target=self.send, args=(postern, f"{name}-{n}")) for n in range(count)]
        for thread in self.threads:
            thread.start()

    def send(self, postern, name):
        number = 0
        # What ends a session is the server's death, or a 421 of a server that stops.
        with contextlib.suppress(OSError, smtplib.SMTPException), logged_in(postern) as client:
            while not self.stopping.is_set():
                number += 1
                user = f"nobody-{name}-{number}" if number % 8 == 0 else f"{name}-{number}"
                recipient = f"{user}@d{number % 7}.example.net"
                try:
                    client.sendmail(ADDRESS, [recipient], LARGE if number % 10 == 0 else SMALL)
                except smtplib.SMTPDataError as error:
                    self.refused.append((error.smtp_code, error.smtp_error))
                except smtplib.SMTPSenderRefused as error:
                    self.refused.append((error.smtp_code, error.smtp_error))
                else:
                    self.answered.append(recipient)

    def join(self):
        self.stopping.set()
        for thread in self.threads:
            thread.join(2 * PATIENCE)
            assert not thread.is_alive()
        return self.answered


def queued(postern):
    return [to["address"] for message in postern.cli_json("queue", "ls", "--limit", "1000000") for to in message["recipients"]]


def wait_until_delivered(postern, hop, answered, patience=60):
    """Until the queue is empty; then everything answered has been taken, or reported to the sender."""
    e2e_server.eventually(lambda: not queued(postern), "the queue to become empty", patience)
    lost = [r for r in answered if not hop.taken[r] and not r.startswith("nobody-")]
    assert not lost, f"{len(lost)} of {len(answered)} lost: {lost[:5]}"
    reports, failed = hop.taken[ADDRESS], sum(r.startswith("nobody-") for r in answered)
    assert reports >= failed, f"{failed} undeliverable, {reports} reports"
    return sum(count - 1 for count in hop.taken.values() if count > 1) - max(0, reports - 1)
