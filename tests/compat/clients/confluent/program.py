"""The confluent-kafka steps: `program.py VERB {json}`, answer as one line of JSON."""

import base64
import json
import sys
import time

from confluent_kafka import Consumer, ConsumerGroupTopicPartitions, Producer
from confluent_kafka.admin import AdminClient, NewTopic


def _encode(raw):
    return None if raw is None else base64.b64encode(raw).decode()


def _decode(text):
    return None if text is None else base64.b64decode(text)


def _admin(options):
    return AdminClient({"bootstrap.servers": options["bootstrap"]})


def create(options):
    """Creates the topic."""
    topic = NewTopic(options["topic"], options["partitions"], options["replication"])
    admin = _admin(options)  # must outlive its futures
    for future in admin.create_topics([topic]).values():
        future.result(20)
    return {}


def describe(options):
    """Returns the topic's partitions."""
    topic = _admin(options).list_topics(options["topic"], timeout=10).topics[options["topic"]]
    if topic.error:
        raise RuntimeError(topic.error)
    return {"partitions": [
        {"id": p.id, "leader": p.leader, "replicas": p.replicas, "isr": p.isrs}
        for p in topic.partitions.values()]}


def produce(options):
    """Produces the file's records; returns how many were acknowledged."""
    producer = Producer({"bootstrap.servers": options["bootstrap"], "acks": "all",
                         "compression.type": options["codec"], "linger.ms": 5})
    acked = [0]

    def delivered(error, _):
        if error:
            raise RuntimeError(error)
        acked[0] += 1

    with open(options["file"], encoding="utf-8") as file:
        for record in map(json.loads, file):
            producer.produce(options["topic"], key=_decode(record["key"]),
                             value=_decode(record["value"]), partition=record["partition"],
                             headers=[(k, _decode(v)) for k, v in record["headers"]],
                             on_delivery=delivered)
            producer.poll(0)
    producer.flush(30)
    return {"acked": acked[0]}


def consume(options):
    """Consumes `count` records by group into the file, commits them and leaves."""
    consumer = Consumer({"bootstrap.servers": options["bootstrap"], "group.id": options["group"],
                         "auto.offset.reset": "earliest", "enable.auto.commit": False})
    consumer.subscribe([options["topic"]])
    deadline = time.monotonic() + 30
    got = 0
    with open(options["file"], "w", encoding="utf-8") as out:
        while got < options["count"] and time.monotonic() < deadline:
            message = consumer.poll(0.5)
            if message is None:
                continue
            if message.error():
                raise RuntimeError(message.error())
            got += 1
            out.write(json.dumps({
                "partition": message.partition(), "offset": message.offset(),
                "key": _encode(message.key()), "value": _encode(message.value()),
                "headers": [[k, _encode(v)] for k, v in message.headers() or []]}) + "\n")
    consumer.commit(asynchronous=False)
    consumer.close()
    return {"records": got}


def groups(options):
    """Returns the names of the groups."""
    admin = _admin(options)
    listed = admin.list_consumer_groups().result(10)
    return {"groups": [group.group_id for group in listed.valid]}


def offsets(options):
    """Returns the group's committed offsets."""
    asked = [ConsumerGroupTopicPartitions(options["group"])]
    admin = _admin(options)
    answers = admin.list_consumer_group_offsets(asked)
    partitions = answers[options["group"]].result(10).topic_partitions
    return {"offsets": {p.partition: p.offset for p in partitions}}


def delete(options):
    """Deletes the topic and waits until it is gone."""
    admin = _admin(options)
    for future in admin.delete_topics([options["topic"]]).values():
        future.result(20)
    deadline = time.monotonic() + 15
    while options["topic"] in admin.list_topics(timeout=10).topics:
        if time.monotonic() > deadline:
            raise RuntimeError("the topic is still listed")
        time.sleep(0.05)
    return {}


VERBS = {f.__name__: f for f in (create, describe, produce, consume, groups, offsets, delete)}

if __name__ == "__main__":
    print(json.dumps(VERBS[sys.argv[1]](json.loads(sys.argv[2]))))
