// Services is what people build on Go's clientv3: discovery under leases, transactions, locks and elections. It prints
// every step; on a fresh cluster, every server that speaks etcd's API leads to the same lines.
//
//	services -endpoints HOST:PORT,...
//
// Where it prints "pause", it waits for a line on its standard input: whoever runs it may take a member away there.
// Nothing may be lost by that, and the lines stay the same.
package main

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"os"
	"runtime/debug"
	"strings"
	"time"

	"go.etcd.io/etcd/clientv3"
)

// On a quiet machine; a busy one is given a multiple of these.
var (
	// Of the whole: whatever still waits then is shown, and the program ends.
	deadline = 2 * time.Minute
	// One answer of a cluster, a change of its leader included.
	patience = 30 * time.Second
	// One try of a request, of those that are tried again.
	tryTimeout = 3 * time.Second
)

// Between two looks at what is awaited.
const poll = 20 * time.Millisecond

var input = bufio.NewReader(os.Stdin)

func main() {
	endpoints := flag.String("endpoints", "127.0.0.1:2379", "the members, separated by commas")
	slowness := flag.Float64("slowness", 1, "how many times longer than on a quiet machine things take")
	flag.Parse()
	for _, limit := range []*time.Duration{&deadline, &patience, &tryTimeout} {
		*limit = time.Duration(float64(*limit) * *slowness)
	}
	debug.SetTraceback("all")
	time.AfterFunc(deadline, func() { panic("the deadline is over") })
	config := clientv3.Config{Endpoints: strings.Split(*endpoints, ","), DialTimeout: patience}
	one, err := clientv3.New(config)
	check(err)
	other, err := clientv3.New(config)
	check(err)
	leader, rival := onLeader(config), onLeader(config)

	history(leader)
	leases(leader)
	transactions(leader, rival)
	counting := startCounter(one, other)
	found := startDiscovery(one, other)
	locks(one, other)
	elections(one, other)
	found.finish()
	counting.finish()
	for _, client := range []*clientv3.Client{one, other, leader, rival} {
		check(client.Close())
	}
	section("done")
}

// onLeader gives a client that asks the leader alone: where one member answers by itself, others may be behind.
func onLeader(config clientv3.Config) *clientv3.Client {
	client, err := clientv3.New(config)
	check(err)
	for _, endpoint := range config.Endpoints {
		status, err := client.Status(background(), endpoint)
		check(err)
		if status.Leader == status.Header.MemberId {
			client.SetEndpoints(endpoint)
			return client
		}
	}
	panic("no leader")
}

func section(name string) { fmt.Println("==", name) }

func say(what string, values ...interface{}) {
	fmt.Println(append([]interface{}{what + ":"}, values...)...)
}

// check ends the program: nothing here may fail but what `refused` expects to.
func check(err error) {
	if err != nil {
		panic(err)
	}
}

func refused(what string, err error) { say(what, err) }

// pause lets whoever runs the program act on the cluster, and waits until the cluster takes writes again.
func pause(client *clientv3.Client) {
	fmt.Println("pause")
	if _, err := input.ReadString('\n'); err != nil {
		panic(err)
	}
	// Requests go to the members in turn: that many in a row have been to each that is there.
	for inARow := 0; inARow < 2*len(client.Endpoints()); {
		if try(func(ctx context.Context) error { _, err := client.Put(ctx, "/pause", ""); return err }) == nil {
			inARow++
		} else {
			inARow = 0
			time.Sleep(poll)
		}
	}
}

func try(request func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), tryTimeout)
	defer cancel()
	return request(ctx)
}

func put(client *clientv3.Client, key, value string, options ...clientv3.OpOption) (revision int64) {
	response, err := client.Put(background(), key, value, options...)
	check(err)
	return response.Header.Revision
}

// count says how many keys are under a prefix.
func count(client *clientv3.Client, prefix string) int64 {
	response, err := client.Get(background(), prefix, clientv3.WithPrefix(), clientv3.WithCountOnly())
	check(err)
	return response.Count
}

// await looks until `seen`, and ends the program if that takes too long.
func await(what string, seen func() bool) {
	for begun := time.Now(); !seen(); time.Sleep(poll) {
		if time.Since(begun) > patience {
			panic("in vain: " + what)
		}
	}
}

// watched gives what comes on a watch, one event after the other.
type watched struct {
	responses clientv3.WatchChan
	events    []*clientv3.Event
}

func (w *watched) next() *clientv3.Event {
	for len(w.events) == 0 {
		select {
		case response, open := <-w.responses:
			if !open {
				panic("the watch ended")
			}
			check(response.Err())
			w.events = response.Events
		case <-time.After(patience):
			panic("no event")
		}
	}
	event := w.events[0]
	w.events = w.events[1:]
	return event
}

// say prints the next events.
func (w *watched) say(what string, count int) {
	for ; count > 0; count-- {
		say(what, shown(w.next()))
	}
}

func shown(event *clientv3.Event) string {
	text := fmt.Sprintf("%s %q : %q", event.Type, event.Kv.Key, event.Kv.Value)
	if event.PrevKv != nil {
		text += fmt.Sprintf(" was %q", event.PrevKv.Value)
	}
	return text
}

func background() context.Context { return context.Background() }
