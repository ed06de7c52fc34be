"""Quorate, on loopback, from a binary: the same interface as the peer in kafka_peer.py."""

import pathlib

from cluster import Cluster, ClusterError


class QuorateCluster(Cluster):
    """One or more combined Quorate nodes."""

    name = "quorate"

    def __init__(self, binary, nodes=1, **options):
        self._binary = pathlib.Path(binary).resolve()
        if not self._binary.is_file():
            raise ClusterError(f"quorate: no binary at {binary}")
        super().__init__(nodes, **options)

    def format_command(self, node):
        return [str(self._binary), "format", "-t", self.cluster_id,
                "-c", str(node.properties_file)]

    def serve_command(self, node):
        return [str(self._binary), "server", str(node.properties_file)]
