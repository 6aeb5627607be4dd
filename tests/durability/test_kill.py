"""kill -9 while mail comes in and goes out: what was answered 250 is delivered or reported (RFC 5321 §6.1).

kill -9 keeps the page cache: these show the order of commits, replies and attempts; power_cut_test.cc shows the syncs.
POSTERN_SOAK=MINUTES makes the random part as long as that."""

import os
import random
import signal
import time

import pytest

from bad_hop import HABITS
from conftest import e2e_server
from senders import Senders, wait_until_delivered

SOAK = 60 * float(os.environ.get("POSTERN_SOAK", "0"))
SENDERS = 4
# Where the process ends by itself, and at which passing of that place; see src/queue/fail_points.h.
POINTS = [(f"{side}_{commit}", turn) for commit, turn in
          (("commit", 30), ("piece_commit", 4), ("settle_commit", 10), ("report_commit", 2), ("signature_commit", 3))
          for side in ("before", "after")]


@pytest.mark.parametrize(("point", "turn"), POINTS, ids=[p for p, _ in POINTS])
def test_killed_at_a_commit(make_postern, make_hop, point, turn):
    hop = make_hop("tempfails")
    postern = make_postern(hop.settings())
    postern.stop()
    postern.start(POSTERN_FAIL_POINT=f"{point}:{turn}")
    senders = Senders(postern, SENDERS, "k")
    try:
        died = e2e_server.eventually(lambda: postern.process.poll(), f"the process to end at {point}")
    finally:
        answered = senders.join()
    assert died == -signal.SIGKILL, f"it ended with {died}, not at {point}"
    hop.habits = []
    postern.start()
    duplicates = wait_until_delivered(postern, hop, answered)
    # What was being sent when it died may come twice, and nothing else.
    assert duplicates <= 100, f"{duplicates} duplicates of {len(answered)}"


@pytest.mark.parametrize("habits", [(), *((h,) for h in HABITS)], ids=lambda h: h[0] if h else "good")
def test_killed_at_random(make_postern, make_hop, habits):
    hop = make_hop(*habits)
    postern = make_postern(hop.settings())
    moments = random.Random(7)
    answered = []
    end = time.monotonic() + SOAK / 4
    life = 0
    while life < 3 or time.monotonic() < end:
        life += 1
        senders = Senders(postern, SENDERS, f"r{life}")
        e2e_server.eventually(lambda: len(senders.answered) >= 20, "20 messages to be accepted")
        time.sleep(moments.uniform(0, 0.5))  # the random moment is the subject of the test
        postern.stop(signal.SIGKILL)
        answered += senders.join()
        postern.start()
    hop.habits = []
    wait_until_delivered(postern, hop, answered, patience=60 + SOAK)
