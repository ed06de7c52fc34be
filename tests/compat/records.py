"""The records a compatibility run produces, and what must come back.

A record is a dict: `partition` (None = the client's own partitioner), `key` and `value` (bytes or
None), `headers` (pairs of str and bytes); a consumed record has `partition` and `offset` set.
In files records are JSON lines with the bytes in base64.
"""

import base64
import json
import random


def binary_records(tag, count, partitions):
    """Returns records of awkward content: null key, null and empty value, 64 KiB, headers."""
    chance = random.Random(f"binary {tag}")
    records = []
    for i in range(count):
        name = f"{tag}-{i:05d}".encode()
        key, value = name, chance.randbytes(chance.randrange(0, 600))
        headers = [("n", name), ("empty", b"")] if i % 5 == 0 else []
        if i % 50 == 7:
            key, value = None, name + b"|" + value
        elif i % 50 == 9:
            value = None
        elif i % 50 == 11:
            value = b""
        elif i == 13:
            value = chance.randbytes(16 * 1024) * 4
        records.append({"partition": i % partitions, "key": key, "value": value,
                        "headers": headers})
    return records


def text_records(tag, count):
    """Returns records a line-based client can carry; some are not ASCII, one is 64 KiB."""
    chance = random.Random(f"text {tag}")
    records = []
    for i in range(count):
        words = "".join(chance.choice("abc DEF-0123 éß漢字 {}\"'\\") for _ in range(80))
        value = "x" * 65536 if i == 13 else f"{words[:chance.randrange(1, 80)]}."
        records.append({"partition": None, "key": f"{tag}-{i:05d}".encode(),
                        "value": value.encode(), "headers": []})
    return records


def identity(record):
    """Returns the name that makes a record unique within a run."""
    return (record["key"] or record["value"] or b"").split(b"|")[0]


def check(consumed, expected):
    """Compares what came back with what was produced, in order; returns None or the first fault.

    `expected` is in produced order. Order is checked per partition: by arrival, by offset and by
    the order of production.
    """
    position = {identity(record): i for i, record in enumerate(expected)}
    seen, last = set(), {}
    for record in consumed:
        name = identity(record)
        if name not in position:
            return f"unexpected record {name[:40]!r} at {_place(record)}"
        if name in seen:
            return f"record {name!r} came twice, again at {_place(record)}"
        seen.add(name)
        fault = _difference(record, expected[position[name]])
        if fault:
            return f"record {name!r} at {_place(record)}: {fault}"
        before = last.get(record["partition"], (-1, -1))
        now = (record["offset"], position[name])
        if now[0] <= before[0] or now[1] <= before[1]:
            return f"record {name!r} at {_place(record)} is out of order"
        last[record["partition"]] = now
    if len(seen) != len(expected):
        lost = next(name for name in position if name not in seen)
        return f"{len(seen)} of {len(expected)} records came back; first missing {lost!r}"
    return None


def _place(record):
    return f"partition {record['partition']} offset {record['offset']}"


def _difference(got, wanted):
    if wanted["partition"] is not None and got["partition"] != wanted["partition"]:
        return f"in the wrong partition, wanted {wanted['partition']}"
    for field in ("key", "value"):
        if got[field] != wanted[field]:
            return f"{field} differs: {str(got[field])[:60]} wanted {str(wanted[field])[:60]}"
    if sorted(got["headers"]) != sorted(wanted["headers"]):
        return f"headers differ: {got['headers']} wanted {wanted['headers']}"
    return None


def _encode(raw):
    return None if raw is None else base64.b64encode(raw).decode()


def _decode(text):
    return None if text is None else base64.b64decode(text)


def save(records, path):
    """Writes records as JSON lines."""
    with open(path, "w", encoding="utf-8") as file:
        for record in records:
            file.write(json.dumps({
                "partition": record["partition"], "key": _encode(record["key"]),
                "value": _encode(record["value"]),
                "headers": [[name, _encode(value)] for name, value in record["headers"]],
            }) + "\n")


def load(path):
    """Reads records that a client wrote as JSON lines."""
    records = []
    with open(path, encoding="utf-8") as file:
        for line in file:
            record = json.loads(line)
            record["key"], record["value"] = _decode(record["key"]), _decode(record["value"])
            record["headers"] = [(name, _decode(value)) for name, value in record["headers"]]
            records.append(record)
    return records
