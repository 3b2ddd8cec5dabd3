#!/usr/bin/env bash
# etcd 3.7.3: when a compaction has canceled a watcher of a stream, progress requests on that stream are not answered any more,
# for any of its watchers, until the client also cancels the watcher, although etcd has reported that it is canceled. A client
# that waits for progress to know that its other watches are up to date waits forever.
#
# Seen (Linux, Go 1.26.8), a watcher of new changes and a watcher of a compacted revision on one stream:
#   before: answered
#   after a compaction has canceled the other watcher: not answered within 3 s
#   after the client has canceled it, too: answered
#
# Needs Go 1.26 and the loopback ports 27379 and 27380. Fails if the behaviour changes.
set -euo pipefail
folder=$(mktemp -d)
member=""
cleanup() {
  if [ -n "$member" ]; then kill "$member" 2>/dev/null || true; wait "$member" 2>/dev/null || true; fi
  rm -rf "$folder"
}
trap cleanup EXIT
cd "$folder"
go mod init finding >/dev/null 2>&1
go get go.etcd.io/etcd/server/v3@v3.7.3 go.etcd.io/etcd/api/v3@v3.7.3 >/dev/null 2>&1
go build -o etcd go.etcd.io/etcd/server/v3
cat >main.go <<'END'
package main

import (
	"context"
	"fmt"
	"log"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

const now, compacted, all = 1, 2, -1

var answers = make(chan *pb.WatchResponse, 100)

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	conn, err := grpc.NewClient("127.0.0.1:27379", grpc.WithTransportCredentials(insecure.NewCredentials()))
	fatal(err)
	kv := pb.NewKVClient(conn)
	for range 3 {
		_, err := kv.Put(ctx, &pb.PutRequest{Key: []byte("k")})
		fatal(err)
	}
	_, err = kv.Compact(ctx, &pb.CompactionRequest{Revision: 3})
	fatal(err)
	stream, err := pb.NewWatchClient(conn).Watch(ctx)
	fatal(err)
	go func() {
		for {
			answer, err := stream.Recv()
			if err != nil {
				return
			}
			answers <- answer
		}
	}()
	create := func(id, revision int64) {
		request := &pb.WatchCreateRequest{Key: []byte("k"), WatchId: id, StartRevision: revision}
		fatal(stream.Send(&pb.WatchRequest{RequestUnion: &pb.WatchRequest_CreateRequest{CreateRequest: request}}))
		wait(func(a *pb.WatchResponse) bool { return a.WatchId == id && a.Created })
	}
	canceled := func(a *pb.WatchResponse) bool { return a.WatchId == compacted && a.Canceled }
	show := func(when string) {
		// The request is repeated until it is answered, because a request directly after the creation of a watcher may be ignored.
		for range 3 {
			progress := &pb.WatchRequest_ProgressRequest{ProgressRequest: &pb.WatchProgressRequest{}}
			fatal(stream.Send(&pb.WatchRequest{RequestUnion: progress}))
			if wait(func(a *pb.WatchResponse) bool { return a.WatchId == all }) {
				fmt.Printf("%s: answered\n", when)
				return
			}
		}
		fmt.Printf("%s: not answered within 3 s\n", when)
	}
	create(now, 0)
	show("before")
	create(compacted, 1)
	for !wait(canceled) {
	}
	show("after a compaction has canceled the other watcher")
	cancelRequest := &pb.WatchCancelRequest{WatchId: compacted}
	fatal(stream.Send(&pb.WatchRequest{RequestUnion: &pb.WatchRequest_CancelRequest{CancelRequest: cancelRequest}}))
	wait(canceled)
	show("after the client has canceled it, too")
}

// wait returns whether such an answer arrives within a second.
func wait(is func(*pb.WatchResponse) bool) bool {
	end := time.After(time.Second)
	for {
		select {
		case answer := <-answers:
			if is(answer) {
				return true
			}
		case <-end:
			return false
		}
	}
}

func fatal(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
END
go mod tidy >/dev/null 2>&1
go build -o ask .

./etcd --data-dir data --listen-client-urls http://127.0.0.1:27379 --advertise-client-urls http://127.0.0.1:27379 \
  --listen-peer-urls http://127.0.0.1:27380 --initial-advertise-peer-urls http://127.0.0.1:27380 \
  --initial-cluster default=http://127.0.0.1:27380 >log 2>&1 &
member=$!
for _ in $(seq 100); do
  if grep -q "ready to serve client requests" log; then break; fi
  sleep 0.1
done
grep -q "ready to serve client requests" log # otherwise the ports are in use
./ask | tee seen.txt
diff - seen.txt <<'END'
before: answered
after a compaction has canceled the other watcher: not answered within 3 s
after the client has canceled it, too: answered
END
