"""kafka-python: the kafka-python package, pure Python."""

import pathlib

from clients.base import ProgramClient
from toolchains import Python


class KafkaPython(ProgramClient):
    """Drives program.py with the interpreter that has the package."""

    name = "kafka-python"
    toolchain = Python

    def program(self):
        script = pathlib.Path(__file__).with_name("program.py")
        return [Python.find(), str(script)], {}
