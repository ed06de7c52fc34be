"""Apache Kafka's own command-line tools, through their main classes."""

import json
import re
import time

import records
from clients.base import Client, StepFailed, run
from toolchains import Java as Toolchain

_TOPICS = "org.apache.kafka.tools.TopicCommand"
_PRODUCER = "org.apache.kafka.tools.ConsoleProducer"
_CONSUMER = "org.apache.kafka.tools.consumer.ConsoleConsumer"
_GROUPS = "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand"
_QUORUM = "org.apache.kafka.tools.MetadataQuorumCommand"
_DUMP = "org.apache.kafka.tools.DumpLogSegments"


class Java(Client):
    """Line-based: keys and values are text."""

    name = "java"
    toolchain = Toolchain

    def __init__(self, bootstrap, directory):
        super().__init__(bootstrap, directory)
        self._java = Toolchain.find()

    def _tool(self, main_class, *arguments, stdin=None):
        return run(self._java.command(main_class, "--bootstrap-server", self.bootstrap,
                                      *arguments), stdin).decode()

    def records(self, tag, count, partitions):
        return records.text_records(tag, count)

    def create(self, topic, partitions, replication):
        said = self._tool(_TOPICS, "--create", "--topic", topic, "--partitions", str(partitions),
                          "--replication-factor", str(replication))
        if f"Created topic {topic}." not in said:
            raise StepFailed(f"said {said!r}")

    def describe(self, topic):
        pattern = r"Partition: (\d+)\s+Leader: (\S+)\s+Replicas: (\S*)\s+Isr: (\S*)"
        said = self._tool(_TOPICS, "--describe", "--topic", topic)
        return [{"id": int(index), "leader": -1 if leader == "none" else int(leader),
                 "replicas": _ids(replicas), "isr": _ids(isr)}
                for index, leader, replicas, isr in re.findall(pattern, said)]

    def produce(self, topic, codec, batch):
        lines = b"".join(r["key"] + b"\t" + r["value"] + b"\n" for r in batch)
        self._tool(_PRODUCER, "--topic", topic, "--compression-codec", codec,
                   "--command-property", "acks=all",
                   "--command-property", "enable.idempotence=true",
                   "--reader-property", "parse.key=true", stdin=lines)

    def consume(self, topic, group, count):
        shown = [argument for name in ("partition", "offset", "key")
                 for argument in ("--formatter-property", f"print.{name}=true")]
        out = run(self._java.command(
            _CONSUMER, "--bootstrap-server", self.bootstrap, "--topic", topic, "--group", group,
            "--from-beginning", "--max-messages", str(count), "--timeout-ms", "30000", *shown))
        return [_parse(line) for line in out.splitlines()]

    def groups(self):
        return self._tool(_GROUPS, "--list").split()

    def group_offsets(self, group, topic):
        said = self._tool(_GROUPS, "--describe", "--group", group, "--offsets")
        rows = [line.split() for line in said.splitlines() if line.startswith(group)]
        for row in rows:
            if row[5] != "0":
                raise StepFailed(f"partition {row[2]} shows a lag of {row[5]}")
        return {int(row[2]): int(row[3]) for row in rows if row[1] == topic}

    def more_steps(self):
        return {"quorum-status": self._quorum_status,
                "quorum-replication": self._quorum_replication}

    def _quorum(self):
        """Returns (leader id, {id: voter}) as `describe --status` shows them."""
        said = self._tool(_QUORUM, "describe", "--status")
        fields = dict(re.findall(r"^(\w+):\s+(.*)$", said, re.MULTILINE))
        voters = {voter["id"]: voter for voter in json.loads(fields["CurrentVoters"])}
        leader = int(fields["LeaderId"])
        if leader not in voters or int(fields["LeaderEpoch"]) < 1 or \
                int(fields["HighWatermark"]) < 1:
            raise StepFailed(f"said {said!r}")
        return leader, voters

    def _quorum_status(self):
        leader, voters = self._quorum()
        without = [id for id, voter in voters.items() if not voter.get("endpoints")]
        if without:
            raise StepFailed(f"voters {without} have no endpoints")
        return f"node {leader} leads {len(voters)} voters"

    def _quorum_replication(self):
        leader, voters = self._quorum()
        said = self._tool(_QUORUM, "describe", "--replication", "--human-readable")
        # Times may be one word (-1) or more (12 ms ago): id, directory, log end, lag, times, role.
        lines = [line.split() for line in said.splitlines()]
        rows = {int(line[0]): line for line in lines if line and line[0].isdigit()}
        roles = {id: row[-1] for id, row in rows.items() if row[-1] != "Observer"}
        if roles != {id: "Leader" if id == leader else "Follower" for id in voters}:
            raise StepFailed(f"said {said!r}, the voters are {sorted(voters)}")
        behind = [row[0] for row in rows.values() if int(row[2]) < 1]
        if behind:
            raise StepFailed(f"nodes {behind} have no log end: {said!r}")
        return f"{len(rows)} rows"

    def delete(self, topic):
        self._tool(_TOPICS, "--delete", "--topic", topic)
        deadline = time.monotonic() + 15
        while topic in self._tool(_TOPICS, "--list").split():
            if time.monotonic() > deadline:
                raise StepFailed(f"{topic} is still listed")


def dump_log(files):
    """Reads segment files with Kafka's DumpLogSegments; returns {file: record count}.

    Raises StepFailed if the tool fails or complains about any of them.
    """
    said = run(Toolchain.find().command(_DUMP, "--deep-iteration", "--print-data-log",
                                        "--files", ",".join(map(str, files))), timeout=120)
    counts, current = {}, None
    for line in said.split(b"\n"):
        if line.startswith(b"Dumping "):
            current = line[len(b"Dumping "):].decode().strip()
            counts[current] = 0
        elif re.match(rb"\| offset: \d+ ", line):
            counts[current] += 1
            if b"isValid: false" in line:
                raise StepFailed(f"{current}: {line[:120]}")
        elif re.match(rb"(Found \d|Non-consecutive|Mismatch|Could not|Index timestamp)", line) or \
                (line.startswith(b"baseOffset:") and b"isvalid: true" not in line):
            raise StepFailed(f"{current}: {line[:200].decode(errors='replace')}")
    return counts


def _ids(text):
    return [int(item) for item in text.split(",") if item]


def _parse(line):
    partition, offset, key, value = line.split(b"\t", 3)
    return {"partition": int(partition.split(b":")[1]), "offset": int(offset.split(b":")[1]),
            "key": key, "value": value, "headers": []}
