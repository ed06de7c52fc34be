"""confluent-kafka: the confluent-kafka package (librdkafka of its own, newer than kcat's)."""

import pathlib

from clients.base import ProgramClient
from toolchains import Python


class Confluent(ProgramClient):
    """Drives program.py with the interpreter that has the package."""

    name = "confluent-kafka"
    toolchain = Python

    def program(self):
        script = pathlib.Path(__file__).with_name("program.py")
        return [Python.find(), str(script)], {}
