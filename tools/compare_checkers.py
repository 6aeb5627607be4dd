"""Writes the table of docs/check.md between its markers: what `postern check`, nc, nmap and testssl say about the same faults.

Run as root after a build; needs nc, nmap, testssl. Everything happens in network namespaces of its own."""

import json
import pathlib
import re
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests/e2e"))

from probe_tools import Faulty, Namespace, check, endpoints, make_certificates, run  # noqa: E402

SERVER = "10.89.0.1"
# what is wrong, behaviour of faulty_smtp.py or nft verdict, port
CASES = [
    ("nothing wrong, 587", "good", 587), ("nothing wrong, 465", "implicit", 465), ("nothing listens", None, 2001),
    ("packets dropped", "drop", 2002), ("REJECT, ICMP port unreachable", "reject with icmpx port-unreachable", 2003),
    ("REJECT, ICMP admin prohibited", "reject with icmpx admin-prohibited", 2004), ("REJECT, TCP reset", "reject with tcp reset", 2005),
    ("closed before the banner", "close", 2010), ("says nothing", "silent", 2011), ("banner after 4 s", "slow-banner", 2012),
    ("web server", "http", 2013), ("TLS on 587", "tls-on-587", 587), ("clear text on 465", "strip", 465),
    ("STARTTLS removed on the way", "strip", 2020), ("STARTTLS overwritten with X", "mask", 2021), ("STARTTLS answered 454", "454", 2022),
    ("certificate expired", "expired", 2030), ("certificate for another name", "wrong-name", 2031), ("self-signed", "self-signed", 2032),
    ("RSA key of 1024 bits", "weak-key", 2033), ("TLS 1.1 only", "old-tls", 2034), ("login offered before TLS", "clear-auth", 2040),
    ("open relay", "tls-relay", 2041),
]


def first(pattern, text):
    found = re.search(pattern, text, re.MULTILINE)
    return " ".join(found.group(0).split()) if found else ""


def nc(space, port):
    done = run(*space.prefix, "nc", "-zvw", "3", SERVER, port, ok=False)
    text = done.stderr.lower()
    return "succeeded" if done.returncode == 0 else ("refused" if "refused" in text else "timed out" if "timed out" in text else text.strip()[-40:])


def nmap(space, port):
    text = run(*space.prefix, "nmap", "-Pn", "-sV", "--reason", "--version-intensity", "2", "-p", port, SERVER, ok=False).stdout
    return first(rf"^{port}/tcp .*", text).split(" ", 1)[-1].replace("|", "/")[:60]


def testssl(space, port, directory):
    command = ["timeout", "45", "testssl", "--quiet", "--color", "0", "--warnings", "batch", "-S", "--nodns", "none", "--ip", SERVER, "--add-ca",
               directory / "ca.pem", *([] if port == 465 else ["-t", "smtp"])]
    text = run(*space.prefix, *command, f"mail.test:{port}", ok=False).stdout
    wanted = [first(r"(Fatal error|Oops|doesn't|couldn't|Can't).*", text), first(r"(?<=Trust \(hostname\)).*", text),
              first(r"(?<=Chain of trust).*", text), first(r"(?<=Certificate Validity \(UTC\)).*", text), first(r"(?<=Server key size).*", text)]
    return "; ".join(w for w in wanted if w).replace("|", "/")[:150] or "no answer in 45 s"


def row(case, space, directory):
    title, behaviour, port = case
    seen = check("mail.test", "--address", SERVER, "--port", str(port), "--ca-file", directory / "ca.pem", "--timeout", "8", prefix=space.prefix)
    postern = f"{seen['failure']} ({seen['exit_code']})"
    asks_tls = behaviour in ("good", "implicit", "strip", "454", "expired", "wrong-name", "self-signed", "weak-key", "old-tls")
    return f"| {title} | {postern} | {nc(space, port)} | {nmap(space, port) or 'no answer'} | {testssl(space, port, directory) if asks_tls else '-'} |"


def main():
    server, client = Namespace("s"), Namespace("c")
    rows = []
    try:
        server.connect(client, f"{SERVER}/24", "10.89.0.2/24")
        with tempfile.TemporaryDirectory() as scratch:
            directory = make_certificates(pathlib.Path(scratch))
            rules = [f"tcp dport {port} {what}" for _, what, port in CASES if what and (what == "drop" or what.startswith("reject"))]
            server.run("nft", "-f", "-", input="table inet t { chain c { type filter hook input priority 0;\n" + "\n".join(rules) + "\n}\n}\n")
            for case in CASES:
                served = case[1] and case[1] != "drop" and not case[1].startswith("reject")
                faulty = Faulty(directory, SERVER, [f"{case[2]}={case[1]}"], prefix=server.prefix) if served else None
                rows.append(row(case, client, directory))
                print(rows[-1], flush=True)
                if faulty:
                    faulty.stop()
    finally:
        server.close()
        client.close()
    page = ROOT / "docs/check.md"
    head, rest = page.read_text().split("<!-- compare -->\n")
    tail = rest.split("<!-- /compare -->\n")[1]
    table = "| what is wrong | postern check (exit code) | nc -zv | nmap -sV | testssl -S |\n|---|---|---|---|---|\n" + "\n".join(rows) + "\n"
    page.write_text(head + "<!-- compare -->\n" + table + "<!-- /compare -->\n" + tail)


main()
