"""The workloads: what the clients do to a server, what is measured, and what is to be reached."""

import contextlib
import json
import os
import pathlib
import select
import smtplib
import ssl
import subprocess
import tempfile
import time
from dataclasses import dataclass, field

import processes
from servers import BINARIES, OTHER_USER, PASSWORD, USER, Failed

SETTLE = 0.3  # seconds after the last message, so that what a server does afterwards is counted too


@dataclass(frozen=True)
class Target:
    """`measure` of Postern is at most (or at least) `limit`, as a share of Postfix's or absolute."""

    measure: str
    limit: float
    of_postfix: bool = True
    at_least: bool = False

    def reached(self, value):
        return value >= self.limit if self.at_least else value <= self.limit


@dataclass(frozen=True)
class Workload:
    name: str
    what: str
    mode: str
    connections: int
    messages: int = 0
    size: int = 4096
    per_session: int = 0
    recipients: int = 1
    dkim: bool = False
    targets: tuple = field(default=())


WORKLOADS = [
    Workload("plain", "4 KB messages, unsigned", "send", 20, 100,
             targets=(Target("cpu_ms", 1 / 10), Target("rate", 5, at_least=True), Target("p99_ms", 1))),
    Workload("dkim", "4 KB messages, DKIM RSA-2048", "send", 20, 100, dkim=True, targets=(Target("cpu_ms", 1 / 8),)),
    Workload("single", "one message a connection: full handshake and AUTH PLAIN", "send", 20, 50, per_session=1,
             targets=(Target("cpu_ms", 1 / 5),)),
    Workload("login", "connect, TLS, EHLO, AUTH, QUIT", "login", 20, 50, targets=(Target("cpu_ms", 1 / 3),)),
    Workload("large", "100 KB messages", "send", 10, 40, size=100_000, targets=(Target("cpu_ms", 1 / 5),)),
    Workload("idle", "idle authenticated TLS connections", "idle", 5000,
             targets=(Target("pss_kb", 20, of_postfix=False),)),
    Workload("slow", "the first workload beside 200 clients that send an octet a second", "slow", 200, 100,
             targets=(Target("rate_share", 0.9, of_postfix=False, at_least=True),)),
    Workload("pace", "4 KB messages: accepted and delivered at once, as a share of accepted alone", "pace", 20, 100,
             targets=(Target("cpu_share", 2, of_postfix=False),)),
    Workload("newsletter", "another account's mail beside a newsletter of 100,000 recipients to the same next hop", "newsletter",
             10, 500, recipients=20, targets=(Target("worst_queue_ms", 1000, of_postfix=False),)),
    Workload("deep", "1,000,000 queued recipients in 50,000 domains: the next due one, memory", "deep", 0, 100_000,
             targets=(Target("next_p99_us", 1000, of_postfix=False), Target("rss_mb", 300, of_postfix=False))),
    Workload("syncs", "synced commits in the first workload (counted by strace)", "syncs", 20, 100,
             targets=(Target("syncs", 0.3, of_postfix=False), Target("syncs_alone", 1, of_postfix=False, at_least=True))),
]


def load_command(server, mode, user=USER, **options):
    command = [BINARIES / "postern_load", f"127.0.0.1:{server.port}", "--mode", mode, "--user", user, "--password", PASSWORD,
               "--from", user, "--to", "bob@example.net"]
    for name, value in options.items():
        command += [f"--{name.replace('_', '-')}", str(value)]
    return command


def load(server, mode, **options):
    """Runs the clients to their end; what they report."""
    done = subprocess.run(load_command(server, mode, **options), capture_output=True, text=True, timeout=200)
    try:
        report = json.loads(done.stdout)
    except ValueError as error:
        raise Failed(f"postern_load: {done.stdout}{done.stderr}") from error
    if report["errors"]:
        raise Failed(f"{server.name}: {report['errors']} clients failed, the first with: {report['first_error']}")
    return report


@contextlib.contextmanager
def holding(server, mode, connections):
    """Clients that hold their connections while the block runs."""
    command = load_command(server, mode, connections=connections)
    clients = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        if not select.select([clients.stdout], [], [], 120)[0]:
            raise Failed(f"{server.name}: {connections} connections took too long")
        held = clients.stdout.readline().split()
        if held != ["holding", str(connections)]:
            raise Failed(f"{server.name}: {' '.join(held)} connections, expected {connections}")
        yield
    finally:
        clients.stdin.close()
        clients.wait(60)


def warm_up(server):
    """The first login pays for the password hash, the first messages for processes and caches."""
    load(server, "send", connections=1, messages=1)  # alone: twenty at once would each compute the password's hash
    load(server, "send", connections=20, messages=5)
    server.sink.wait_for(101)


def send(server, workload):
    """Messages until the next hop has all of them."""
    count = workload.connections * workload.messages
    before = processes.cpu_seconds(server.roots())
    report = load(server, "send", connections=workload.connections, messages=workload.messages, size=workload.size,
                  per_session=workload.per_session)
    last = server.sink.wait_for(count)
    time.sleep(SETTLE)
    cpu = processes.cpu_seconds(server.roots()) - before
    return {"cpu_ms": cpu * 1000 / count, "rate": count / ((last - report["begun_ns"]) / 1e9),
            "p50_ms": report["p50_ms"], "p99_ms": report["p99_ms"]}


def login(server, workload):
    count = workload.connections * workload.messages
    before = processes.cpu_seconds(server.roots())
    report = load(server, "login", connections=workload.connections, messages=workload.messages)
    time.sleep(SETTLE)
    cpu = processes.cpu_seconds(server.roots()) - before
    return {"cpu_ms": cpu * 1000 / count, "rate": count / ((report["ended_ns"] - report["begun_ns"]) / 1e9)}


def idle(server, workload):
    """Memory that each held connection adds. Postfix has a process for each: 100 of them show the same."""
    connections = workload.connections if server.name == "postern" else min(100, workload.connections)
    before = processes.pss_bytes(server.roots())
    with holding(server, "idle", connections):
        time.sleep(1)
        return {"pss_kb": (processes.pss_bytes(server.roots()) - before) / connections / 1000}


def slow(server, workload):
    """The rate alone, with slow clients, and alone again."""
    first = next(w for w in WORKLOADS if w.name == "plain")
    alone = send(server, first)["rate"]
    with holding(server, "slow", workload.connections):
        beside = send(server, first)["rate"]
    alone = (alone + send(server, first)["rate"]) / 2
    return {"rate_share": beside / alone, "rate": beside}


def count_syncs(server, connections, messages):
    """Calls that make data durable, per message. The tracer slows the server down, so nothing else is measured here."""
    trace = pathlib.Path(server.directory) / "syncs.trace"
    command = ["strace", "-f", "-qq", "-e", "trace=fsync,fdatasync,sync_file_range,syncfs", "-o", trace]
    for pid in processes.family(server.roots()):
        command += ["-p", str(pid)]
    tracer = subprocess.Popen(list(map(str, command)), stderr=subprocess.DEVNULL)
    try:
        time.sleep(0.5)
        load(server, "send", connections=connections, messages=messages)
        server.sink.wait_for(connections * messages)
        time.sleep(SETTLE)
    finally:
        tracer.terminate()
        tracer.wait(30)
    calls = sum("sync" in line and "resumed" not in line for line in trace.read_text().splitlines())
    return calls / (connections * messages)


def syncs(server, workload):
    """Many senders share syncs; a lone one, who waits for each 250, has at least one for each."""
    return {"syncs": count_syncs(server, workload.connections, workload.messages), "syncs_alone": count_syncs(server, 1, 50)}


def pace(server, workload):
    """CPU for messages of a frozen account, which are accepted and stay in the queue, and for messages that leave at once."""
    count = workload.connections * workload.messages
    server.cli("queue", "freeze", USER)
    before = processes.cpu_seconds(server.roots())
    load(server, "send", connections=workload.connections, messages=workload.messages, size=workload.size)
    time.sleep(SETTLE)
    alone = (processes.cpu_seconds(server.roots()) - before) * 1000 / count
    server.cli("queue", "rm", "--all")
    server.cli("queue", "thaw", USER)
    both = send(server, workload)["cpu_ms"]
    return {"accept_ms": alone, "cpu_ms": both, "cpu_share": both / alone}


def send_watched(server, most_seconds):
    """A mail every 50 ms over one connection while there is a backlog; the moment of each 250, by recipient."""
    accepted = {}
    end = time.monotonic() + most_seconds
    with smtplib.SMTP("127.0.0.1", server.port, timeout=20) as client:
        client.starttls(context=ssl._create_unverified_context())
        client.login(OTHER_USER, PASSWORD)
        while time.monotonic() < end and server.sink.count() < server.sink.expected:
            recipient = f"watched{len(accepted)}@example.net"
            client.sendmail(OTHER_USER, [recipient], f"From: {OTHER_USER}\r\nSubject: your password\r\n\r\nreset it\r\n")
            accepted[recipient] = time.monotonic_ns()
            time.sleep(0.05)
    return accepted


def newsletter(server, workload):
    """Queue time, from the 250 to the next hop, of one account's mail while another's backlog leaves through the same site."""
    count = workload.connections * workload.messages
    with server.slow_sink(milliseconds=40) as slow:
        load(server, "send", connections=workload.connections, messages=workload.messages, recipients=workload.recipients, size=1024)
        slow.expected = count
        backlog = count - slow.count()
        accepted = send_watched(server, most_seconds=60)
        slow.expected = 0
        slow.wait_for(count + len(accepted))
        arrived = slow.watched()
    waits = sorted((arrived[recipient] - when) / 1e6 for recipient, when in accepted.items())
    if not waits:
        raise Failed("the newsletter was gone before anything else was sent")
    return {"backlog": backlog, "watched": len(waits), "p50_queue_ms": waits[len(waits) // 2], "worst_queue_ms": waits[-1]}


def deep(server, workload):
    """In a directory of its own, without a server: what the queue itself takes."""
    with tempfile.TemporaryDirectory(prefix="deep-", dir=server.directory) as directory:
        recipients = workload.messages * 10
        subprocess.run([BINARIES / "postern_deep", "fill", directory, "--recipients", str(recipients)], check=True, timeout=400)
        asked = subprocess.run([BINARIES / "postern_deep", "next", directory], check=True, capture_output=True, text=True, timeout=100)
    return json.loads(asked.stdout)


RUNS = {"send": send, "login": login, "idle": idle, "slow": slow, "syncs": syncs, "pace": pace, "newsletter": newsletter, "deep": deep}
ONLY_POSTERN = {"slow", "syncs", "pace", "newsletter", "deep"}
ONCE = {"idle", "syncs", "newsletter", "deep"}


def run(server, workload):
    return RUNS[workload.mode](server, workload)


def can_compare():
    """Why Postfix cannot be measured here, or nothing."""
    if os.geteuid() != 0:
        return "a private Postfix needs root"
    if not pathlib.Path("/usr/sbin/postfix").exists():
        return "Postfix is not installed"
    return ""
