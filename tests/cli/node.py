"""One Quorate server process on loopback, for tests of the real binary."""
import os
import shutil
import signal
import socket
import subprocess
import time

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
BINARY = os.environ.get("QUORATE", os.path.join(ROOT, "bazel-bin/cli/quorate"))


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def quorate(*arguments, stdin="", timeout=30):
    """Runs a command; returns (exit code, stdout, stderr)."""
    done = subprocess.run([BINARY, *arguments], input=stdin, text=True, capture_output=True,
                          timeout=timeout)
    return done.returncode, done.stdout, done.stderr


class Node:
    """A combined controller and broker in `directory`; or, if it has a `controller`, which is
    another Node, a broker only. With `first_voters`, a flag of `quorate format`, the voters can be
    changed, and the node finds the quorum through the nodes in `peers` or, if there are none, is
    where others find it."""

    def __init__(self, directory, cluster_id, node_id=1, extra=(), controller=None,
                 first_voters=None, peers=()):
        self.directory, self.node_id, self.controller = directory, node_id, controller
        self.cluster_id, self.first_voters, self.peers = cluster_id, first_voters, peers
        self.port, self.controller_port = free_port(), free_port()
        self.data = os.path.join(directory, "data")
        self.config = os.path.join(directory, "server.properties")
        self.log_path = os.path.join(directory, "server.log")
        os.makedirs(directory, exist_ok=True)
        self.process = None
        self.write_config(extra)
        if cluster_id:
            self.format()

    def format(self):
        flags = [self.first_voters] if self.first_voters else []
        code, _, err = quorate("format", "-t", self.cluster_id, "-c", self.config, *flags)
        assert code == 0, err

    def wipe(self):
        """A new, empty disk, formatted to join the quorum later."""
        shutil.rmtree(self.data)
        self.first_voters = "--no-initial-controllers"
        self.format()

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    @property
    def controller_address(self):
        return f"127.0.0.1:{self.controller_port}"

    def write_config(self, extra=()):
        listeners = [f"PLAINTEXT://{self.address}"]
        if self.controller is None:
            listeners.append(f"CONTROLLER://{self.controller_address}")
        voter = self.controller or self
        quorum = f"controller.quorum.voters={voter.node_id}@{voter.controller_address}"
        if self.first_voters:
            at = ",".join(node.controller_address for node in self.peers or [self])
            quorum = f"controller.quorum.bootstrap.servers={at}"
        lines = [f"process.roles={'broker' if self.controller else 'broker,controller'}",
                 f"node.id={self.node_id}", f"listeners={','.join(listeners)}",
                 "controller.listener.names=CONTROLLER",
                 quorum,
                 f"log.dirs={self.data}", "offsets.topic.replication.factor=1",
                 "group.initial.rebalance.delay.ms=0", *extra]
        with open(self.config, "w") as f:
            f.write("\n".join(lines) + "\n")

    def start(self, wait=True):
        log = open(self.log_path, "ab")
        self.process = subprocess.Popen([BINARY, "server", self.config], stdout=log, stderr=log,
                                        stdin=subprocess.DEVNULL)
        log.close()
        if wait:
            self.wait_ready()
        return self

    def wait_ready(self, seconds=20):
        deadline = time.monotonic() + seconds
        while True:
            code, out, err = quorate("cluster", "info", "--bootstrap-server", self.address,
                                     "--timeout-ms", "1000")
            if code == 0 and " up " in out:
                return
            assert self.process.poll() is None, f"server ended: {self.log()[-2000:]}"
            assert time.monotonic() < deadline, f"not ready: {err}\n{self.log()[-2000:]}"
            time.sleep(0.02)

    def log(self):
        with open(self.log_path, errors="replace") as f:
            return f.read()

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self, seconds=15):
        """SIGTERM; returns the exit code."""
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            return -9

    def end(self):
        if self.process and self.process.poll() is None:
            self.kill()

    def rss_bytes(self):
        with open(f"/proc/{self.process.pid}/status") as f:
            for line in f:
                if line.startswith("VmRSS:"):
                    return int(line.split()[1]) * 1024
        return 0
