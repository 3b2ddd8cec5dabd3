package main

import (
	"context"
	"strconv"
	"sync"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/client/v3/concurrency"
)

func locks(one, other *clientv3.Client) {
	section("locks")
	mine, theirs := newSession(one), newSession(other)
	first, second := concurrency.NewMutex(mine, "/lock"), concurrency.NewMutex(theirs, "/lock")
	check(first.Lock(ctx))
	expectRefusal("second", second.TryLock(ctx))
	locked := inBackground(func() error { return second.Lock(ctx) })
	awaitKeys(one, "/lock/", 2)
	isOwner := first.IsOwner() // after the unlock its compare names another key, which not every user may read
	owned := must(one.Txn(ctx).If(isOwner).Then(clientv3.OpPut("/locked", "1")).Commit())
	say("owner", owned.Succeeded, len(locked))
	check(first.Unlock(ctx))
	check(<-locked)
	say("owner of before", must(one.Txn(ctx).If(isOwner).Commit()).Succeeded)
	waiting := inBackground(func() error { return first.Lock(ctx) })
	awaitKeys(one, "/lock/", 2)
	check(theirs.Close()) // its lock is deleted with its lease
	check(<-waiting)
	<-theirs.Done()
	check(mine.Close())
	say("left", must(one.Get(ctx, "/lock/", clientv3.WithPrefix())).Count)
}

func elections(one, other *clientv3.Client) {
	section("elections")
	mine, theirs := newSession(one), newSession(other)
	first, second := concurrency.NewElection(mine, "/election"), concurrency.NewElection(theirs, "/election")
	_, err := second.Leader(ctx)
	expectRefusal("leader", err)
	watching, stop := context.WithCancel(ctx)
	defer stop()
	leaders := second.Observe(watching)
	observe := func() { say("observed", string((<-leaders).Kvs[0].Value)) }
	check(first.Campaign(ctx, "one"))
	observe()
	elected := inBackground(func() error { return second.Campaign(ctx, "two") })
	awaitKeys(one, "/election/", 2)
	check(first.Proclaim(ctx, "one, again"))
	observe()
	say("leader", string(must(second.Leader(ctx)).Kvs[0].Value), len(elected))
	resumed := concurrency.ResumeElection(mine, "/election", first.Key(), first.Rev())
	check(resumed.Resign(ctx))
	check(<-elected)
	observe()
	check(theirs.Close())
	check(mine.Close())
}

// transactions moves amounts between accounts with two clients at the same time; none is lost at an isolation that promises that.
func transactions(one, other *clientv3.Client) {
	section("software transactional memory")
	for _, isolation := range []concurrency.Isolation{concurrency.SerializableSnapshot, concurrency.Serializable} {
		must(one.Put(ctx, "/account/a", "1000"))
		must(one.Put(ctx, "/account/b", "0"))
		var clients sync.WaitGroup
		for _, client := range []*clientv3.Client{one, other} {
			clients.Go(func() { transfer(client, isolation) })
		}
		clients.Wait()
		for _, account := range []string{"a", "b"} {
			say("account", account, string(must(one.Get(ctx, "/account/"+account)).Kvs[0].Value))
		}
	}
}

func transfer(client *clientv3.Client, isolation concurrency.Isolation) {
	change := func(stm concurrency.STM) error {
		for account, amount := range map[string]int{"/account/a": -1, "/account/b": 1} {
			stm.Put(account, strconv.Itoa(must(strconv.Atoi(stm.Get(account)))+amount))
		}
		return nil
	}
	for range 50 {
		must(concurrency.NewSTM(client, change, concurrency.WithIsolation(isolation), concurrency.WithPrefetch("/account/a")))
	}
}
