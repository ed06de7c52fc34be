"""One module per stock client; CLIENTS is the order in which they run."""

from clients.confluent import Confluent
from clients.franz import Franz
from clients.java import Java
from clients.kafka_python import KafkaPython
from clients.kafkajs import KafkaJs
from clients.kcat import Kcat

CLIENTS = [Kcat, Confluent, KafkaPython, Java, Franz, KafkaJs]
