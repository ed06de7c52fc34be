"""kafkajs: Node, with codecs from npm that bring their own binary or are JavaScript."""

from clients.base import ProgramClient
from toolchains import KafkaJs as Toolchain


class KafkaJs(ProgramClient):
    """Drives client.js."""

    name = "kafkajs"
    toolchain = Toolchain

    def program(self):
        argv, modules = Toolchain.find()
        return argv, {"NODE_PATH": modules, "KAFKAJS_NO_PARTITIONER_WARNING": "1"}
