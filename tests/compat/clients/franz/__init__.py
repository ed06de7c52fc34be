"""franz-go: Go."""

from clients.base import ProgramClient
from toolchains import FranzGo


class Franz(ProgramClient):
    """Drives the program built from main.go."""

    name = "franz-go"
    toolchain = FranzGo

    def program(self):
        return [FranzGo.find()], {}
