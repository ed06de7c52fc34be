"""A cluster of server processes on loopback: what Quorate and the peer have in common.

A subclass says how a node's storage is formatted and which command serves it; this file owns
ports, directories, start, stop and kill. Every process is ended by its pid, also when the caller
fails (use `with`), and dies with this process (PR_SET_PDEATHSIG).
"""

import base64
import ctypes
import os
import pathlib
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid

import kafka_wire

_PR_SET_PDEATHSIG = 1
_FIRST_PORT, _END_PORT = 13000, 32000
_LIBC = ctypes.CDLL(None, use_errno=True)


class ClusterError(Exception):
    """The cluster could not be formatted, started or restarted."""


def exit_on_sigterm():
    """Makes SIGTERM leave through every `with` and `finally`, so that servers are stopped."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))


def free_ports(count):
    """Returns `count` distinct loopback ports that nobody listens on now.

    They lie below the range from which the kernel takes ports for outgoing connections, so that no
    client's connection sits on a server's port while the server restarts.
    """
    sockets, ports = [], []
    try:
        while len(ports) < count:
            port = random.randrange(_FIRST_PORT, _END_PORT)
            sockets.append(socket.socket())
            try:
                sockets[-1].bind(("127.0.0.1", port))
                ports.append(port)
            except OSError:
                continue
        return ports
    finally:
        for item in sockets:
            item.close()


def new_cluster_id():
    """Returns a random cluster id; none begins with `-`: a command line would see an option."""
    while True:
        text = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        if not text.startswith("-"):
            return text


class Node:
    """One server: its ids, ports, files, and its process while it runs."""

    def __init__(self, node_id, directory, port, controller_port):
        self.id = node_id
        self.directory = pathlib.Path(directory)
        self.port, self.controller_port = port, controller_port
        self.properties_file = self.directory / "server.properties"
        self.data_dir = self.directory / "data"
        self.log_file = self.directory / "server.log"
        self.process = None

    @property
    def address(self):
        """host:port of the client listener."""
        return f"127.0.0.1:{self.port}"

    def log_tail(self, lines=15):
        """Returns the last lines the server printed."""
        if not self.log_file.exists():
            return ""
        return "\n".join(self.log_file.read_text(errors="replace").splitlines()[-lines:])


class Cluster:
    """`nodes` combined nodes (broker and controller), in a temporary directory of their own."""

    name = "?"
    start_deadline_s = 60

    def __init__(self, nodes=1, extra=None, cpus=None, parent_dir=None):
        """`extra` adds or replaces properties; `cpus` pins the servers to these cores."""
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix=f"{self.name}-", dir=parent_dir))
        self.cluster_id = new_cluster_id()
        self.extra, self.cpus = dict(extra or {}), cpus
        ports = free_ports(2 * nodes)
        self.nodes = []
        for i in range(nodes):
            directory = self.directory / f"node{i + 1}"
            directory.mkdir()
            self.nodes.append(Node(i + 1, directory, ports[2 * i], ports[2 * i + 1]))

    # What a subclass supplies.

    def format_command(self, node):
        """Returns the argv that formats the node's storage."""
        raise NotImplementedError

    def serve_command(self, node):
        """Returns the argv that serves the node in the foreground."""
        raise NotImplementedError

    def environment(self):
        """Returns the environment of both commands."""
        return dict(os.environ)

    # What callers use.

    @property
    def bootstrap(self):
        """All client listeners, comma separated."""
        return ",".join(self.addresses)

    @property
    def addresses(self):
        """host:port of each node's client listener."""
        return [node.address for node in self.nodes]

    @property
    def pids(self):
        """Pids of the servers that run now."""
        return [n.process.pid for n in self.nodes if n.process and n.process.poll() is None]

    def format(self):
        """Writes every node's properties and formats its storage."""
        for node in self.nodes:
            node.data_dir.mkdir(exist_ok=True)
            lines = [f"{k}={v}" for k, v in self.properties(node).items()]
            node.properties_file.write_text("\n".join(lines) + "\n")
            done = subprocess.run(self.format_command(node), env=self.environment(),
                                  capture_output=True, text=True, timeout=60)
            if done.returncode != 0:
                raise ClusterError(f"{self.name}: format failed: {done.stderr or done.stdout}")

    def launch(self):
        """Starts every node's process without waiting for it."""
        for node in self.nodes:
            if node.process is None or node.process.poll() is not None:
                self._launch(node)

    def wait_ready(self):
        """Waits until each node names all brokers; returns the seconds it took."""
        try:
            return kafka_wire.wait_ready(self.addresses, self.start_deadline_s,
                                         lambda: len(self.pids) == len(self.nodes))
        except kafka_wire.WireError as error:
            tails = "\n".join(node.log_tail() for node in self.nodes)
            raise ClusterError(f"{self.name}: {error}\n{tails}") from error

    def start(self):
        """Formats, launches and waits until ready; returns self."""
        try:
            self.format()
            self.launch()
            self.wait_ready()
        except BaseException:
            self.close()
            raise
        return self

    def restart(self):
        """Stops every node with SIGTERM and starts it again on the same data."""
        self.stop()
        self.launch()
        self.wait_ready()

    def kill(self, index, how=signal.SIGKILL):
        """Sends a signal to one node's process."""
        self.nodes[index].process.send_signal(how)

    def stop(self, grace_s=30):
        """Asks every process to end, and kills the ones that have not after `grace_s`."""
        running = [n.process for n in self.nodes if n.process and n.process.poll() is None]
        for process in running:
            process.terminate()
        deadline = time.monotonic() + grace_s
        for process in running:
            try:
                process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def close(self, grace_s=10):
        """Stops the servers and removes their directories."""
        self.stop(grace_s)
        shutil.rmtree(self.directory, ignore_errors=True)

    def __enter__(self):
        return self if self.pids else self.start()

    def __exit__(self, *unused):
        self.close()

    def properties(self, node):
        """Returns the server.properties of a node; the same keys for every kind of server."""
        voters = ",".join(f"{n.id}@127.0.0.1:{n.controller_port}" for n in self.nodes)
        copies = min(3, len(self.nodes))
        values = {
            "process.roles": "broker,controller",
            "node.id": node.id,
            "listeners": f"PLAINTEXT://127.0.0.1:{node.port},"
                         f"CONTROLLER://127.0.0.1:{node.controller_port}",
            "advertised.listeners": f"PLAINTEXT://127.0.0.1:{node.port}",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "inter.broker.listener.name": "PLAINTEXT",
            "controller.listener.names": "CONTROLLER",
            "controller.quorum.voters": voters,
            "log.dirs": node.data_dir,
            "offsets.topic.replication.factor": copies,
            "transaction.state.log.replication.factor": copies,
            "transaction.state.log.min.isr": min(2, copies),
            "group.initial.rebalance.delay.ms": 0,
        }
        values.update(self.extra)
        return values

    def _launch(self, node):
        cpus = self.cpus

        def in_child():
            _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
            if cpus:
                os.sched_setaffinity(0, cpus)

        with open(node.log_file, "ab") as log:
            node.process = subprocess.Popen(
                self.serve_command(node), env=self.environment(), cwd=node.directory,
                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
                start_new_session=True, preexec_fn=in_child)
