#!/usr/bin/env bash
# etcd 3.7.3: the conditions of a nested transaction are evaluated before any operation of the outer transaction, although reads
# of the nested transaction see the earlier writes of the outer one. For example, "put a key, then, if it exists, …" takes the
# branch for a missing key, and can read the key in that branch. A condition on a key that the same transaction changes must be
# written for the state before the transaction.
#
# Seen (Linux, Go 1.26.8), with `put n 1` followed by an inner transaction:
#   condition version(n) > 0: not met
#   the same transaction's read of n: 1
#
# Needs Go 1.26 and the loopback ports 27579 and 27580. Fails if the behaviour changes.
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
go get go.etcd.io/etcd/server/v3@v3.7.3 go.etcd.io/etcd/client/v3@v3.7.3 >/dev/null 2>&1
go build -o etcd go.etcd.io/etcd/server/v3
cat >main.go <<'END'
package main

import (
	"context"
	"fmt"
	"log"
	"time"

	v3 "go.etcd.io/etcd/client/v3"
)

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	client, err := v3.New(v3.Config{Endpoints: []string{"127.0.0.1:27579"}})
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	read := []v3.Op{v3.OpGet("n")}
	inner := v3.OpTxn([]v3.Cmp{v3.Compare(v3.Version("n"), ">", 0)}, read, read)
	answer, err := client.Txn(ctx).Then(v3.OpPut("n", "1"), inner).Commit()
	if err != nil {
		log.Fatal(err)
	}
	result := answer.Responses[1].GetResponseTxn()
	met := map[bool]string{true: "met", false: "not met"}[result.Succeeded]
	fmt.Printf("condition version(n) > 0: %s\n", met)
	for _, kv := range result.Responses[0].GetResponseRange().Kvs {
		fmt.Printf("the same transaction's read of n: %s\n", kv.Value)
	}
}
END
go mod tidy >/dev/null 2>&1
go build -o try .

./etcd --data-dir data --listen-client-urls http://127.0.0.1:27579 --advertise-client-urls http://127.0.0.1:27579 \
  --listen-peer-urls http://127.0.0.1:27580 --initial-advertise-peer-urls http://127.0.0.1:27580 \
  --initial-cluster default=http://127.0.0.1:27580 >log 2>&1 &
member=$!
for _ in $(seq 100); do
  if grep -q "ready to serve client requests" log 2>/dev/null; then break; fi
  sleep 0.1
done
grep -q "ready to serve client requests" log # otherwise the ports are in use
./try | tee seen.txt
diff - seen.txt <<'END'
condition version(n) > 0: not met
the same transaction's read of n: 1
END
