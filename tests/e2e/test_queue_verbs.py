"""`postern queue` on a running and a stopped server: groups, filters, dry runs, returning, freezing."""

import smtplib
import ssl

import pytest

from conftest import ADDRESS, PASSWORD, eventually

UNREACHABLE = ('[delivery]\nmode = "smarthost"\nsmarthost = "away"\n[smarthost.away]\nhost = "127.0.0.1"\nport = 9\n'
               'tls = "none"\n')
SITES = ("slow.example", "slow.example", "fast.example")


@pytest.fixture
def waiting(make_postern):
    """A server with one message to each of SITES, all tried once without success."""
    postern = make_postern(UNREACHABLE)
    with smtplib.SMTP("localhost", postern.submission) as client:
        client.starttls(context=ssl.create_default_context(cafile=postern.ca))
        client.login(ADDRESS, PASSWORD)
        for number, site in enumerate(SITES):
            client.sendmail(ADDRESS, [f"u{number}@{site}"], f"From: {ADDRESS}\r\n\r\nhello\r\n")

    def tried():
        listed = postern.cli_json("queue", "ls")
        return len(listed) == len(SITES) and all(m["recipients"][0]["text"] and not m["active"] for m in listed)

    eventually(tried, "every message to be tried")
    return postern


@pytest.mark.parametrize("running", [True, False], ids=["running", "stopped"])
def test_groups_filters_and_dry_runs(waiting, running):
    if not running:
        waiting.stop()
    sites = waiting.cli_json("queue", "ls", "--by", "site")
    assert [(g["key"], g["messages"]) for g in sites] == [("slow.example", 2), ("fast.example", 1)]
    reasons = waiting.cli_json("queue", "ls", "--by", "reason")
    assert sum(g["recipients"] for g in reasons) == 3 and all(g["key"] for g in reasons)
    assert waiting.cli_json("queue", "ls", "--by", "account")[0]["key"] == ADDRESS
    assert len(waiting.cli_json("queue", "ls", "--where", "site=slow.example")) == 2
    assert waiting.cli_json("queue", "ls", "--where", "site=slow.example older=1h") == []
    dry = waiting.cli_json("queue", "hold", "--where", "site=slow.example", "--dry-run")
    assert (dry["messages"], dry["recipients"]) == (2, 2)
    assert waiting.cli_json("queue", "ls", "--where", "state=held") == [], "nothing was changed"
    waiting.cli("queue", "hold", "--where", "site=slow.example")
    assert {m["recipients"][0]["address"] for m in waiting.cli_json("queue", "ls", "--where", "state=held")} == \
        {"u0@slow.example", "u1@slow.example"}


def test_what_is_not_understood_changes_nothing(waiting):
    for where, why in (("sites=x", "no such key: sites"), ("older=2", "is no time"), ("", "--all")):
        refused = waiting.cli("queue", "rm", "--where", where, ok=False)
        assert refused.returncode == 1 and why in refused.stderr
    assert len(waiting.cli_json("queue", "ls")) == len(SITES)


def test_bounce_returns_the_mail_with_a_report(waiting):
    before = {m["id"] for m in waiting.cli_json("queue", "ls")}
    done = waiting.cli_json("queue", "bounce", "--where", "site=fast.example")
    assert done["messages"] == 1

    def report():
        return [m for m in waiting.cli_json("queue", "ls") if m["id"] not in before]

    returned = eventually(report, "a report")
    assert returned[0]["sender"] == "" and returned[0]["recipients"][0]["address"] == ADDRESS
    eventually(lambda: not waiting.cli_json("queue", "ls", "--where", "site=fast.example"), "the message to be gone")
    events = [e for e in waiting.cli_json("trace", "u2@fast.example") if e["event"] == "failed"]
    assert events and "the operator of this server returned the message" in events[0]["detail"]


def test_a_frozen_account_stays_frozen_over_a_restart(waiting):
    waiting.cli("queue", "freeze", ADDRESS, "--reason", "a password that was stolen")
    frozen = waiting.cli_json("queue", "frozen")
    assert [(f["account"], f["reason"]) for f in frozen] == [(ADDRESS, "a password that was stolen")]
    waiting.stop()
    assert len(waiting.cli_json("queue", "frozen")) == 1
    waiting.start()
    refused = waiting.cli("queue", "retry", "--all", ok=False)
    assert refused.returncode == 1 and "a password that was stolen" in refused.stderr
    listed = waiting.cli_json("queue", "ls")
    assert all(m["account_held"] and m["recipients"][0]["state"] == "held" for m in listed)
    waiting.cli("queue", "thaw", ADDRESS)
    assert waiting.cli_json("queue", "frozen") == []
    assert {m["recipients"][0]["state"] for m in waiting.cli_json("queue", "ls")} == {"waiting"}
    unknown = waiting.cli("queue", "freeze", "nobody@example.org", ok=False)
    assert unknown.returncode == 1 and "no account nobody@example.org" in unknown.stderr
