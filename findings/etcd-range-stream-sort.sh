#!/usr/bin/env bash
# etcd 3.7.3: RangeStream with a sort target and no sort order, which Range treats as ascending order, loses keys and returns
# others more than once. Each chunk is read in key order, beginning after the last key of the previous chunk, and sorted by
# itself: if that last key is not the largest of its chunk, the next chunk begins too early or too late. The count of the last answer is
# wrong, too. The client gets no error.
#
# Seen (Linux, Go 1.26.8), 12 keys of 300 KB whose values descend:
#   Range by value: 12 keys, 12 different, count 12
#   RangeStream by value: 20 keys, 11 different, count 20
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
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	conn, err := grpc.NewClient("127.0.0.1:27379", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(16<<20)))
	if err != nil {
		log.Fatal(err)
	}
	kv := pb.NewKVClient(conn)
	for n := range 12 {
		value := bytes.Repeat([]byte{byte('z' - n)}, 300_000)
		if _, err := kv.Put(ctx, &pb.PutRequest{Key: fmt.Appendf(nil, "key-%02d", n), Value: value}); err != nil {
			log.Fatal(err)
		}
	}
	request := &pb.RangeRequest{Key: []byte("key-"), RangeEnd: []byte("key."), SortTarget: pb.RangeRequest_VALUE}
	answer, err := kv.Range(ctx, request)
	if err != nil {
		log.Fatal(err)
	}
	show("Range", answer.Kvs, answer.Count)
	stream, err := kv.RangeStream(ctx, request)
	if err != nil {
		log.Fatal(err)
	}
	var kvs []*mvccpb.KeyValue
	var count int64
	for {
		part, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			log.Fatal(err)
		}
		kvs = append(kvs, part.RangeResponse.Kvs...)
		count = part.RangeResponse.Count
	}
	show("RangeStream", kvs, count)
}

func show(method string, kvs []*mvccpb.KeyValue, count int64) {
	different := map[string]bool{}
	for _, kv := range kvs {
		different[string(kv.Key)] = true
	}
	fmt.Printf("%s by value: %d keys, %d different, count %d\n", method, len(kvs), len(different), count)
}
END
go mod tidy >/dev/null 2>&1
go build -o read .

./etcd --data-dir data --listen-client-urls http://127.0.0.1:27379 --advertise-client-urls http://127.0.0.1:27379 \
  --listen-peer-urls http://127.0.0.1:27380 --initial-advertise-peer-urls http://127.0.0.1:27380 \
  --initial-cluster default=http://127.0.0.1:27380 >log 2>&1 &
member=$!
for _ in $(seq 100); do
  if grep -q "ready to serve client requests" log; then break; fi
  sleep 0.1
done
grep -q "ready to serve client requests" log # otherwise the ports are in use
./read | tee seen.txt
diff - seen.txt <<'END'
Range by value: 12 keys, 12 different, count 12
RangeStream by value: 20 keys, 11 different, count 20
END
