"""A stolen account on a running server: held, frozen, told of, purged, released; also through kill -9."""

import base64
import hashlib
import hmac
import http.server
import json
import re
import signal
import smtplib
import ssl
import threading

import pytest

from conftest import ADDRESS, PASSWORD, eventually
from scripted_hop import Hop

OWNER = "127.0.0.1"
THIEF = "127.99.9.9"  # a network that the account never used
OPERATOR = "ops@example.net"
KEY = b"an operator's key of some length"
FRIENDS = [f"friend{n}@known{n % 4}.example" for n in range(8)]


class Hook(http.server.ThreadingHTTPServer):
    """An operator's program; its first answer is 503, so that it has to be called again."""

    def __init__(self):
        self.calls, self.refuse = [], 1
        super().__init__(("127.0.0.1", 0), self.Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            signed = b".".join((self.headers["webhook-id"].encode(), self.headers["webhook-timestamp"].encode(), body))
            mac = base64.b64encode(hmac.new(KEY, signed, hashlib.sha256).digest()).decode()
            good = self.headers["webhook-signature"] == "v1," + mac
            if self.server.refuse > 0:
                self.server.refuse -= 1
                return self.send_error(503)
            self.server.calls.append((good, self.headers["webhook-id"], json.loads(body)))
            self.send_response(204)
            self.end_headers()
            return None

        def log_message(self, *arguments):
            pass


@pytest.fixture
def hop():
    """A next hop that knows one in five of the thief's bought addresses not."""
    hop = Hop()
    hop.rcpt_reply = lambda line: b"550 5.1.1 no such user" if re.search(rb"-[37]@site|-1[17]@site", line) else b"250 2.1.5 ok"
    yield hop
    hop.shutdown()
    hop.server_close()


@pytest.fixture
def hook():
    hook = Hook()
    yield hook
    hook.shutdown()
    hook.server_close()


def settings(hop, watch=""):
    return (f'[delivery]\nmode = "smarthost"\nsmarthost = "hop"\n'
            f'[smarthost.hop]\nhost = "127.0.0.1"\nport = {hop.server_address[1]}\ntls = "none"\n[watch]\n' + watch)


def login(server, source):
    client = smtplib.SMTP("127.0.0.1", server.submission, timeout=20, source_address=(source, 0))
    context = ssl.create_default_context(cafile=server.ca)
    client.starttls(context=context)
    client.login(ADDRESS, PASSWORD)
    return client


def send(server, source, mails):
    """Sends to each recipient list in turn; logs in again when the server asks for it. The replies other than 250."""
    refused, client = [], login(server, source)
    for subject, recipients in mails:
        for attempt in range(3):
            try:
                client.sendmail(ADDRESS, recipients, f"From: {ADDRESS}\r\nTo: undisclosed:;\r\nSubject: {subject}\r\n\r\nhello\r\n")
                break
            except (smtplib.SMTPServerDisconnected, smtplib.SMTPConnectError):
                client = login(server, source)
            except smtplib.SMTPRecipientsRefused as replies:
                assert 421 in {code for code, _ in replies.recipients.values()}
                client = login(server, source)
            except smtplib.SMTPResponseException as reply:
                if reply.smtp_code == 421:
                    client = login(server, source)
                    continue
                refused.append((reply.smtp_code, reply.smtp_error))
                break
        else:
            pytest.fail("the server asks again and again for a login")
    client.close()
    return refused


def owner_mail(count, subject="owner"):
    return [(f"{subject} {n}", [FRIENDS[n % len(FRIENDS)]]) for n in range(count)]


def stolen_mail(count, size=20, list="victim"):
    return [(f"offer {n}", [f"{list}{n}-{i}@site{(n * 7 + i) % 900}.example" for i in range(size)]) for n in range(count)]


def subjects(hop, word):
    return [m[2] for m in hop.mails if f"Subject: {word}".encode() in m[2]]


def held(server):
    return [h["account"] for h in server.cli_json("watch", "ls")]


def queued(server):
    return [m for m in server.cli_json("queue", "ls", "--limit", "100000") if m["account"] == ADDRESS]


def steal(server, most=100, size=20, batch=4):
    """The owner's mail, then a thief's until the account is held."""
    assert send(server, OWNER, owner_mail(24)) == []
    eventually(lambda: queued(server) == [], "the owner's mail to leave")
    mails = stolen_mail(most, size)
    for begin in range(0, most, batch):
        send(server, THIEF, mails[begin:begin + batch])
        if held(server):
            eventually(lambda: all(not m["active"] for m in queued(server)), "what had begun to end")
            return
    pytest.fail("never held")


def test_a_burst_is_held_told_purged_and_released(make_postern, tmp_path, hop, hook):
    secret = tmp_path / "hook.key"
    secret.write_bytes(KEY + b"\n")
    server = make_postern(settings(hop, f'notify = "{OPERATOR}"\nwebhook = "http://127.0.0.1:{hook.server_address[1]}/x"\n'
                                        f'webhook_secret_file = "{secret}"\n'))
    steal(server)
    assert held(server) == [ADDRESS]

    # Everybody who has to know: webhook (signed, called again after a 503), mail to owner and operator, log, metric.
    good, call_id, call = eventually(lambda: hook.calls and hook.calls[0], "the webhook")
    assert good and call["event"] == "watch.hold" and call["account"] == ADDRESS and call["reasons"]
    notices = eventually(lambda: len(n := subjects(hop, "Sending of")) == 2 and n, "two notices")
    assert all(b"bounces: " in n for n in notices)
    assert sum(b"postern watch purge" in n for n in notices) == 1, "only the operator's names verbs"
    assert '"watch.hold"' in (server.directory / "server.log").read_text()
    assert "account held" in [e["event"] for e in server.cli_json("trace", ADDRESS)]

    # Accepted into the hold: nothing more of the account leaves, whoever sends it.
    gone = len(subjects(hop, "offer"))
    assert send(server, THIEF, stolen_mail(30, size=8, list="more")) == []
    assert send(server, OWNER, owner_mail(5, "mine")) == []
    assert all(m["account_held"] for m in queued(server))
    assert subjects(hop, "mine") == []
    eventually(lambda: any(b"multipart/report" in m[2] for m in hop.mails), "reports about failures are never held")

    # What came from where, then exactly the thief's: named first, removed when told.
    shown = server.cli_json("watch", "show", ADDRESS)
    assert shown["held"] and shown["queued_by_network"][0]["network"] == "127.99.9.0/24"
    theirs = [m for m in queued(server) if m["client"] == THIEF]
    assert server.cli("watch", "purge", ADDRESS, ok=False).returncode == 1, "everything wants to be said"
    dry = server.cli_json("watch", "purge", ADDRESS, "--network", "127.99.9.0/24", "--new-recipients")
    assert dry["count"] == len(theirs) >= 30 and not dry["removed"]
    assert len(queued(server)) == len(theirs) + 5
    done = server.cli_json("watch", "purge", ADDRESS, "--network", "127.99.9.0/24", "--new-recipients", "--really")
    assert done["count"] == len(theirs) and done["removed"]
    assert {m["client"] for m in queued(server)} == {OWNER}
    removed = server.cli_json("trace", theirs[0]["id"])
    assert "removed" in [e["event"] for e in removed]

    released = server.cli_json("watch", "release", ADDRESS)
    assert not released["held"] and released["released_messages"] == 5
    eventually(lambda: len(subjects(hop, "mine")) == 5, "what was held to be delivered")
    assert [e["event"] for e in released["history"]][-3:] == ["hold", "purge", "release"]
    assert len(subjects(hop, "offer")) == gone, "no mail of the thief's after the hold"
    assert send(server, OWNER, owner_mail(1, "after")) == []
    eventually(lambda: subjects(hop, "after"), "a mail after the release")
    eventually(lambda: any(c[2]["event"] == "watch.release" for c in hook.calls), "the webhook of the release")
    assert server.cli("watch", "release", ADDRESS, ok=False).returncode == 1


def test_kill_9_while_held_loses_nothing_and_releases_once(make_postern, hop):
    server = make_postern(settings(hop))
    steal(server)
    assert send(server, OWNER, owner_mail(6, "mine")) == []
    before = {m["id"] for m in queued(server)}
    assert server.stop(signal.SIGKILL) == -signal.SIGKILL
    assert held(server) == [ADDRESS], "known without a server, too"
    server.start()
    assert held(server) == [ADDRESS]
    assert {m["id"] for m in queued(server)} == before and all(m["account_held"] for m in queued(server))
    assert send(server, OWNER, owner_mail(1, "mine too")) == []
    assert subjects(hop, "mine") == []
    assert [e["event"] for e in server.cli_json("watch", "show", ADDRESS)["history"]].count("hold") == 1
    server.stop()
    released = server.cli_json("watch", "release", ADDRESS)  # on the files
    assert released["released_messages"] == len(before) + 1
    server.start()
    eventually(lambda: queued(server) == [], "everything to be delivered")
    assert len(subjects(hop, "mine")) == 7, "each once"


def test_the_policy_may_refuse_instead(make_postern, hop):
    server = make_postern(settings(hop, 'new_mail = "refuse"\n'))
    steal(server)
    replies = send(server, OWNER, owner_mail(2, "mine"))
    assert [code for code, _ in replies] == [450, 450] and b"4.7.1" in replies[0][1] and b"on hold" in replies[0][1]
    assert [m for m in queued(server) if m["client"] == OWNER or not m["account_held"]] == []
    server.cli("watch", "forgive", ADDRESS)
    assert send(server, OWNER, owner_mail(2, "mine")) == []


def test_spared_classes_are_warned_of_only(make_postern, hop):
    server = make_postern(settings(hop, 'never_hold = ["person"]\n'))
    assert send(server, OWNER, owner_mail(8)) == []
    events = []
    for begin in range(0, 100, 4):
        assert send(server, THIEF, stolen_mail(begin + 4)[begin:]) == []
        events = [e["event"] for e in server.cli_json("watch", "show", ADDRESS)["history"]]
        if "spared" in events:
            break
    assert "spared" in events
    eventually(lambda: queued(server) == [], "all of it to leave")
    assert held(server) == []


def test_a_webhook_that_is_down_is_told_by_the_next_process_and_options_are_live(make_postern, tmp_path, hop, hook):
    (tmp_path / "hook.key").write_bytes(KEY)
    server = make_postern(settings(hop, f'webhook = "http://127.0.0.1:{hook.server_address[1]}/x"\n'
                                        f'webhook_secret_file = "{tmp_path}/hook.key"\n'))
    hook.refuse = 1000
    steal(server)
    eventually(lambda: hook.refuse < 1000, "the webhook to be called")
    assert server.stop(signal.SIGKILL) == -signal.SIGKILL
    hook.refuse = 0
    server.start()
    good, call_id, call = eventually(lambda: hook.calls and hook.calls[0], "the call to be repeated")
    assert good and call["event"] == "watch.hold" and call_id.startswith(f"watch.hold-{ADDRESS}-")

    # At SIGHUP: what is handed in now is refused.
    config = server.config
    config.write_text(config.read_text().replace("[watch]\n", '[watch]\nnew_mail = "refuse"\n'))
    server.process.send_signal(signal.SIGHUP)
    log = server.directory / "server.log"
    eventually(lambda: '"server.reloaded"' in log.read_text(), "the reload")
    assert "watch.new_mail" in log.read_text() and "server.restart_needed" not in log.read_text()
    refused = send(server, OWNER, owner_mail(1, "late"))
    assert refused and refused[0][0] == 450


@pytest.mark.parametrize("domains", [1, 40])
def test_a_next_hop_that_refuses_everybody_holds_nobody(make_postern, hop, domains):
    hop.rcpt_reply = lambda line: b"550 5.1.1 no such user"
    server = make_postern(settings(hop))
    assert send(server, OWNER, [(f"mail {n}", [f"u{n}@d{n % domains}.example"]) for n in range(40)]) == []
    eventually(lambda: queued(server) == [], "every mail to bounce")
    assert held(server) == []
    assert server.cli_json("watch", "show", ADDRESS)["score"] < 7.5


def test_complaints_and_bounces_come_from_the_real_server(make_postern, hop):
    hop.rcpt_reply = lambda line: b"550 5.1.1 no such user" if b"@site" in line else b"250 2.1.5 ok"
    server = make_postern(settings(hop))
    assert send(server, OWNER, owner_mail(30) + [("list", [f"u{n}@{kind}{n}.example" for n in range(6) for kind in ("site", "good")])]) == []
    eventually(lambda: any(r.startswith("bounces: ") for r in server.cli_json("watch", "show", ADDRESS)["reasons"]),
               "bounces to count")
    before = server.cli_json("watch", "show", ADDRESS)["score"]
    after = server.cli_json("watch", "complain", ADDRESS, "--count", "2")
    assert after["score"] > before and after["history"][-1]["event"] in ("complaint", "hold")
    assert server.cli("watch", "complain", "nobody@example.org", ok=False).returncode == 1


def test_an_export_replays_to_the_same_hold(make_postern, tmp_path, hop):
    server = make_postern(settings(hop))
    server.cli("account", "class", ADDRESS, "app")  # its first day is not for learning: held for recipients, not bounces
    hop.rcpt_reply = lambda line: b"250 2.1.5 ok"
    steal(server, most=150, size=100, batch=10)
    hold = server.cli_json("watch", "ls")[0]
    file, classes = tmp_path / "history.tsv", tmp_path / "classes.tsv"
    written = server.cli_json("watch", "export", str(file), "--class-file", str(classes))
    assert written["events"] == len(file.read_text().splitlines()) - 1
    lines = server.cli("watch", "replay", str(file), "--class-file", str(classes), "--json").stdout.splitlines()
    holds = [a for a in map(json.loads, lines) if a["action"] == "hold"]
    assert [(h["account"], h["score"]) for h in holds] == [(ADDRESS, hold["score"])]
    assert holds[0]["reasons"] == hold["reasons"]
