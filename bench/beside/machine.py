"""What the machine can do at best, measured beside the servers."""

import os
import platform
import socket
import statistics
import threading
import time

FLUSHES = 200
FLUSH_BYTES = 4096
PINGS = 5000
STREAM_BYTES = 2 << 30
CHUNK_BYTES = 256 << 10


def flush_us(folder):
    """Median, least and greatest time of one 4 KiB write made durable, at the place where the servers' data are."""
    path = os.path.join(folder, "flush")
    times = []
    fd = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        os.write(fd, bytes(FLUSH_BYTES * FLUSHES))
        os.fsync(fd)
        for turn in range(FLUSHES):
            began = time.perf_counter()
            os.pwrite(fd, b"x" * FLUSH_BYTES, turn * FLUSH_BYTES)
            os.fdatasync(fd)
            times.append(1e6 * (time.perf_counter() - began))
    finally:
        os.close(fd)
        os.unlink(path)
    return {"median": statistics.median(times), "least": min(times), "greatest": max(times)}


def _pair():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(1)
        near = socket.create_connection(listener.getsockname())
        far, _ = listener.accept()
    for sock in (near, far):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return near, far


def loopback():
    """One byte there and back, and how much passes a second one way, between two threads of one process."""
    near, far = _pair()

    def echo():
        while far.recv(1):
            far.sendall(b"x")

    with near, far:
        thread = threading.Thread(target=echo)
        thread.start()
        times = []
        for _ in range(PINGS):
            began = time.perf_counter()
            near.sendall(b"x")
            near.recv(1)
            times.append(1e6 * (time.perf_counter() - began))
        near.shutdown(socket.SHUT_WR)
        thread.join()
    near, far = _pair()
    with near, far:
        block = bytes(CHUNK_BYTES)
        room = bytearray(CHUNK_BYTES)

        def send():
            for _ in range(STREAM_BYTES // CHUNK_BYTES):
                near.sendall(block)
            near.shutdown(socket.SHUT_WR)

        thread = threading.Thread(target=send)
        began = time.perf_counter()
        thread.start()
        while far.recv_into(room):
            pass
        took = time.perf_counter() - began
        thread.join()
    return {"ping_us": statistics.median(times), "mb_s": STREAM_BYTES / took / 1e6}


def describe(folder):
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        models = [line.split(":", 1)[1].strip() for line in file if line.startswith("model name")]
    return {"cpu": models[0] if models else platform.machine(), "cores": os.cpu_count(), "system": platform.platform(),
            "load": os.getloadavg(), "flush_us": flush_us(folder), "loopback": loopback()}
