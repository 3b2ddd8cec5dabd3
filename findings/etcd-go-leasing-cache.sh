#!/usr/bin/env bash
# etcd's Go client 3.7.3, package leasing, whose reads come from a cache and should be linearizable: the cache handles writes of
# its own client wrongly. A put that keeps the value (WithIgnoreValue) makes the cached value empty. A put with a lease caches the
# key without the lease, so that the key stays in the cache when the lease has ended. A transaction whose keys are all cached is
# decided by the client: there, a missing key is equal to every value, so that the client takes the other branch than etcd.
#
# Seen (Linux, Go 1.26.8), the same read of leasing.NewKV and of etcd:
#   after a put with WithIgnoreValue: leasing "", etcd "v"
#   a second after the revocation of its lease: leasing 1 key, etcd 0 keys
#   transaction, value of a missing key = "x": leasing true, etcd false
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
	"go.etcd.io/etcd/client/v3/leasing"
)

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	client, err := v3.New(v3.Config{Endpoints: []string{"127.0.0.1:27579"}})
	fatal(err)
	defer client.Close()
	cached, closeCache, err := leasing.NewKV(client, "leasing/")
	fatal(err)
	defer closeCache()
	get := func(kv v3.KV, key string) *v3.GetResponse {
		answer, err := kv.Get(ctx, key)
		fatal(err)
		return answer
	}
	put := func(key, value string, options ...v3.OpOption) {
		_, err := cached.Put(ctx, key, value, options...)
		fatal(err)
	}

	put("value", "v")
	get(cached, "value")
	put("value", "", v3.WithIgnoreValue())
	format := "after a put with WithIgnoreValue: leasing %q, etcd %q\n"
	fmt.Printf(format, get(cached, "value").Kvs[0].Value, get(client, "value").Kvs[0].Value)

	lease, err := client.Grant(ctx, 60)
	fatal(err)
	get(cached, "leased")
	put("leased", "v", v3.WithLease(lease.ID))
	_, err = client.Revoke(ctx, lease.ID)
	fatal(err)
	time.Sleep(time.Second)
	format = "a second after the revocation of its lease: leasing %d key, etcd %d keys\n"
	fmt.Printf(format, len(get(cached, "leased").Kvs), len(get(client, "leased").Kvs))

	get(cached, "missing")
	succeeds := func(kv v3.KV) bool {
		read := v3.OpGet("missing")
		answer, err := kv.Txn(ctx).If(v3.Compare(v3.Value("missing"), "=", "x")).Then(read).Else(read).Commit()
		fatal(err)
		return answer.Succeeded
	}
	fmt.Printf("transaction, value of a missing key = \"x\": leasing %t, etcd %t\n", succeeds(cached), succeeds(client))
}

func fatal(err error) {
	if err != nil {
		log.Fatal(err)
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
after a put with WithIgnoreValue: leasing "", etcd "v"
a second after the revocation of its lease: leasing 1 key, etcd 0 keys
transaction, value of a missing key = "x": leasing true, etcd false
END
