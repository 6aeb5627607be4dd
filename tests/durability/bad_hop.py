"""A next hop that notes what it took, and misbehaves now and then: the habits that cost mail elsewhere.

tempfails          451 to MAIL, RCPT, DATA or the final dot
closes             takes the message after the final dot and closes without a reply: the outcome is unknown
stalls             says nothing after the final dot, longer than the server waits
"""

import collections
import random
import socketserver
import threading

HABITS = ("tempfails", "closes", "stalls")
RATE = 0.3       # of the transactions
STALL = 3.0      # seconds; SETTINGS let the server wait for 1
UNKNOWN = b"nobody-"  # recipients that begin so get a 550


class BadHop:
    def __init__(self, habits=()):
        assert set(habits) <= set(HABITS)
        self.habits = list(habits)
        self.taken = collections.Counter()   # recipient -> how often it was taken, with a reply or without
        self.lock = threading.Lock()
        self.random = random.Random(11)
        self.closing = threading.Event()
        hop = self

        class Session(socketserver.StreamRequestHandler):
            def handle(self):
                try:
                    hop.talk(self.rfile, self.wfile)
                except (OSError, EOFError):
                    return  # the server was killed, or we close

        class Listener(socketserver.ThreadingTCPServer):
            daemon_threads = True
            request_queue_size = 100

        self.listener = Listener(("127.0.0.1", 0), Session)
        self.port = self.listener.server_address[1]
        threading.Thread(target=self.listener.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def close(self):
        self.closing.set()
        self.listener.shutdown()
        self.listener.server_close()

    def settings(self, more=""):
        """A configuration that sends everything here, soon, and again soon."""
        return ('[delivery]\nmode = "smarthost"\nsmarthost = "hop"\nfirst_retry = "1s"\nlongest_retry = "1s"\n'
                'dead_host_memory = "0s"\nfinal_timeout = "1s"\n'
                f'[smarthost.hop]\nhost = "127.0.0.1"\nport = {self.port}\ntls = "none"\n'
                '[limits.person]\nmessages = ["1000000/1h"]\nrecipients = ["1000000/1d"]\n'
                '[submission]\nmax_connections_per_network = 1000\n' + more)

    def habit(self):
        """What this transaction suffers from, if anything."""
        with self.lock:
            if not self.habits or self.random.random() > RATE:
                return "", 0
            return self.random.choice(self.habits), self.random.randrange(4)

    def talk(self, lines, out):
        out.write(b"220 hop.test ESMTP\r\n")
        recipients, habit, stage = [], "", 0
        for line in lines:
            verb = line[:4].upper()
            if verb == b"EHLO":
                out.write(b"250-hop.test\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 DSN\r\n")
            elif verb == b"MAIL":
                recipients = []
                habit, stage = self.habit()
                out.write(b"451 4.3.0 later\r\n" if (habit, stage) == ("tempfails", 0) else b"250 2.1.0 ok\r\n")
            elif verb == b"RCPT":
                address = line[line.index(b"<") + 1:line.index(b">")]
                if (habit, stage) in (("tempfails", 0), ("tempfails", 1)):
                    out.write(b"451 4.2.0 later\r\n")
                elif address.startswith(UNKNOWN):
                    out.write(b"550 5.1.1 nobody here\r\n")
                else:
                    recipients.append(address.decode())
                    out.write(b"250 2.1.5 ok\r\n")
            elif verb == b"DATA":
                if not recipients or (habit, stage) == ("tempfails", 2):
                    out.write(b"451 4.3.0 later\r\n" if recipients else b"554 5.5.1 no valid recipients\r\n")
                    continue
                out.write(b"354 go\r\n")
                if not self.take(lines, out, recipients, habit):
                    return
            elif verb == b"QUIT":
                out.write(b"221 2.0.0 bye\r\n")
                return
            else:
                out.write(b"250 2.0.0 ok\r\n")

    def take(self, lines, out, recipients, habit):
        """The data. False: the connection is over."""
        for line in lines:
            if line == b".\r\n":
                break
        else:
            return False  # no final dot: not taken
        if habit == "tempfails":
            out.write(b"451 4.3.0 later\r\n")
            return True
        with self.lock:
            self.taken.update(recipients)
        if habit == "closes":
            return False
        if habit == "stalls":
            self.closing.wait(STALL)
        out.write(b"250 2.0.0 taken\r\n")
        return True
