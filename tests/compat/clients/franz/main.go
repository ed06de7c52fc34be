// The franz-go steps: `franz VERB {json}`, answer as one line of JSON.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

type options struct {
	Bootstrap   string
	Topic       string
	Group       string
	Codec       string
	File        string
	Count       int
	Partitions  int32
	Replication int16
}

// record is a line of a record file; []byte is base64 in JSON, nil is null.
type record struct {
	Partition int32   `json:"partition"`
	Offset    int64   `json:"offset"`
	Key       []byte  `json:"key"`
	Value     []byte  `json:"value"`
	Headers   [][]any `json:"headers"` // [name, base64]
}

type answer map[string]any

var verbs = map[string]func(context.Context, options) (answer, error){
	"create": create, "describe": describe, "produce": produce, "consume": consume,
	"groups": groups, "offsets": offsets, "delete": deleteTopic,
}

func client(o options, more ...kgo.Opt) (*kgo.Client, error) {
	return kgo.NewClient(append(more, kgo.SeedBrokers(strings.Split(o.Bootstrap, ",")...))...)
}

func admin(o options) (*kadm.Client, error) {
	c, err := client(o)
	if err != nil {
		return nil, err
	}
	return kadm.NewClient(c), nil
}

func create(ctx context.Context, o options) (answer, error) {
	a, err := admin(o)
	if err != nil {
		return nil, err
	}
	_, err = a.CreateTopic(ctx, o.Partitions, o.Replication, nil, o.Topic)
	return answer{}, err
}

func describe(ctx context.Context, o options) (answer, error) {
	a, err := admin(o)
	if err != nil {
		return nil, err
	}
	topics, err := a.ListTopics(ctx, o.Topic)
	if err != nil {
		return nil, err
	}
	if err := topics[o.Topic].Err; err != nil {
		return nil, err
	}
	partitions := []answer{}
	for _, p := range topics[o.Topic].Partitions.Sorted() {
		partitions = append(partitions, answer{
			"id": p.Partition, "leader": p.Leader, "replicas": p.Replicas, "isr": p.ISR})
	}
	return answer{"partitions": partitions}, nil
}

func codec(name string) kgo.CompressionCodec {
	switch name {
	case "gzip":
		return kgo.GzipCompression()
	case "snappy":
		return kgo.SnappyCompression()
	case "lz4":
		return kgo.Lz4Compression()
	case "zstd":
		return kgo.ZstdCompression()
	}
	return kgo.NoCompression()
}

// produce is idempotent with acks=all: franz-go's defaults.
func produce(ctx context.Context, o options) (answer, error) {
	c, err := client(o, kgo.DefaultProduceTopic(o.Topic),
		kgo.ProducerBatchCompression(codec(o.Codec)),
		kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		return nil, err
	}
	defer c.Close()
	file, err := os.ReadFile(o.File)
	if err != nil {
		return nil, err
	}
	var batch []*kgo.Record
	for _, line := range strings.Split(strings.TrimSpace(string(file)), "\n") {
		var r record
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			return nil, err
		}
		out := &kgo.Record{Partition: r.Partition, Key: r.Key, Value: r.Value}
		for _, h := range r.Headers {
			var value []byte
			if err := json.Unmarshal([]byte(fmt.Sprintf("%q", h[1])), &value); err != nil {
				return nil, err
			}
			out.Headers = append(out.Headers, kgo.RecordHeader{Key: h[0].(string), Value: value})
		}
		batch = append(batch, out)
	}
	err = c.ProduceSync(ctx, batch...).FirstErr()
	return answer{"acked": len(batch)}, err
}

func consume(ctx context.Context, o options) (answer, error) {
	c, err := client(o, kgo.ConsumerGroup(o.Group), kgo.ConsumeTopics(o.Topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.DisableAutoCommit())
	if err != nil {
		return nil, err
	}
	defer c.Close()
	file, err := os.Create(o.File)
	if err != nil {
		return nil, err
	}
	out := bufio.NewWriter(file)
	until, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	got := 0
	for got < o.Count && until.Err() == nil {
		fetches := c.PollFetches(until)
		if err := fetches.Err(); err != nil && until.Err() == nil {
			return nil, err
		}
		for _, r := range fetches.Records() {
			got++
			headers := [][]any{}
			for _, h := range r.Headers {
				headers = append(headers, []any{h.Key, append([]byte{}, h.Value...)})
			}
			line, _ := json.Marshal(answer{"partition": r.Partition, "offset": r.Offset,
				"key": r.Key, "value": r.Value, "headers": headers})
			fmt.Fprintf(out, "%s\n", line)
		}
	}
	if err := out.Flush(); err != nil {
		return nil, err
	}
	return answer{"records": got}, c.CommitUncommittedOffsets(ctx)
}

func groups(ctx context.Context, o options) (answer, error) {
	a, err := admin(o)
	if err != nil {
		return nil, err
	}
	listed, err := a.ListGroups(ctx)
	return answer{"groups": listed.Groups()}, err
}

func offsets(ctx context.Context, o options) (answer, error) {
	a, err := admin(o)
	if err != nil {
		return nil, err
	}
	committed, err := a.FetchOffsets(ctx, o.Group)
	if err != nil {
		return nil, err
	}
	byPartition := map[int32]int64{}
	for partition, offset := range committed[o.Topic] {
		byPartition[partition] = offset.At
	}
	return answer{"offsets": byPartition}, nil
}

func deleteTopic(ctx context.Context, o options) (answer, error) {
	a, err := admin(o)
	if err != nil {
		return nil, err
	}
	if _, err := a.DeleteTopic(ctx, o.Topic); err != nil {
		return nil, err
	}
	for deadline := time.Now().Add(15 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		topics, err := a.ListTopics(ctx)
		if err != nil || !topics.Has(o.Topic) {
			return answer{}, err
		}
		if time.Now().After(deadline) {
			return nil, fmt.Errorf("the topic is still listed")
		}
	}
}

func main() {
	var o options
	if len(os.Args) != 3 || verbs[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "usage: franz VERB {json}")
		os.Exit(2)
	}
	if err := json.Unmarshal([]byte(os.Args[2]), &o); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 40*time.Second)
	defer cancel()
	result, err := verbs[os.Args[1]](ctx, o)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	line, _ := json.Marshal(result)
	fmt.Println(string(line))
}
