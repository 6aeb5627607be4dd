"""postern doctor: a sound server has no problem; each thing that is wrong is named with what to do."""

import json
import os
import socket
import subprocess


def examine(postern):
    done = postern.cli("doctor", "--json", ok=False)
    answer = json.loads(done.stdout)
    assert done.returncode == (0 if answer["ok"] else 1), done
    assert all(f["next"] for f in answer["findings"] if f["grade"] != "ok"), "each has a next step"
    return answer["findings"]


def problems(findings):
    return {(f["check"], f["what"]) for f in findings if f["grade"] == "problem"}


def of(findings, check):
    return [f for f in findings if f["check"] == check]


def edit(postern, old, new):
    text = postern.config.read_text()
    assert old in text
    postern.config.write_text(text.replace(old, new))


def test_what_is_sound_and_what_is_not(postern):
    edit(postern, 'hostname = "mail.example.org"', 'hostname = "localhost.localdomain"')
    found = examine(postern)
    # The test's certificate is for localhost; no DNS says anything about our key.
    assert {c for c, _ in problems(found)} <= {"certificate", "dkim"}, found
    assert any("does not name localhost.localdomain" in f["what"] for f in of(found, "certificate"))
    assert of(found, "server")[0]["grade"] == "ok" and of(found, "queue")[0]["what"] == "empty"
    assert "e2e._domainkey.example.org" in of(found, "dkim")[0]["what"]

    os.chmod(postern.directory / "key.pem", 0o644)
    os.chmod(postern.data, 0o755)
    found = examine(postern)
    assert any("key.pem" in f["what"] and f["grade"] == "problem" and "chmod" in f["next"] for f in of(found, "files")), found
    assert any(f["grade"] == "warning" for f in of(found, "files"))

    postern.stop()
    assert of(examine(postern), "server")[0]["grade"] == "warning"


def test_a_port_that_another_program_holds_is_named(postern):
    postern.stop()
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        edit(postern, 'submission = ["127.0.0.1:0"]', f'submission = ["127.0.0.1:{port}"]')
        held = of(examine(postern), "ports")
        assert held[0]["grade"] in ("problem", "warning") and str(port) in held[0]["what"], held
        if os.geteuid() == 0:
            assert f"(pid {os.getpid()})" in held[0]["what"], held
    assert of(examine(postern), "ports")[0]["what"].endswith("is free")


def test_a_wrong_file(postern):
    edit(postern, 'hostname = ', 'hostnam = ')
    found = examine(postern)
    assert len(found) == 1 and 'did you mean "hostname"' in found[0]["what"]


def test_text_for_people(postern):
    done = subprocess.run(postern.cli("doctor", ok=False).args, capture_output=True, text=True)
    assert "ok       config" in done.stdout and "-> " in done.stdout
