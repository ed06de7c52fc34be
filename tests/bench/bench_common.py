"""What every benchmark here shares: the clusters, CPU accounting, the noise sentinel, medians."""

import contextlib
import json
import os
import pathlib
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "compat"))

import kafka_wire  # noqa: E402,F401  pylint: disable=unused-import,wrong-import-position
import toolchains  # noqa: E402,F401  pylint: disable=unused-import,wrong-import-position
from cluster import ClusterError, exit_on_sigterm  # noqa: E402,F401  pylint: disable=C0413,W0611
from kafka_peer import KafkaCluster  # noqa: E402  pylint: disable=wrong-import-position
from quorate_peer import QuorateCluster  # noqa: E402  pylint: disable=wrong-import-position

_TICKS = os.sysconf("SC_CLK_TCK")


def program(name, given=None):
    """Returns the path of a measuring program: as given, or where Bazel builds it."""
    path = pathlib.Path(given or HERE.parents[1] / "bazel-bin" / "tests" / "bench" / name)
    if not path.is_file():
        sys.exit(f"no {path}: bazel build --config=release //tests/bench:{name}")
    return str(path)


def make_cluster(kind, nodes, binary=None, **options):
    """Returns an unstarted cluster; kind is `Q` (Quorate), `K` (Kafka) or `A` (a second Kafka)."""
    if kind == "Q":
        return QuorateCluster(binary, nodes, **options)
    return KafkaCluster(nodes, **options)


def cpu_seconds(pids):
    """Returns the user plus system time of these processes so far."""
    total = 0
    for pid in pids:
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        total += int(fields[11]) + int(fields[12])
    return total / _TICKS


def machine_busy_seconds():
    """Returns the machine's non-idle CPU time so far, kernel workers included."""
    fields = [int(f) for f in pathlib.Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]]
    return (sum(fields[:8]) - fields[3] - fields[4]) / _TICKS


def rss_mb(pids):
    """Returns the resident set of each process in MB (1e6 bytes)."""
    sizes = []
    for pid in pids:
        for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                sizes.append(round(int(line.split()[1]) * 1024 / 1e6, 1))
    return sizes


def run_json(argv, timeout=180, cpus=None):
    """Runs a measuring program, pinned to `cpus` if given, and returns the JSON it prints."""
    prefix = ["taskset", "-c", ",".join(map(str, cpus))] if cpus else []
    done = subprocess.run([*prefix, *argv], capture_output=True, text=True, timeout=timeout)
    if done.returncode != 0:
        raise ClusterError(f"{argv[0]}: {done.stderr.strip()[-500:]}")
    return json.loads(done.stdout.strip().splitlines()[-1])


class FilledPageCache:
    """Fills free memory with clean page cache, as on a machine that has run for a while.

    A virtual machine gives memory that stays free back to its host and gets each page again by a
    fault when it is next written: 2-3 CPU-s/GB, many times the copy itself, and charged to whichever
    broker happens to write. With the cache full, new pages come from evicted ones on both sides.
    """

    _KEEP_FREE_MB = 400
    _STEP = 8 << 20

    def __init__(self):
        # A hole: reading it makes pages and no disk traffic.
        self._file = tempfile.TemporaryFile()
        self._size = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        os.truncate(self._file.fileno(), self._size)
        self._at = 0

    def fill(self):
        """Reads on, where it stopped last time, until little memory is free."""
        buffer = bytearray(self._STEP)
        for _ in range(self._size // self._STEP):
            if _free_mb() < self._KEEP_FREE_MB:
                return
            os.preadv(self._file.fileno(), [buffer], self._at)
            self._at = (self._at + self._STEP) % self._size

    def close(self):
        """Gives the memory back."""
        self._file.close()


def _free_mb():
    for line in pathlib.Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemFree:"):
            return int(line.split()[1]) >> 10
    raise OSError("/proc/meminfo names no MemFree")


# The noise sentinel: how fast two things that do not involve any server are just now.

def _fdatasync_us(seconds):
    """Returns the durations of 4 KiB fdatasyncs in a preallocated file."""
    durations = []
    with tempfile.TemporaryFile() as file:
        os.posix_fallocate(file.fileno(), 0, 1 << 20)
        os.fsync(file.fileno())
        end, at, page = time.monotonic() + seconds, 0, b"s" * 4096
        while time.monotonic() < end:
            start = time.perf_counter_ns()
            os.pwrite(file.fileno(), page, at)
            os.fdatasync(file.fileno())
            durations.append((time.perf_counter_ns() - start) / 1e3)
            at = (at + 4096) % (1 << 20)
    return durations


def _ping_pong_us(seconds):
    """Returns the durations of one-byte round trips over loopback TCP, between two threads."""
    listener = socket.create_server(("127.0.0.1", 0))

    def echo():
        peer, _ = listener.accept()
        with peer:
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while byte := peer.recv(1):
                peer.sendall(byte)

    thread = threading.Thread(target=echo, daemon=True)
    thread.start()
    durations = []
    with listener, socket.create_connection(listener.getsockname()) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            start = time.perf_counter_ns()
            client.sendall(b"p")
            client.recv(1)
            durations.append((time.perf_counter_ns() - start) / 1e3)
    thread.join(5)
    return durations


def sentinel(seconds):
    """Returns {fdatasync_us, ping_us, load, pressure}; takes 2 x `seconds`."""
    pressure = {}
    for what in ("cpu", "io", "memory"):
        with contextlib.suppress(OSError):
            some = pathlib.Path(f"/proc/pressure/{what}").read_text().split("\n", 1)[0]
            pressure[what] = float(some.split("avg10=")[1].split()[0])
    return {"fdatasync_us": round(statistics.median(_fdatasync_us(seconds)), 1),
            "ping_us": round(statistics.median(_ping_pong_us(seconds)), 1),
            "load": os.getloadavg()[0], "pressure_avg10": pressure}


def noisy(sample, samples):
    """Says whether a sentinel reading is over twice the median of its kind."""
    return any(sample[key] > 2 * statistics.median(s[key] for s in samples)
               for key in ("fdatasync_us", "ping_us"))


def spread(values, digits=1):
    """Returns `median (min-max)` as text, or `-` for no values."""
    values = [v for v in values if v is not None]
    if not values:
        return "-"
    texts = [f"{v:.{digits}f}" for v in (statistics.median(values), min(values), max(values))]
    return f"{texts[0]} ({texts[1]}-{texts[2]})"
