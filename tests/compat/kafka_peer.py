"""Apache Kafka 4.3.1 from its Maven artifacts, on loopback: the peer of tests and benchmarks.

The JVM flags are those of Kafka's own start scripts (1 GiB heap, G1), the log level is Kafka's
default, everything else is in Cluster.properties. `tests/compat/setup` must have run once.
"""

import pathlib

import toolchains
from cluster import Cluster

_SERVER_FLAGS = [
    "-Xmx1G", "-Xms1G", "-server", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20",
    "-XX:InitiatingHeapOccupancyPercent=35", "-XX:+ExplicitGCInvokesConcurrent",
    "-XX:MaxInlineLevel=15", "-Djava.awt.headless=true",
]
_LOGGING = pathlib.Path(__file__).resolve().parent / "java" / "log4j2-server.xml"


class KafkaCluster(Cluster):
    """One or more combined Kafka nodes."""

    name = "kafka"

    def __init__(self, nodes=1, **options):
        self._java = toolchains.Java.find()
        super().__init__(nodes, **options)

    def format_command(self, node):
        return self._java.command("kafka.tools.StorageTool", "format", "-t", self.cluster_id,
                                  "-c", str(node.properties_file))

    def serve_command(self, node):
        return self._java.command("kafka.Kafka", str(node.properties_file), flags=[
            *_SERVER_FLAGS, f"-Dlog4j2.configurationFile={_LOGGING}"])
