"""The kafka-python steps: `program.py VERB {json}`, answer as one line of JSON."""

import base64
import json
import pathlib
import sys
import time

# This folder's name is not to hide anything of the package.
sys.path = [p for p in sys.path if pathlib.Path(p or ".").resolve()
            != pathlib.Path(__file__).resolve().parent]

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer  # noqa: E402


def _encode(raw):
    return None if raw is None else base64.b64encode(raw).decode()


def _decode(text):
    return None if text is None else base64.b64decode(text)


def _admin(options):
    return KafkaAdminClient(bootstrap_servers=options["bootstrap"])


def create(options):
    """Creates the topic."""
    _admin(options).create_topics({options["topic"]: {
        "num_partitions": options["partitions"], "replication_factor": options["replication"]}})
    return {}


def describe(options):
    """Returns the topic's partitions."""
    (topic,) = _admin(options).describe_topics([options["topic"]])
    return {"partitions": [
        {"id": p["partition_index"], "leader": p["leader_id"], "replicas": p["replica_nodes"],
         "isr": p["isr_nodes"]} for p in topic["partitions"]]}


def produce(options):
    """Produces the file's records; returns how many were acknowledged."""
    codec = None if options["codec"] == "none" else options["codec"]
    producer = KafkaProducer(bootstrap_servers=options["bootstrap"], acks="all",
                             compression_type=codec, linger_ms=5)
    futures = []
    with open(options["file"], encoding="utf-8") as file:
        for record in map(json.loads, file):
            futures.append(producer.send(
                options["topic"], key=_decode(record["key"]), value=_decode(record["value"]),
                partition=record["partition"],
                headers=[(k, _decode(v)) for k, v in record["headers"]]))
    producer.flush(30)
    acked = [future.get(10) for future in futures]
    producer.close()
    return {"acked": len(acked)}


def consume(options):
    """Consumes `count` records by group into the file, commits them and leaves."""
    consumer = KafkaConsumer(options["topic"], bootstrap_servers=options["bootstrap"],
                             group_id=options["group"], auto_offset_reset="earliest",
                             enable_auto_commit=False)
    deadline = time.monotonic() + 30
    got = 0
    with open(options["file"], "w", encoding="utf-8") as out:
        while got < options["count"] and time.monotonic() < deadline:
            for batch in consumer.poll(500).values():
                for record in batch:
                    got += 1
                    out.write(json.dumps({
                        "partition": record.partition, "offset": record.offset,
                        "key": _encode(record.key), "value": _encode(record.value),
                        "headers": [[k, _encode(v)] for k, v in record.headers]}) + "\n")
    consumer.commit()
    consumer.close()
    return {"records": got}


def groups(options):
    """Returns the names of the groups."""
    return {"groups": [group["group_id"] for group in _admin(options).list_groups()]}


def offsets(options):
    """Returns the group's committed offsets."""
    answer = _admin(options).list_group_offsets({options["group"]: None})[options["group"]]
    return {"offsets": {p.partition: o.offset for p, o in answer.items()}}


def delete(options):
    """Deletes the topic and waits until it is gone."""
    admin = _admin(options)
    admin.delete_topics([options["topic"]])
    deadline = time.monotonic() + 15
    while options["topic"] in admin.list_topics():
        if time.monotonic() > deadline:
            raise RuntimeError("the topic is still listed")
        time.sleep(0.05)
    return {}


VERBS = {f.__name__: f for f in (create, describe, produce, consume, groups, offsets, delete)}

if __name__ == "__main__":
    print(json.dumps(VERBS[sys.argv[1]](json.loads(sys.argv[2]))))
