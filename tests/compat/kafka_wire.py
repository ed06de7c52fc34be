"""Just enough of the Kafka protocol to ask a server whether it is up.

Used where no client library should stand in the way: readiness and cold-start times. Blocking
sockets, one connection per call, standard library only.
"""

import dataclasses
import socket
import struct
import time

_CREATE_TOPICS, _DELETE_TOPICS, _METADATA = 19, 20, 3
_CREATE_TOPICS_VERSION, _DELETE_TOPICS_VERSION, _METADATA_VERSION = 2, 1, 4


class WireError(Exception):
    """The server could not be reached, or answered with an error."""


@dataclasses.dataclass
class Metadata:
    """Answer to a Metadata request: node ids, and per topic its error and partition leaders."""

    brokers: list
    controller: int
    topics: dict  # name -> (error code, {partition: leader node id, -1 = none})


class _Reader:
    """Reads big-endian fields from a response, in order."""

    def __init__(self, payload):
        self._payload, self._at = payload, 0

    def take(self, fmt):
        """Returns the next field of struct format `fmt` (big-endian, one value)."""
        size = struct.calcsize(">" + fmt)
        (value,) = struct.unpack_from(">" + fmt, self._payload, self._at)
        self._at += size
        return value

    def string(self):
        """Returns the next nullable string."""
        size = self.take("h")
        if size < 0:
            return None
        self._at += size
        return self._payload[self._at - size:self._at].decode()

    def array(self, read):
        """Returns a list of what `read` returns, one call an element; null counts as empty."""
        return [read() for _ in range(max(0, self.take("i")))]


def _string(text):
    raw = text.encode()
    return struct.pack(">h", len(raw)) + raw


def _receive(connection, size):
    chunks = b""
    while len(chunks) < size:
        chunk = connection.recv(size - len(chunks))
        if not chunk:
            raise WireError("connection closed by the server")
        chunks += chunk
    return chunks


def _call(address, key, version, body, timeout):
    """Sends one request on a fresh connection and returns a _Reader past the response header."""
    host, port = address.rsplit(":", 1)
    header = struct.pack(">hhi", key, version, 1) + _string("wire")
    try:
        with socket.create_connection((host, int(port)), timeout) as connection:
            connection.settimeout(timeout)
            connection.sendall(struct.pack(">i", len(header) + len(body)) + header + body)
            (size,) = struct.unpack(">i", _receive(connection, 4))
            reader = _Reader(_receive(connection, size))
    except OSError as error:
        raise WireError(f"{address}: {error}") from error
    reader.take("i")
    return reader


def metadata(address, topics=(), timeout=2.0):
    """Asks one server (`host:port`) for its brokers and for `topics`."""
    body = struct.pack(">i", len(topics)) + b"".join(map(_string, topics)) + b"\0"
    reader = _call(address, _METADATA, _METADATA_VERSION, body, timeout)
    reader.take("i")

    def broker():
        node = reader.take("i")
        reader.string(), reader.take("i"), reader.string()
        return node

    def partition():
        reader.take("h")
        index, leader = reader.take("i"), reader.take("i")
        reader.array(lambda: reader.take("i"))
        reader.array(lambda: reader.take("i"))
        return index, leader

    def topic():
        error, name = reader.take("h"), reader.string()
        reader.take("b")
        return name, (error, dict(reader.array(partition)))

    try:
        brokers = reader.array(broker)
        reader.string()
        return Metadata(brokers, reader.take("i"), dict(reader.array(topic)))
    except struct.error as error:
        raise WireError(f"{address}: short Metadata response") from error


def create_topic(address, name, partitions, replication, configs=(), timeout=15.0):
    """Creates a topic; `configs` is a dict or pairs. Raises WireError with the error code."""
    configs = dict(configs)
    body = struct.pack(">i", 1) + _string(name) + struct.pack(">ihi", partitions, replication, 0)
    body += struct.pack(">i", len(configs))
    body += b"".join(_string(k) + _string(str(v)) for k, v in configs.items())
    body += struct.pack(">ib", int(timeout * 1000), 0)
    reader = _call(address, _CREATE_TOPICS, _CREATE_TOPICS_VERSION, body, timeout + 5)
    reader.take("i")
    for topic, code, message in reader.array(
            lambda: (reader.string(), reader.take("h"), reader.string())):
        if code != 0:
            raise WireError(f"create {topic}: error {code} {message or ''}")


def delete_topic(address, name, timeout=15.0):
    """Deletes a topic. Raises WireError with the error code."""
    body = struct.pack(">i", 1) + _string(name) + struct.pack(">i", int(timeout * 1000))
    reader = _call(address, _DELETE_TOPICS, _DELETE_TOPICS_VERSION, body, timeout + 5)
    reader.take("i")
    for topic, code in reader.array(lambda: (reader.string(), reader.take("h"))):
        if code != 0:
            raise WireError(f"delete {topic}: error {code}")


def wait_ready(addresses, deadline_s, alive=lambda: True, poll_s=0.05):
    """Waits until every address names all brokers and a controller.

    Returns the seconds it took. `alive` is asked on each poll; when it returns False, or when
    `deadline_s` has passed, WireError is raised with the last reason.
    """
    start = time.monotonic()
    reason = "not asked yet"
    waiting = list(addresses)
    while waiting:
        try:
            answer = metadata(waiting[0])
            if len(answer.brokers) >= len(addresses) and answer.controller >= 0:
                waiting.pop(0)
                continue
            reason = f"{waiting[0]} names brokers {answer.brokers}"
        except WireError as error:
            reason = str(error)
        if not alive():
            raise WireError("a server process ended; " + reason)
        if time.monotonic() - start > deadline_s:
            raise WireError(f"not ready after {deadline_s} s: {reason}")
        time.sleep(poll_s)
    return time.monotonic() - start


def wait_leaders(addresses, topic, partitions, deadline_s, poll_s=0.005):
    """Waits until every address names a leader for each of the topic's partitions."""
    start = time.monotonic()
    waiting = list(addresses)
    while waiting:
        try:
            error, leaders = metadata(waiting[0], [topic]).topics.get(topic, (3, {}))
            if error == 0 and len(leaders) == partitions and min(leaders.values()) >= 0:
                waiting.pop(0)
                continue
        except WireError:
            pass
        if time.monotonic() - start > deadline_s:
            raise WireError(f"{topic} has no leaders at {waiting[0]} after {deadline_s} s")
        time.sleep(poll_s)
    return time.monotonic() - start
