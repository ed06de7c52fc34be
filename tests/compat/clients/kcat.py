"""kcat, on the distribution's librdkafka. Without admin functions: another client has to help."""

import json

import records
from clients.base import Client, run
from toolchains import Kcat as Toolchain


class Kcat(Client):
    """Line-based: keys and values are text."""

    name = "kcat"
    toolchain = Toolchain

    def __init__(self, bootstrap, directory):
        super().__init__(bootstrap, directory)
        self._kcat = [Toolchain.find(), "-b", bootstrap]

    def records(self, tag, count, partitions):
        return records.text_records(tag, count)

    def describe(self, topic):
        answer = json.loads(run([*self._kcat, "-L", "-J", "-t", topic]))
        return [{"id": p["partition"], "leader": p["leader"],
                 "replicas": [r["id"] for r in p["replicas"]],
                 "isr": [r["id"] for r in p["isrs"]]}
                for p in answer["topics"][0]["partitions"]]

    def produce(self, topic, codec, batch):
        lines = b"".join(r["key"] + b"\t" + r["value"] + b"\n" for r in batch)
        run([*self._kcat, "-P", "-t", topic, "-z", codec, "-K", "\t", "-X", "acks=all"], lines)

    def consume(self, topic, group, count):
        out = run([*self._kcat, "-G", group, "-X", "auto.offset.reset=earliest", "-q",
                   "-c", str(count), "-f", "%p\t%o\t%k\t%s\n", topic])
        return [_parse(line) for line in out.splitlines()]


def _parse(line):
    partition, offset, key, value = line.split(b"\t", 3)
    return {"partition": int(partition), "offset": int(offset), "key": key, "value": value,
            "headers": []}
