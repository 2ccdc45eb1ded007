"""Measures how long `GET /health` takes while others send large files: one request after the other, for SECONDS each
while nothing else happens, while four connections post 20 MB files to /encrypt_file, and while four do to /api/upload/.

    cargo run --release -- --port 5005 --data-dir DATA
    python tools/bench/latency.py 5005 API_KEY [SECONDS]
"""

import http.client
import multiprocessing
import statistics
import sys
import threading
import time

SENDERS = 4
FILE_BYTES = 20_000_000
PAUSE = 0.005
ROUTES = [None, "/encrypt_file", "/api/upload/"]

BOUNDARY = "b0undary"
HEAD = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="a.bin"\r\n\r\n'
FORM = HEAD.encode() + bytes(FILE_BYTES) + f"\r\n--{BOUNDARY}--\r\n".encode()


def send(port, key, path, stop, count):
    """Posts one file after the other until `stop`."""
    connection = http.client.HTTPConnection("127.0.0.1", port)
    headers = {"X-Api-Key": key, "Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
    buffer = bytearray(1 << 20)
    while not stop.is_set():
        connection.request("POST", path, FORM, headers)
        response = connection.getresponse()
        while response.readinto(buffer):
            pass
        assert response.status in (200, 201), response.status
        with count.get_lock():
            count.value += 1


def send_all(*arguments):
    """Several senders, in a process of their own: they must not hold the measuring one up."""
    senders = [threading.Thread(target=send, args=arguments) for _ in range(SENDERS)]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()


def measure(port, seconds):
    """How long each request took, in milliseconds."""
    connection = http.client.HTTPConnection("127.0.0.1", port)
    times = []
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        began = time.monotonic()
        connection.request("GET", "/health")
        response = connection.getresponse()
        assert response.status == 200 and response.read()
        times.append((time.monotonic() - began) * 1000)
        time.sleep(PAUSE)
    return times


def main():
    port, key = int(sys.argv[1]), sys.argv[2]
    seconds = float(sys.argv[3]) if len(sys.argv) > 3 else 30
    for path in ROUTES:
        stop, count = multiprocessing.Event(), multiprocessing.Value("i", 0)
        load = multiprocessing.Process(target=send_all, args=(port, key, path, stop, count))
        if path:
            load.start()
            time.sleep(1)
        times = measure(port, seconds)
        stop.set()
        if path:
            load.join()
        p50, p99 = (statistics.quantiles(times, n=100)[n] for n in (49, 98))
        print(
            f"{path or 'idle'}: p50 {p50:.1f} ms, p99 {p99:.1f} ms, max {max(times):.1f} ms,"
            f" {len(times)} requests, {count.value} files",
            flush=True,
        )


if __name__ == "__main__":
    main()
