"""Many messages to many domains, a fifth of whose hosts misbehave: nothing is lost, memory stays flat, the queue ends empty.

The short run is part of ./dev test. The long one, by hand:
  POSTERN_SOAK_MESSAGES=200000 POSTERN_SOAK_DOMAINS=500 POSTERN_BINARY=build/release/bin/postern pytest -s tests/e2e/test_soak.py
"""

import os
import random
import re
import smtplib
import ssl
import threading
import time
from pathlib import Path

from fake_dns import FakeDns
from scripted_hop import PASSWORD, Server, Hop
from soak_sink import SoakSink

MESSAGES = int(os.environ.get("POSTERN_SOAK_MESSAGES", "1500"))
DOMAINS = int(os.environ.get("POSTERN_SOAK_DOMAINS", "100"))
SENDERS = 4
PATIENCE = 120 + MESSAGES / 50  # seconds


def resident(pid):
    """MB"""
    return int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())[1]) / 1024


def submit(server, tls, numbers, expected, rng):
    with smtplib.SMTP_SSL("localhost", server.ports["submissions"][0], timeout=60, context=tls) as client:
        client.login("alice@example.org", PASSWORD)
        for number in numbers:
            to = [f"r{number}-{i}@d{rng.randrange(DOMAINS)}.test" for i in range(rng.choice((1, 1, 1, 2, 3)))]
            commands = "".join(f"RCPT TO:<{r}>\r\n" for r in to)
            client.send(f"MAIL FROM:<alice@example.org>\r\n{commands}DATA\r\n")
            codes = [client.getreply()[0] for _ in range(len(to) + 2)]
            assert codes[-1] == 354, codes
            client.send(f"From: alice@example.org\r\nX-Mark: {number}\r\n\r\n" + "text\r\n" * rng.randrange(200) + ".\r\n")
            code, text = client.getreply()
            assert code == 250, (code, text)
            expected.update((str(number), r) for r in to)


def queued(server):
    return server.json("queue", "ls", "--limit", "1")


def test_nothing_is_lost_and_the_queue_ends_empty(tmp_path):
    sink = SoakSink(hosts=50)
    zones = {f"mx{n}.test": {"a": [address]} for n, address in enumerate(sink.addresses)}
    zones |= {f"d{n}.test": {"mx": [(10, f"mx{n % 50}.test")]} for n in range(DOMAINS)}
    dns = FakeDns(zones)
    unused = Hop()
    server = Server(tmp_path, unused)
    server.config.write_text(
        server.config.read_text().replace('mode = "smarthost"\nsmarthost = "hop"', f"""mode = "direct"
port = {sink.port}
first_retry = "1s"
longest_retry = "4s"
dead_host_memory = "1s"
banner_timeout = "3s"
command_timeout = "3s"
data_timeout = "3s"
final_timeout = "3s"
""") + f'[dns]\nservers = ["127.0.0.1:{dns.port}"]\ndnssec = false\n'
        '[limits.person]\nmessages = []\nrecipients = []\n[log]\nlevel = "warning"\n')
    server.start()
    try:
        tls = ssl.create_default_context(cafile=server.directory / "cert.pem")
        expected, failures = [set() for _ in range(SENDERS)], []

        def sender(n):
            try:
                submit(server, tls, range(n, MESSAGES, SENDERS), expected[n], random.Random(n))
            except Exception as error:  # shown by the main thread
                failures.append(error)

        threads = [threading.Thread(target=sender, args=(n,)) for n in range(SENDERS)]
        for thread in threads:
            thread.start()
        begun, memory = time.monotonic(), []
        while any(t.is_alive() for t in threads) or queued(server):
            assert time.monotonic() - begun < PATIENCE, f"still queued: {server.cli('queue', 'ls').stdout[:3000]}"
            memory.append(resident(server.process.pid))
            time.sleep(0.5)
        assert not failures, failures
        everything = set().union(*expected)
        lost = everything - set(sink.taken)
        duplicates = sum(count - 1 for count in sink.taken.values())
        print(f"{len(everything)} recipients in {time.monotonic() - begun:.0f} s, {duplicates} twice, "
              f"{sink.sessions} sessions, RSS {memory[len(memory) // 4]:.0f} -> {max(memory):.0f} MB")
        assert not lost, f"{len(lost)} lost, such as {sorted(lost)[:5]}"
        assert set(sink.taken) <= everything
    finally:
        server.stop()
        sink.close()
        dns.close()
        unused.shutdown()
        unused.server_close()
