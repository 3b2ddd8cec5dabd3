#!/usr/bin/env bash
# etcd's Go client 3.7.3, `concurrency.ResumeElection`: it leaves out the slash that `NewElection` adds to the name. An election
# "job" that is resumed, for example after a restart, therefore also includes the keys of an election "job2": `Leader` returns the
# leader of "job2" if its key is older. A client that resigns and campaigns again through the resumed election has a key that
# other candidates do not see: there are two leaders. Workaround: pass the name with the slash, "job/".
#
# Seen (Linux, Go 1.26.8), with a leader `two` of job2, and `mine` of job:
#   leader of job, by NewElection: mine
#   leader of job, by ResumeElection: two
#   leader of job, by ResumeElection with "job/": mine
#   leaders of job at once, after Resign and Campaign of the resumed one: 2
#   their keys: jobLEASE job/LEASE
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
	"strings"
	"time"

	v3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/client/v3/concurrency"
)

var client *v3.Client

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	var err error
	client, err = v3.New(v3.Config{Endpoints: []string{"127.0.0.1:27579"}})
	fatal(err)
	defer client.Close()
	leader := func(election *concurrency.Election) string {
		answer, err := election.Leader(ctx)
		fatal(err)
		return string(answer.Kvs[0].Value)
	}

	two := concurrency.NewElection(session(), "job2")
	fatal(two.Campaign(ctx, "two"))
	own := session()
	mine := concurrency.NewElection(own, "job")
	fatal(mine.Campaign(ctx, "mine"))
	fmt.Println("leader of job, by NewElection:", leader(mine))
	resumed := concurrency.ResumeElection(own, "job", mine.Key(), mine.Rev())
	fmt.Println("leader of job, by ResumeElection:", leader(resumed))
	slash := concurrency.ResumeElection(own, "job/", mine.Key(), mine.Rev())
	fmt.Println(`leader of job, by ResumeElection with "job/":`, leader(slash))

	fatal(two.Resign(ctx))
	fatal(resumed.Resign(ctx))
	fatal(resumed.Campaign(ctx, "mine"))
	theirs := session()
	other := concurrency.NewElection(theirs, "job")
	fatal(other.Campaign(ctx, "theirs")) // waits while another candidate leads
	keys, err := client.Get(ctx, "", v3.WithPrefix(), v3.WithSort(v3.SortByCreateRevision, v3.SortAscend))
	fatal(err)
	fmt.Println("leaders of job at once, after Resign and Campaign of the resumed one:", len(keys.Kvs))
	lease := strings.NewReplacer(fmt.Sprintf("%x", own.Lease()), "LEASE", fmt.Sprintf("%x", theirs.Lease()), "LEASE")
	fmt.Println("their keys:", lease.Replace(resumed.Key()), lease.Replace(other.Key()))
}

func session() *concurrency.Session {
	session, err := concurrency.NewSession(client)
	fatal(err)
	return session
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
leader of job, by NewElection: mine
leader of job, by ResumeElection: two
leader of job, by ResumeElection with "job/": mine
leaders of job at once, after Resign and Campaign of the resumed one: 2
their keys: jobLEASE job/LEASE
END
