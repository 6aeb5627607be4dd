"""Next hops by the dozen, each on a loopback address of its own, some of which misbehave in one way. See test_soak.py."""

import asyncio
import collections
import random
import socket
import threading

MISBEHAVIOURS = ("slow", "greylists", "busy", "hangs up after the dot", "stalls", "floods", "babbles", "resets",
                 "never greets", "mixed")


class SoakSink:
    """`hosts` next hops on 127.0.1.1 and up; one in five misbehaves. `taken` counts how often each mark arrived."""

    def __init__(self, hosts, seed=1):
        self.random = random.Random(seed)
        self.taken = collections.Counter()
        self.greylisted = set()
        self.sessions = 0
        self.addresses = [f"127.0.1.{n + 1}" for n in range(hosts)]
        self.manner = {a: MISBEHAVIOURS[(n // 5) % len(MISBEHAVIOURS)] if n % 5 == 0 else "good"
                       for n, a in enumerate(self.addresses)}
        self.sockets = self.bind()
        self.port = self.sockets[0].getsockname()[1]
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def bind(self):
        for _ in range(20):  # the same port must be free at all addresses
            sockets = []
            try:
                port = 0
                for address in self.addresses:
                    sockets.append(socket.create_server((address, port), backlog=512))
                    port = sockets[0].getsockname()[1]
                return sockets
            except OSError:
                for s in sockets:
                    s.close()
        raise RuntimeError("no port is free at all addresses")

    def run(self):
        asyncio.set_event_loop(self.loop)
        for s in self.sockets:
            self.loop.run_until_complete(asyncio.start_server(self.serve, sock=s, limit=1 << 20))
        self.loop.run_forever()
        for task in asyncio.all_tasks(self.loop):
            task.cancel()
        self.loop.run_until_complete(asyncio.sleep(0.1))

    def close(self):
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(10)
        for s in self.sockets:
            s.close()

    def chance(self, of):
        return self.random.random() < of

    async def serve(self, reader, writer):
        self.sessions += 1
        manner = self.manner[writer.get_extra_info("sockname")[0]]
        try:
            await self.talk(reader, writer, manner)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    async def talk(self, reader, writer, manner):
        if manner == "mixed":
            manner = self.random.choice(MISBEHAVIOURS[:-1])
        if manner == "never greets" and self.chance(0.2):
            await reader.read()
            return
        if manner == "busy" and self.chance(0.3):
            writer.write(b"421 4.3.2 too many connections\r\n")
            return
        writer.write(b"220 soak.test ESMTP\r\n")
        recipients = []
        while True:
            line = await reader.readline()
            if not line:
                return
            if manner == "slow":
                await asyncio.sleep(0.02)
            if manner == "stalls" and self.chance(0.02):
                await asyncio.sleep(20)
                return
            if manner == "floods" and self.chance(0.02):
                writer.write(b"250-more\r\n" * 5000 + b"250 end\r\n")
                continue
            if manner == "babbles" and self.chance(0.02):
                writer.write(self.random.choice([b"what?\r\n", b"\xff\xfe\r\n", b"99 no\r\n", b"250-a\r\n550 b\r\n", b"x" * 9000 + b"\r\n"]))
                continue
            verb = line[:4].upper()
            if verb == b"EHLO":
                extensions = b"250-PIPELINING\r\n" if self.chance(0.7) else b""
                extensions += b"250-CHUNKING\r\n" if self.chance(0.3) else b""
                writer.write(b"250-soak.test\r\n" + extensions + b"250 8BITMIME\r\n")
            elif verb == b"RCPT":
                key = (line, manner)
                if manner == "greylists" and key not in self.greylisted:
                    self.greylisted.add(key)
                    writer.write(b"450 4.7.1 greylisted\r\n")
                else:
                    recipients.append(line.split(b"<")[1].split(b">")[0].decode())
                    writer.write(b"250 2.1.5 ok\r\n")
            elif verb == b"DATA":
                if not recipients:
                    writer.write(b"554 5.5.1 no recipients\r\n")
                    continue
                writer.write(b"354 go\r\n")
                content = await reader.readuntil(b"\r\n.\r\n")
                if not self.end(writer, manner, content, recipients):
                    return
                recipients = []
            elif verb == b"BDAT":
                content = await reader.readexactly(int(line.split()[1]))
                if not self.end(writer, manner, content, recipients):
                    return
                recipients = []
            elif verb == b"QUIT":
                writer.write(b"221 bye\r\n")
                return
            else:
                if verb in (b"RSET", b"MAIL"):
                    recipients = []
                if manner == "busy" and verb == b"MAIL" and self.chance(0.05):
                    writer.write(b"451 4.7.500 server busy\r\n")
                else:
                    writer.write(b"250 2.0.0 ok\r\n")

    def end(self, writer, manner, content, recipients):
        """False: the connection ends here."""
        if manner == "resets" and self.chance(0.1):
            writer.transport.abort()
            return False
        mark = content.split(b"X-Mark: ", 1)[1].split(b"\r\n", 1)[0].decode()
        for recipient in recipients:
            self.taken[mark, recipient] += 1
        if manner == "hangs up after the dot" and self.chance(0.1):
            return False
        writer.write(b"250 2.0.0 taken\r\n")
        return True
