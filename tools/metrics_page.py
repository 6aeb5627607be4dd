"""Prints docs/generated/metrics.md: every metric of a server that has just started, from its own /metrics.

Usage: metrics_page.py BINARY"""

import json
import pathlib
import subprocess
import sys
import tempfile
import time
import urllib.request

PATIENCE = 60.0  # seconds
HEAD = """# Metrics

What `/metrics` on `listen.admin` answers, in Prometheus' text format. Histograms have `_bucket`, `_sum` and `_count`.
Made from a running server by `./dev docs`; a test fails when it is stale.

| metric | kind | meaning |
|---|---|---|
"""


def exposition(binary, directory):
    config = directory / "postern.toml"
    config.write_text(f'hostname = "mail.example.org"\ndata_dir = "{directory}"\n[listen]\nsubmission = []\nsubmissions = []\n'
                      'admin = ["127.0.0.1:0"]\n[delivery]\nmode = "sandbox"\n')
    with open(directory / "log", "wb") as log:
        server = subprocess.Popen([binary, "--config", config, "serve"], stderr=log)
    try:
        listening = directory / "listening.json"
        deadline = time.monotonic() + PATIENCE
        while not listening.exists():
            if server.poll() is not None or time.monotonic() > deadline:
                sys.exit("the server did not start:\n" + (directory / "log").read_text())
            time.sleep(0.05)
        port = json.loads(listening.read_text())["admin"][0]
        return urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=PATIENCE).read().decode()
    finally:
        server.terminate()
        server.wait(PATIENCE)


def page(text):
    kinds, help_of = {}, {}
    for line in text.splitlines():
        words = line.split(" ", 3)
        if words[:2] == ["#", "TYPE"]:
            kinds[words[2]] = words[3]
        elif words[:2] == ["#", "HELP"]:
            help_of[words[2]] = words[3]
    return HEAD + "".join(f"| `{name}` | {kinds[name]} | {help_of[name]} |\n" for name in sorted(kinds))


def main():
    with tempfile.TemporaryDirectory() as directory:
        print(page(exposition(pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(directory))), end="")


if __name__ == "__main__":
    main()
