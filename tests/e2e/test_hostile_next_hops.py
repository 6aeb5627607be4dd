"""Next hops that lie, babble, flood, stall and vanish: what became of the mail, and what the trace says about it."""

import smtplib
import ssl

import pytest
from fake_dns import FakeDns
from hostile_hop import CLOSE, STALL, HostileHops
from scripted_hop import PASSWORD, Hop, Server, wait_until

ALICE = "alice@example.org"
# name: (what it does, the event, what the trace has to tell)
CASES = {
    "polite": ({}, "delivered", "250 2.0.0 taken"),
    "flood": ({"RCPT": b"250-more\r\n" * 20000 + b"250 end\r\n"}, "deferred", "a broken answer to rcpt: too many lines in a reply"),
    "longline": ({"EHLO": b"250 " + b"x" * 100_000 + b"\r\n"}, "deferred", "line too long"),
    "longtext": ({"MAIL": b"550-5.7.1 " + b"y" * 1500 + b"\r\n550 5.7.1 end\r\n"}, "failed", "550 5.7.1 yyyyy"),
    "binary": ({"RCPT": b"550 5.1.1 \x1b[31mno\x00\r\n"}, "failed", "550 5.1.1 ?[31mno?"),
    "linefeed": ({"RCPT": b"250 ok\n"}, "deferred", "a bare line feed in a reply"),
    "nonsense": ({"MAIL": b"hello\r\n"}, "deferred", 'a broken answer to mail: not an SMTP reply: "hello"'),
    "code000": ({"RCPT": b"000 odd\r\n"}, "deferred", "not an SMTP reply"),
    "code999": ({"MAIL": b"999 odd\r\n"}, "deferred", "not an SMTP reply"),
    "twocodes": ({"RCPT": b"250-a\r\n550 b\r\n"}, "deferred", "different codes"),
    "early": ({"banner": b"220 x\r\n250-x\r\n250 PIPELINING\r\n250 m\r\n250 r\r\n354 d\r\n250 taken\r\n"}, "deferred",
              "an answer that nobody asked for"),
    "banner4": ({"banner": b"421 4.3.2 later\r\n"}, "deferred", "421 4.3.2 later; the site is given a pause"),
    "banner5": ({"banner": b"554 5.3.2 no mail here\r\n"}, "failed", "554 5.3.2 no mail here"),
    "ehlo4": ({"EHLO": b"451 4.3.0 later\r\n"}, "deferred", "451 4.3.0 later"),
    "mail4": ({"MAIL": b"451 4.1.8 later\r\n"}, "deferred", "451 4.1.8 later"),
    "rcpt4": ({"RCPT": b"450 4.2.0 later\r\n"}, "deferred", "450 4.2.0 later"),
    "data4": ({"DATA": b"451 4.3.0 later\r\n"}, "deferred", "451 4.3.0 later"),
    "data2": ({"DATA": b"250 what\r\n"}, "deferred", "250 what"),
    "dot4": ({"dot": b"451 4.3.0 later\r\n"}, "deferred", "451 4.3.0 later"),
    "dot421": ({"dot": b"421 4.3.2 bye\r\n"}, "deferred", "421 4.3.2 bye"),
    "dotcloses": ({"dot": CLOSE}, "deferred", "lost the connection after message"),
    "mailcloses": ({"MAIL": CLOSE}, "deferred", "lost the connection after mail"),
    "silent": ({"banner": STALL}, "deferred", "no answer in time"),
    "halfopen": ({"dot": STALL}, "deferred", "lost the connection after message: no answer in time"),
}


def server_with(tmp_path, zones, port, more=""):
    dns, unused = FakeDns(zones), Hop()
    made = Server(tmp_path, unused)
    unused.shutdown()
    unused.server_close()
    made.config.write_text(made.config.read_text().replace('mode = "smarthost"\nsmarthost = "hop"', f"""mode = "direct"
port = {port}
first_retry = "1h"
banner_timeout = "2s"
command_timeout = "2s"
data_timeout = "2s"
final_timeout = "2s"
""") + f'[dns]\nservers = ["127.0.0.1:{dns.port}"]\ndnssec = false\n' + more)
    made.start()
    return made, dns


def send(server, recipients, content=b"From: alice@example.org\r\nSubject: x\r\n\r\nbody\r\n", options=()):
    tls = ssl.create_default_context(cafile=server.directory / "cert.pem")
    with smtplib.SMTP_SSL("localhost", server.ports["submissions"][0], timeout=30, context=tls) as client:
        client.login(ALICE, PASSWORD)
        client.sendmail(ALICE, recipients, content, rcpt_options=list(options))


def events(server, recipient):
    return [e for e in server.json("trace", ALICE) if e["recipient"] == recipient and e["event"] in ("delivered", "deferred", "failed")]


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    hops = HostileHops({name: manner for name, (manner, _, _) in CASES.items()})
    server, dns = server_with(tmp_path_factory.mktemp("hostile"), hops.zones, hops.port)
    send(server, [f"bob@{name}.test" for name in CASES])
    yield server, hops
    assert server.stop() == 0
    hops.close()
    dns.close()


@pytest.mark.parametrize("name", CASES)
def test_each_is_survived_and_told(world, name):
    server, hops = world
    _, event, told = CASES[name]
    found = wait_until(lambda: events(server, f"bob@{name}.test"), f"the outcome at {name}")
    assert [e["event"] for e in found] == [event], found
    assert told in found[0]["detail"], found
    assert (found[0]["detail"].count("next attempt") == 1) == (event == "deferred")
    assert len(found[0]["detail"]) < 1500
    if name in ("dotcloses", "halfopen", "dot4"):
        assert len(hops.of(name)) == 1, "it was taken perhaps, so a duplicate is possible and a loss is not"


def test_trace_tells_of_all_addresses_that_were_tried(tmp_path):
    hops = HostileHops({"busy": {"banner": b"421 4.3.2 busy\r\n"}, "good": {}}, network="127.0.7")
    zones = hops.zones | {
        "second.test": {"mx": [(10, "dead.test"), (20, "mx.busy.test"), (30, "mx.good.test")]},
        "neither.test": {"mx": [(10, "mx.busy.test"), (20, "dead.test")]},
        "dead.test": {"a": ["127.0.7.99"]}}
    server, dns = server_with(tmp_path, zones, hops.port)
    try:
        send(server, ["bob@second.test"])
        delivered = wait_until(lambda: events(server, "bob@second.test"), "the delivery")[0]
        assert delivered["event"] == "delivered" and delivered["detail"].startswith("mx.good.test [127.0.7.2], cleartext"), delivered
        assert "; also tried: dead.test [127.0.7.99]: " in delivered["detail"] and "Connection refused; mx.busy.test [127.0.7.1]: 421 4.3.2 busy" in delivered["detail"]
        send(server, ["bob@neither.test"])
        deferred = wait_until(lambda: events(server, "bob@neither.test"), "the deferral")[0]
        assert deferred["detail"].startswith("mx.busy.test [127.0.7.1]: 421 4.3.2 busy; also tried: dead.test [127.0.7.99]: "), deferred
        wait_until(lambda: server.json("queue", "ls", "--where", "site=neither.test reason=4.3.2"), "the status in the queue")
    finally:
        server.stop()
        hops.close()
        dns.close()


def test_explain_tells_what_waits_and_how_fast_the_site_is_spoken_to(tmp_path):
    hops = HostileHops({"busy": {"MAIL": b"421 4.7.0 slow down\r\n"}, "good": {}}, network="127.0.8")
    server, dns = server_with(tmp_path, hops.zones, hops.port)
    try:
        assert "nothing was sent there lately" in server.json("explain", "--from", ALICE, "--to", "x@busy.test")["now"][1]
        send(server, ["a@busy.test", "b@busy.test"])
        wait_until(lambda: len(events(server, "b@busy.test")) == 1, "the push-back")
        now = server.json("explain", "--from", ALICE, "--to", "x@busy.test")["now"]
        assert now[0] == "2 recipients in 1 messages wait for busy.test"
        assert now[2].startswith("paused until ") and now[2].endswith("421 4.7.0 slow down"), now
    finally:
        server.stop()
        hops.close()
        dns.close()


def test_an_alias_is_expanded_and_its_sender_told(tmp_path):
    hops = HostileHops({"good": {}, "example": {}}, network="127.0.9")
    zones = hops.zones | {"example.org": {"mx": [(10, "mx.example.test")]}}
    server, dns = server_with(tmp_path, zones, hops.port, more="""
[[route]]
name = "team"
to = ["team@example.org"]
action = "expand"
members = ["anna@good.test", "ben@good.test", "team@example.org"]
""")
    try:
        send(server, ["team@example.org"], options=["NOTIFY=SUCCESS"])
        wait_until(lambda: hops.of("good") and hops.of("example"), "the members' mail and the report")
        report = hops.of("example")[0]
        assert b"Action: expanded\r\nStatus: 2.1.5\r\n" in report and b"Final-Recipient: rfc822; team@example.org" in report
        trace = server.json("trace", ALICE)
        told = next(e for e in trace if e["recipient"] == "team@example.org" and e["event"] == "delivered")
        assert told["detail"].startswith("sent on to 2 addresses as "), told
        other = server.json("trace", told["detail"].split()[6].rstrip(";"))
        assert [e["event"] for e in other if e["recipient"] == "anna@good.test"] == ["expanded", "delivered"], other
        assert server.json("explain", "--from", ALICE, "--to", "team@example.org")["members"] == ["anna@good.test, ben@good.test"]
    finally:
        server.stop()
        hops.close()
        dns.close()
