"""A far side on loopback that is never what is waited for: a process that sends rendered bytes.

    with running() as url:
        ...  # POST {url}{Answer().path}/v1/chat/completions, or what else begins like this

A thread serves each connection with blocking writes, which is the cheapest that Python has.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from socket import IPPROTO_TCP, TCP_NODELAY, socket
from socketserver import StreamRequestHandler, ThreadingTCPServer

from benchmarks.answers import STAMP, Answer, Frame, rendered

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
#: Events handed to the system at a time; the kernel takes no more than 1,024 buffers.
GROUP = 200


class _Server(ThreadingTCPServer):
    daemon_threads = True
    request_queue_size = 1024


class _Handler(StreamRequestHandler):
    disable_nagle_algorithm = True

    def handle(self) -> None:
        """Answer the requests of one connection until its client goes away."""
        try:
            while line := self.rfile.readline():
                length = 0
                while (header := self.rfile.readline()).strip():
                    name, _, value = header.partition(b":")
                    length = int(value) if name.lower() == b"content-length" else length
                self.rfile.read(length)
                send(self.connection, Answer.of(line.split()[1].decode()))
        except ConnectionError:
            return


def send(connection: socket, answer: Answer) -> None:
    """Send *answer* as it asks to be sent."""
    frames = rendered(answer)
    connection.setsockopt(IPPROTO_TCP, TCP_NODELAY, 1)
    connection.sendall(HEAD)
    if answer.rate:
        _send_paced(connection, frames, answer.rate)
    elif answer.cut:
        body = b"".join(chain.from_iterable(frames))
        for at in range(0, len(body), answer.cut):
            connection.sendall(body[at : at + answer.cut])
    else:
        for at in range(0, len(frames), GROUP):
            # A blocking socket takes it all.
            connection.sendmsg(chain.from_iterable(frames[at : at + GROUP]))


def _send_paced(connection: socket, frames: list[Frame], rate: int) -> None:
    due = time.monotonic()
    for frame in frames:
        time.sleep(max(0.0, due - time.monotonic()))
        now = b"%016d" % (time.time_ns() // 1000)
        connection.sendall(b"".join(frame).replace(STAMP.encode(), now))
        due += 1 / rate


@contextmanager
def running() -> Iterator[str]:
    """Run the server in a process of its own and give its address."""
    command = [sys.executable, "-m", "benchmarks.server"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
        finally:
            process.terminate()


if __name__ == "__main__":
    with _Server(("127.0.0.1", 0), _Handler) as server:
        print(server.server_address[1], flush=True)
        server.serve_forever()
