"""The server of the end-to-end tests, a next hop with bad habits, and senders who note what was promised to them."""

import importlib.util
import os
import pathlib

import pytest

_path = pathlib.Path(__file__).resolve().parents[1] / "e2e" / "conftest.py"
_spec = importlib.util.spec_from_file_location("e2e_server", _path)
e2e_server = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(e2e_server)

# Sanitizers would keep freed memory for a while, and find no leaks in a process that is killed or traced.
os.environ.setdefault("ASAN_OPTIONS", "quarantine_size_mb=4:detect_leaks=0")


@pytest.fixture
def make_postern(tmp_path):
    servers = []

    def make(settings="", directory=tmp_path):
        # One account sends all day to hops that refuse: as the watch sees it, it was stolen.
        settings += "[watch]\nenabled = false\n"
        servers.append(e2e_server.start_postern(directory, settings))
        return servers[-1]

    yield make
    for server in servers:
        server.stop()


@pytest.fixture
def make_hop():
    from bad_hop import BadHop
    hops = []

    def make(*habits):
        hops.append(BadHop(habits))
        return hops[-1]

    yield make
    for hop in hops:
        hop.close()
