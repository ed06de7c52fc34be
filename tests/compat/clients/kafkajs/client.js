// The kafkajs steps: `node client.js VERB {json}`, answer as one line of JSON.
// Codecs: gzip is Node's own; snappy is JavaScript (snappyjs); lz4 and zstd are npm packages that
// ship their binary. One that does not load makes its step report {"skip": reason}.
const fs = require('fs');
const { Kafka, CompressionTypes, CompressionCodecs, logLevel } = require('kafkajs');

const XERIAL = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0x00]);
const missing = {};

function register(name, type, make) {
  try {
    const codec = make();
    CompressionCodecs[type] = () => codec;
  } catch (error) {
    missing[name] = `no ${name} module for Node here: ${error.message.split('\n')[0]}`;
  }
}

register('snappy', CompressionTypes.Snappy, () => {
  const snappy = require('snappyjs');
  return {
    compress: async (encoder) => snappy.compress(encoder.buffer),
    // The Java clients frame snappy in xerial blocks; librdkafka and others do not.
    decompress: async (buffer) => {
      if (!buffer.subarray(0, 8).equals(XERIAL)) return snappy.uncompress(buffer);
      const parts = [];
      for (let at = 16; at < buffer.length;) {
        const size = buffer.readInt32BE(at);
        parts.push(snappy.uncompress(buffer.subarray(at + 4, at + 4 + size)));
        at += 4 + size;
      }
      return Buffer.concat(parts);
    },
  };
});
register('lz4', CompressionTypes.LZ4, () => {
  const lz4 = require('lz4-napi');
  return {
    compress: (encoder) => lz4.compressFrame(encoder.buffer),
    decompress: (buffer) => lz4.decompressFrame(buffer),
  };
});
register('zstd', CompressionTypes.ZSTD, () => {
  const zstd = require('@mongodb-js/zstd');
  return {
    compress: (encoder) => zstd.compress(encoder.buffer),
    decompress: (buffer) => zstd.decompress(buffer),
  };
});

const encode = (raw) => (raw === null || raw === undefined ? null : raw.toString('base64'));
const decode = (text) => (text === null ? null : Buffer.from(text, 'base64'));
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

function kafka(options) {
  return new Kafka({
    clientId: 'compat', brokers: options.bootstrap.split(','), logLevel: logLevel.NOTHING,
  });
}

async function withAdmin(options, work) {
  const admin = kafka(options).admin();
  await admin.connect();
  try {
    return await work(admin);
  } finally {
    await admin.disconnect();
  }
}

const verbs = {
  create: (options) => withAdmin(options, async (admin) => {
    await admin.createTopics({
      waitForLeaders: true,
      topics: [{
        topic: options.topic,
        numPartitions: options.partitions,
        replicationFactor: options.replication,
      }],
    });
    return {};
  }),

  describe: (options) => withAdmin(options, async (admin) => {
    const { topics } = await admin.fetchTopicMetadata({ topics: [options.topic] });
    const partitions = topics[0].partitions.map((p) => (
      { id: p.partitionId, leader: p.leader, replicas: p.replicas, isr: p.isr }));
    return { partitions };
  }),

  produce: async (options) => {
    if (missing[options.codec]) return { skip: missing[options.codec] };
    const types = { gzip: 'GZIP', snappy: 'Snappy', lz4: 'LZ4', zstd: 'ZSTD', none: 'None' };
    const messages = fs.readFileSync(options.file, 'utf8').trim().split('\n').map((line) => {
      const record = JSON.parse(line);
      return {
        partition: record.partition,
        key: decode(record.key),
        value: decode(record.value),
        headers: Object.fromEntries(record.headers.map(([k, v]) => [k, decode(v)])),
      };
    });
    const producer = kafka(options).producer({ allowAutoTopicCreation: false });
    await producer.connect();
    await producer.send({
      topic: options.topic, messages, acks: -1,
      compression: CompressionTypes[types[options.codec]],
    });
    await producer.disconnect();
    return { acked: messages.length };
  },

  consume: async (options) => {
    const consumer = kafka(options).consumer({ groupId: options.group, maxWaitTimeInMs: 200 });
    await consumer.connect();
    await consumer.subscribe({ topics: [options.topic], fromBeginning: true });
    const lines = [];
    const next = {};
    let done;
    const enough = new Promise((resolve) => { done = resolve; });
    const timer = setTimeout(done, 30000);
    await consumer.run({
      autoCommit: false,
      eachMessage: async ({ partition, message }) => {
        const headers = Object.entries(message.headers || {}).map(([k, v]) => [k, encode(v)]);
        lines.push(JSON.stringify({
          partition, offset: Number(message.offset), key: encode(message.key),
          value: encode(message.value), headers,
        }));
        next[partition] = (BigInt(message.offset) + 1n).toString();
        if (lines.length >= options.count) done();
      },
    });
    await enough;
    clearTimeout(timer);
    await consumer.commitOffsets(Object.entries(next).map(([partition, offset]) => (
      { topic: options.topic, partition: Number(partition), offset })));
    await consumer.disconnect();
    fs.writeFileSync(options.file, lines.map((line) => `${line}\n`).join(''));
    return { records: lines.length };
  },

  groups: (options) => withAdmin(options, async (admin) => {
    const { groups } = await admin.listGroups();
    return { groups: groups.map((group) => group.groupId) };
  }),

  offsets: (options) => withAdmin(options, async (admin) => {
    const [answer] = await admin.fetchOffsets({ groupId: options.group, topics: [options.topic] });
    return {
      offsets: Object.fromEntries(answer.partitions.map((p) => [p.partition, Number(p.offset)])),
    };
  }),

  delete: (options) => withAdmin(options, async (admin) => {
    await admin.deleteTopics({ topics: [options.topic] });
    for (let tries = 0; tries < 150; tries += 1) {
      if (!(await admin.listTopics()).includes(options.topic)) return {};
      await pause(100);
    }
    throw new Error('the topic is still listed');
  }),
};

verbs[process.argv[2]](JSON.parse(process.argv[3]))
  .then((answer) => { console.log(JSON.stringify(answer)); process.exit(0); })
  .catch((error) => { console.error(error.message); process.exit(1); });
