"""SIGTERM finishes what is in flight, leaves the rest queued, and does not take for ever."""

import signal
import threading
import time

from conftest import e2e_server
from senders import ADDRESS, SMALL, Senders, logged_in, queued, wait_until_delivered


def test_a_stop_loses_nothing_and_the_next_start_sends_the_rest(make_postern, make_hop):
    hop = make_hop()
    postern = make_postern(hop.settings())
    senders = Senders(postern, 4, "s")
    e2e_server.eventually(lambda: len(senders.answered) >= 20, "20 messages to be accepted")
    code = postern.stop(signal.SIGTERM)
    answered = senders.join()
    assert code == 0
    postern.start()
    duplicates = wait_until_delivered(postern, hop, answered)
    assert duplicates == 0, "an orderly stop repeats nothing"


def test_a_second_sigterm_ends_what_a_slow_hop_keeps(make_postern, make_hop):
    hop = make_hop("stalls")
    postern = make_postern(hop.settings().replace('final_timeout = "1s"', 'final_timeout = "600s"'))
    hop.random.random = lambda: 0.0   # every transaction
    with logged_in(postern) as client:
        client.sendmail(ADDRESS, ["slow@example.net"], SMALL)
    e2e_server.eventually(lambda: hop.taken["slow@example.net"], "the message to be under way")
    process = postern.process
    process.send_signal(signal.SIGTERM)
    begun = time.monotonic()
    threading.Timer(0.3, process.send_signal, [signal.SIGTERM]).start()
    e2e_server.eventually(lambda: process.poll() is not None, "the process to end")
    assert time.monotonic() - begun < 10
    postern.process = None
    postern.log.close()
    postern.start()
    assert queued(postern) == ["slow@example.net"] or hop.taken["slow@example.net"] > 1, "the outcome was unknown: again"
