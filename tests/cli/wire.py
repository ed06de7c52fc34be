"""A few Kafka requests as bytes, made by hand: for input that no client library would send."""
import socket
import struct

PRODUCE, METADATA, API_VERSIONS, CREATE_TOPICS = 0, 3, 18, 19


def crc32c(data):
    """CRC-32C (Castagnoli), bit by bit."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def string(text):
    data = text.encode()
    return struct.pack(">h", len(data)) + data


def header(api, version, correlation=7):
    return struct.pack(">hhi", api, version, correlation) + string("by-hand")


def frame(body):
    return struct.pack(">i", len(body)) + body


def record_batch(value=b"hello", break_crc=False):
    """One record batch v2 with one record."""
    payload = b"\x00" + b"\x00" + b"\x00" + b"\x01" + bytes([len(value) << 1]) + value + b"\x00"
    record = bytes([len(payload) << 1]) + payload
    after_crc = struct.pack(">hiqqqhii", 0, 0, 1, 1, -1, -1, -1, 1) + record
    crc = crc32c(after_crc) ^ (1 if break_crc else 0)
    tail = struct.pack(">ibI", -1, 2, crc) + after_crc
    return struct.pack(">qi", 0, len(tail)) + tail


def produce(topic, batch, acks=1):
    body = header(PRODUCE, 7) + struct.pack(">hhi", -1, acks, 5000)
    body += struct.pack(">i", 1) + string(topic) + struct.pack(">ii", 1, 0)
    return frame(body + struct.pack(">i", len(batch)) + batch)


def produce_error(answer):
    """The error code of the one partition in an answer to produce()."""
    (length,) = struct.unpack_from(">h", answer, 8)
    return struct.unpack_from(">h", answer, 10 + length + 8)[0]


def create_topic(name):
    body = header(CREATE_TOPICS, 2) + struct.pack(">i", 1) + string(name)
    return frame(body + struct.pack(">ihiiib", 1, 1, 0, 0, 5000, 0))


def create_topic_error(answer):
    (length,) = struct.unpack_from(">h", answer, 12)
    return struct.unpack_from(">h", answer, 14 + length)[0]


def metadata():
    return frame(header(METADATA, 1) + struct.pack(">i", -1))


class Connection:
    """One TCP connection to a broker."""

    def __init__(self, address, timeout=5):
        host, port = address.split(":")
        self.socket = socket.create_connection((host, int(port)), timeout=timeout)

    def send(self, data):
        self.socket.sendall(data)

    def receive(self):
        """One frame's body, or None when the broker closed the connection."""
        try:
            size = self._exactly(4)
            return None if size is None else self._exactly(struct.unpack(">i", size)[0])
        except ConnectionError:
            return None

    def _exactly(self, count):
        data = b""
        while len(data) < count:
            more = self.socket.recv(count - len(data))
            if not more:
                return None
            data += more
        return data

    def call(self, data):
        self.send(data)
        return self.receive()

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
