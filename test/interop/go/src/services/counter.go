package main

import (
	"context"
	"strconv"
	"time"

	"go.etcd.io/etcd/clientv3"
)

const (
	counterKey = "/counter"
	lastCount  = "last"
	// Short enough for several counts while there is no leader, and long enough to cause little load.
	countEvery = 10 * time.Millisecond
)

// counter writes one key continually and watches it: whatever happens to the members, the watch gets each version once.
type counter struct {
	stop context.CancelFunc
	// Closed when the last count has been acknowledged.
	counted chan struct{}
	// Gets one value after the last count: whether no count was missing, repeated or out of order.
	seen chan bool
}

func startCounter(writer, watcher *clientv3.Client) *counter {
	going, stop := context.WithCancel(background())
	c := &counter{stop, make(chan struct{}), make(chan bool, 1)}
	changes := &watched{responses: watcher.Watch(background(), counterKey)}
	go c.count(going, writer)
	go c.follow(changes)
	return c
}

func (c *counter) count(going context.Context, client *clientv3.Client) {
	for i := 1; going.Err() == nil; i++ {
		putUntilAcknowledged(client, strconv.Itoa(i))
		time.Sleep(countEvery)
	}
	putUntilAcknowledged(client, lastCount)
	close(c.counted)
}

// putUntilAcknowledged retries a put. An attempt without an acknowledgement may have been applied, too.
func putUntilAcknowledged(client *clientv3.Client, value string) {
	await("a count", func() bool {
		return try(func(ctx context.Context) error {
			_, err := client.Put(ctx, counterKey, value)
			return err
		}) == nil
	})
}

func (c *counter) follow(changes *watched) {
	flawless := true
	for version, value := int64(1), 0; ; version++ {
		kv := changes.next().Kv
		flawless = flawless && kv.Version == version
		if string(kv.Value) == lastCount {
			c.seen <- flawless
			return
		}
		next, err := strconv.Atoi(string(kv.Value))
		check(err)
		flawless = flawless && (next == value || next == value+1)
		value = next
	}
}

func (c *counter) finish() {
	section("counted all the while")
	c.stop()
	<-c.counted
	say("every version seen once, in order", <-c.seen)
}
