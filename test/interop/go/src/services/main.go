// Services does the usual tasks with Go's clientv3: discovery with leases, transactions, locks and elections. The program prints
// every step; on a fresh cluster, its output is the same with every server that has etcd's API.
//
//	services -endpoints HOST:PORT,...
//
// After printing "pause", the program waits for a line on its standard input: the test may stop a member then.
// Nothing may be lost by that, and the output stays the same.
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

// Timeouts for a quiet machine; a busy one gets a multiple of these.
var (
	// Limit of the whole program, which then shows what still waits and ends.
	deadline = 2 * time.Minute
	// Limit of one answer of a cluster, including a change of its leader.
	patience = 30 * time.Second
	// Limit of one attempt of a request that is retried.
	tryTimeout = 3 * time.Second
)

// Interval between two checks of a condition.
const poll = 20 * time.Millisecond

var input = bufio.NewReader(os.Stdin)

func main() {
	endpoints := flag.String("endpoints", "127.0.0.1:2379", "the members, separated by commas")
	slowness := flag.Float64("slowness", 1, "how many times longer than on a quiet machine things take")
	flag.IntVar(&serviceTTL, "ttl", 5, "TTL of the leases that outlive a leader, in seconds")
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

// onLeader returns a client of the leader only: members that answer from their own copy may be behind.
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

// check ends the program at an error; only requests with `expectRefusal` may fail.
func check(err error) {
	if err != nil {
		panic(err)
	}
}

func expectRefusal(what string, err error) { say(what, err) }

// pause lets the test act on the cluster, and waits until the cluster accepts writes again.
func pause(client *clientv3.Client) {
	fmt.Println("pause")
	if _, err := input.ReadString('\n'); err != nil {
		panic(err)
	}
	// Requests go to the members in turn: so many successes in a row have reached every running member.
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

// count returns the number of keys under a prefix.
func count(client *clientv3.Client, prefix string) int64 {
	response, err := client.Get(background(), prefix, clientv3.WithPrefix(), clientv3.WithCountOnly())
	check(err)
	return response.Count
}

// await polls until `seen`, and ends the program if that takes too long.
func await(what string, seen func() bool) {
	for begun := time.Now(); !seen(); time.Sleep(poll) {
		if time.Since(begun) > patience {
			panic("in vain: " + what)
		}
	}
}

// watched returns the events of a watch one by one.
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
		say(what, showEvent(w.next()))
	}
}

func showEvent(event *clientv3.Event) string {
	text := fmt.Sprintf("%s %q : %q", event.Type, event.Kv.Key, event.Kv.Value)
	if event.PrevKv != nil {
		text += fmt.Sprintf(" was %q", event.PrevKv.Value)
	}
	return text
}

func background() context.Context { return context.Background() }
