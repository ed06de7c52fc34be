"""What the driver asks of a client, and how a client runs its commands."""

import json
import os
import pathlib
import signal
import subprocess

import records

STEP_TIMEOUT_S = 45


class StepFailed(Exception):
    """The step did not do what it should."""


class NotApplicable(Exception):
    """The client has no such function."""


class Skipped(Exception):
    """The client cannot do the step on this machine (a codec it has no module for)."""


def run(argv, stdin=None, env=None, timeout=STEP_TIMEOUT_S):
    """Runs a command to its end and returns its standard output; StepFailed if it fails.

    The command's whole process group is killed when it takes longer than `timeout` seconds.
    """
    process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, env=dict(os.environ, **(env or {})),
                               start_new_session=True)
    try:
        out, err = process.communicate(stdin, timeout)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        out, err = process.communicate()
        said = " ".join(err.decode(errors="replace").split())[-200:]
        raise StepFailed(f"no end after {timeout} s; {said}") from None
    except BaseException:
        os.killpg(process.pid, signal.SIGKILL)
        raise
    if process.returncode != 0:
        said = " ".join((err or out).decode(errors="replace").split())[-300:]
        raise StepFailed(f"exit {process.returncode}: {said}")
    return out


class Client:
    """A stock client against one server. Each method is one step; it raises unless it worked."""

    name = "?"
    toolchain = None

    def __init__(self, bootstrap, directory):
        self.bootstrap, self.directory = bootstrap, pathlib.Path(directory)

    def records(self, tag, count, partitions):
        """Returns records this client can carry."""
        return records.binary_records(tag, count, partitions)

    def create(self, topic, partitions, replication):
        """Creates a topic."""
        raise NotApplicable("has no admin client")

    def describe(self, topic):
        """Returns [{id, leader, replicas, isr}] of the topic's partitions."""
        raise NotApplicable("has no describe")

    def produce(self, topic, codec, batch):
        """Produces records with acks=all and waits for every acknowledgement."""
        raise NotImplementedError

    def consume(self, topic, group, count):
        """Consumes `count` records by group, commits and leaves; returns them."""
        raise NotImplementedError

    def groups(self):
        """Returns the names of the groups."""
        raise NotApplicable("has no group listing")

    def group_offsets(self, group, topic):
        """Returns {partition: committed offset} of a group."""
        raise NotApplicable("has no group description")

    def more_steps(self):
        """Returns further steps that only this client has: {name: function}."""
        return {}

    def delete(self, topic):
        """Deletes a topic and returns once the client no longer sees it."""
        raise NotApplicable("has no admin client")


class ProgramClient(Client):
    """A client library driven by a small program of ours: `PROGRAM VERB {json}`.

    The program prints its answer as one line of JSON; records go through files.
    """

    def __init__(self, bootstrap, directory):
        super().__init__(bootstrap, directory)
        self.argv, self.env = self.program()

    def program(self):
        """Returns (argv, environment); raises toolchains.Missing."""
        raise NotImplementedError

    def call(self, verb, **options):
        """Runs one verb and returns its answer."""
        options["bootstrap"] = self.bootstrap
        out = run([*self.argv, verb, json.dumps(options)], env=self.env)
        answer = json.loads(out.decode().strip().splitlines()[-1])
        if answer.get("skip"):
            raise Skipped(answer["skip"])
        return answer

    def create(self, topic, partitions, replication):
        self.call("create", topic=topic, partitions=partitions, replication=replication)

    def describe(self, topic):
        return self.call("describe", topic=topic)["partitions"]

    def produce(self, topic, codec, batch):
        path = self.directory / f"{self.name}-in.jsonl"
        records.save(batch, path)
        acked = self.call("produce", topic=topic, codec=codec, file=str(path))["acked"]
        if acked != len(batch):
            raise StepFailed(f"{acked} of {len(batch)} records acknowledged")

    def consume(self, topic, group, count):
        path = self.directory / f"{self.name}-out.jsonl"
        self.call("consume", topic=topic, group=group, count=count, file=str(path))
        return records.load(path)

    def groups(self):
        return self.call("groups")["groups"]

    def group_offsets(self, group, topic):
        answer = self.call("offsets", group=group, topic=topic)
        return {int(k): v for k, v in answer["offsets"].items()}

    def delete(self, topic):
        self.call("delete", topic=topic)
