#!/usr/bin/env python3
"""A TCP proxy that adds a round-trip time: rttproxy.py HOST:PORT RTT_MS...

Listens on a free port of 127.0.0.1 for each RTT and prints these ports in one line. Each byte arrives RTT/2
later, in order, without a bandwidth limit; connecting costs one RTT more, as TCP's handshake does. To every line
on standard input it answers "CONNECTIONS SENT RECEIVED", counted since the last answer. It ends with its
standard input, so that it cannot outlive who started it.
"""
import asyncio
import contextlib
import socket
import sys


class Counts:
    def __init__(self):
        self.clear()

    def clear(self):
        self.connections = self.sent = self.received = 0


async def deliver(due, writer):
    """Writes each piece at its time, then the end."""
    loop = asyncio.get_running_loop()
    writer = await writer
    while True:
        when, data = await due.get()
        await asyncio.sleep(max(0.0, when - loop.time()))
        if not data:
            writer.write_eof()
            return
        writer.write(data)
        await writer.drain()


async def pass_on(reader, writer, half, earliest, count):
    """Passes on what is read, half a round trip later and not before `earliest`, to a writer there will be."""
    loop = asyncio.get_running_loop()
    due = asyncio.Queue()
    delivery = asyncio.create_task(deliver(due, writer))
    data = b" "
    while data:
        try:
            data = await reader.read(1 << 18)
        except OSError:
            data = b""
        count(len(data))
        due.put_nowait((max(loop.time() + half, earliest), data))
    await delivery


async def serve(reader, writer, target, rtt, counts):
    loop = asyncio.get_running_loop()
    counts.connections += 1

    def sent(size):
        counts.sent += size

    def received(size):
        counts.received += size

    # The server learns of the connection with the third packet of the handshake, which what the client says
    # first travels with: so that is read at once, and not only when the server can be connected to.
    established = loop.time() + 1.5 * rtt
    there, here = loop.create_future(), loop.create_future()
    here.set_result(writer)
    sending = asyncio.create_task(pass_on(reader, there, rtt / 2, established, sent))
    await asyncio.sleep(established - loop.time())
    try:
        far_reader, far_writer = await asyncio.open_connection(*target)
    except OSError as error:
        print(f"rttproxy: {target[0]}:{target[1]}: {error}", file=sys.stderr)
        sending.cancel()
        writer.close()
        return
    for end in (writer, far_writer):
        end.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    there.set_result(far_writer)
    # A write to somebody who has left is an end like any other; so is ours.
    with contextlib.suppress(asyncio.CancelledError):
        await asyncio.gather(sending, pass_on(far_reader, here, rtt / 2, 0.0, received), return_exceptions=True)
    for end in (writer, far_writer):
        end.close()


async def main(target, rtts):
    counts = Counts()
    ports = []
    for rtt in rtts:
        # The lambda's default binds this turn's value.
        server = await asyncio.start_server(
            lambda reader, writer, rtt=rtt: serve(reader, writer, target, rtt, counts), "127.0.0.1", 0
        )
        ports.append(server.sockets[0].getsockname()[1])
    print(*ports, flush=True)
    while await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline):
        print(counts.connections, counts.sent, counts.received, flush=True)
        counts.clear()


if __name__ == "__main__":
    host, _, port = sys.argv[1].rpartition(":")
    asyncio.run(main((host, int(port)), [float(word) / 1000 for word in sys.argv[2:]]))
