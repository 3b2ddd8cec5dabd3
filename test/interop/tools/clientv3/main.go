// Clientv3 is a program on etcd 3.7's Go client over mutual TLS: transactions, sessions, locks, elections, the recipes, and the
// names of services. It prints every step; on a fresh cluster, its output is the same with every server that has etcd's API.
//
// With a user, who may use the keys that begin with a slash, it does only the steps that need no other keys.
//
//	clientv3 ENDPOINT CA CERT KEY SLOWNESS [USER PASSWORD]
package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"os"
	"runtime/debug"
	"strconv"
	"time"

	"go.etcd.io/etcd/client/pkg/v3/transport"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/client/v3/concurrency"
	"google.golang.org/grpc"
)

// Limit of the whole program on a quiet machine; a busy one gets a multiple.
const deadline = time.Minute

const sessionTTL = 60

// Interval between two checks of a condition.
const poll = 10 * time.Millisecond

var ctx = context.Background()

func main() {
	endpoint, slowness := os.Args[1], must(strconv.ParseFloat(os.Args[5], 64))
	debug.SetTraceback("all")
	time.AfterFunc(time.Duration(float64(deadline)*slowness), func() { panic("the deadline is over") })
	files := transport.TLSInfo{TrustedCAFile: os.Args[2], CertFile: os.Args[3], KeyFile: os.Args[4]}
	secure := must(files.ClientConfig())
	if len(os.Args) > 6 {
		user(endpoint, secure, os.Args[6], os.Args[7])
	} else {
		everything(endpoint, secure)
	}
	section("done")
}

func everything(endpoint string, secure *tls.Config) {
	one, other := connect(endpoint, secure), connect(endpoint, secure)

	keys(one)
	leases(one)
	locks(one, other)
	elections(one, other)
	transactions(one, other)
	barriers(one, other)
	queues(one)
	readersAndWriters(one, other)
	services(one, endpoint, secure)
	check(one.Close())
	check(other.Close())
}

func connect(endpoint string, secure *tls.Config) *clientv3.Client {
	return must(clientv3.New(clientv3.Config{
		Endpoints:   []string{endpoint},
		TLS:         secure,
		DialOptions: []grpc.DialOption{grpc.WithUserAgent("minietcd's interop suite")},
	}))
}

func newSession(client *clientv3.Client) *concurrency.Session {
	return must(concurrency.NewSession(client, concurrency.WithTTL(sessionTTL)))
}

func section(name string) { fmt.Println("==", name) }

func say(words ...any) { fmt.Println(words...) }

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		debug.PrintStack()
		os.Exit(1)
	}
}

func must[T any](value T, err error) T {
	check(err)
	return value
}

// expectRefusal prints the error of a request that must not succeed.
func expectRefusal(what string, err error) {
	if err == nil {
		panic(what + " was not refused")
	}
	say(what, "refused:", err)
}

func inBackground(run func() error) <-chan error {
	result := make(chan error, 1)
	go func() { result <- run() }()
	return result
}

// awaitKeys waits until `count` keys have the prefix.
func awaitKeys(client *clientv3.Client, prefix string, count int64) {
	for {
		if must(client.Get(ctx, prefix, clientv3.WithPrefix(), clientv3.WithCountOnly())).Count == count {
			return
		}
		time.Sleep(poll)
	}
}
