"""What the tests of `postern check` and `postern firewall` share: certificates, faulty servers, network namespaces."""

import json
import os
import pathlib
import subprocess
import sys
import uuid

from conftest import BINARY, PATIENCE

HERE = pathlib.Path(__file__).parent


def run(*command, ok=True, **options):
    done = subprocess.run([str(part) for part in command], text=True, capture_output=True, timeout=60, **options)
    if ok:
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done


def make_certificates(directory):
    """A private authority, ca.pem, and one NAME.pem per fault, each with chain and key."""
    def key(name, *how):
        run("openssl", "genpkey", *how, "-out", directory / f"{name}.key")

    def issue(name, host, days, *key_how, digest="-sha256"):
        key(name, *(key_how or ("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256")))
        run("openssl", "req", "-new", "-key", directory / f"{name}.key", "-subj", f"/CN={host}", "-addext",
            f"subjectAltName=DNS:{host}", "-out", directory / f"{name}.csr")
        dates = ["-days", str(days)] if days > 0 else ["-startdate", "20200101000000Z", "-enddate", "20210101000000Z"]
        run("openssl", "ca", "-batch", "-notext", "-config", directory / "ca.cnf", "-in", directory / f"{name}.csr", "-out",
            directory / f"{name}.crt", "-md", digest.lstrip("-"), *dates)
        (directory / f"{name}.pem").write_text((directory / f"{name}.crt").read_text() + (directory / f"{name}.key").read_text())

    (directory / "index.txt").write_text("")
    (directory / "serial").write_text("01\n")
    (directory / "ca.cnf").write_text(
        f"[ca]\ndefault_ca=d\n[d]\ndatabase={directory}/index.txt\nserial={directory}/serial\nnew_certs_dir={directory}\n"
        f"certificate={directory}/ca.pem\nprivate_key={directory}/ca.key\npolicy=p\ncopy_extensions=copy\nunique_subject=no\n"
        "[p]\ncommonName=supplied\n")
    key("ca", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256")
    run("openssl", "req", "-x509", "-key", directory / "ca.key", "-subj", "/CN=Test Authority", "-days", "30", "-out", directory / "ca.pem")
    issue("good", "mail.test", 60)
    issue("soon", "mail.test", 3)
    issue("expired", "mail.test", 0)
    issue("wrong-name", "other.test", 60)
    issue("weak-key", "mail.test", 60, "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024")
    issue("weak-signature", "mail.test", 60, digest="-sha1")
    run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=mail.test", "-addext", "subjectAltName=DNS:mail.test",
        "-days", "60", "-keyout", directory / "self.key", "-out", directory / "self.crt")
    (directory / "self-signed.pem").write_text((directory / "self.crt").read_text() + (directory / "self.key").read_text())
    return directory


def check(*arguments, prefix=(), stdin="", code=None):
    """`postern check ... --json` parsed; `code`: the exit code to expect."""
    done = run(*prefix, BINARY, "check", *arguments, "--json", ok=False, input=stdin)
    assert done.stdout, done.stderr
    seen = json.loads(done.stdout)
    assert done.returncode == seen["exit_code"], done
    if code is not None:
        assert done.returncode == code, json.dumps(seen, indent=1)
    return seen


def endpoints(seen):
    """(address, port) -> endpoint"""
    return {(e["address"], e["port"]): e for host in seen["hosts"] for e in host["endpoints"]}


class Faulty:
    """A faulty_smtp.py process with its behaviours' ports."""

    def __init__(self, certificates, address, behaviours, prefix=()):
        wanted = [b if "=" in b else f"0={b}" for b in behaviours]
        self.process = subprocess.Popen([*prefix, "/usr/bin/python3", HERE / "faulty_smtp.py", certificates, address, *wanted],
                                        stdout=subprocess.PIPE, text=True)
        self.ports = json.loads(self.process.stdout.readline())

    def stop(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


class Namespace:
    """A network namespace of our own; `prefix` runs a command in it."""

    def __init__(self, label):
        self.name = f"pt{label}{uuid.uuid4().hex[:8]}"
        run("ip", "netns", "add", self.name)
        self.prefix = ("ip", "netns", "exec", self.name)
        self.run("ip", "link", "set", "lo", "up")

    def run(self, *command, **options):
        return run(*self.prefix, *command, **options)

    def connect(self, other, mine, theirs, mine6=None, theirs6=None):
        """A cable between two namespaces; addresses with prefix length."""
        end = uuid.uuid4().hex[:6]
        run("ip", "link", "add", f"a{end}", "netns", self.name, "type", "veth", "peer", "name", f"b{end}", "netns", other.name)
        for space, device, v4, v6 in ((self, f"a{end}", mine, mine6), (other, f"b{end}", theirs, theirs6)):
            space.run("ip", "addr", "add", v4, "dev", device)
            if v6:
                space.run("ip", "addr", "add", v6, "dev", device, "nodad")
            space.run("ip", "link", "set", device, "up")

    def close(self):
        run("ip", "netns", "del", self.name, ok=False)
