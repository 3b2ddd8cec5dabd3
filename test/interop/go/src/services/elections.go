package main

import (
	"context"

	"go.etcd.io/etcd/clientv3"
	"go.etcd.io/etcd/clientv3/concurrency"
)

func elections(one, other *clientv3.Client) {
	section("election")
	const name = "/election"
	mine, theirs := newSession(one, serviceTTL), newSession(other, serviceTTL)
	first, second := concurrency.NewElection(mine, name), concurrency.NewElection(theirs, name)
	_, err := second.Leader(background())
	expectRefusal("leader", err)
	watching, stop := context.WithCancel(background())
	defer stop()
	leaders := second.Observe(watching)
	observe := func() {
		leader := <-leaders
		say("observed", string(leader.Kvs[0].Value))
	}

	check(first.Campaign(background(), "one"))
	observe()
	secondLeads := inBackground(func() error { return second.Campaign(background(), "two") })
	await("the second campaigns", func() bool { return count(one, name) == 2 })
	check(first.Proclaim(background(), "one, again"))
	observe()

	pause(one)
	leader, err := second.Leader(background())
	check(err)
	say("leader", string(leader.Kvs[0].Value), len(secondLeads))
	check(first.Proclaim(background(), "one, still"))
	observe()
	check(first.Resign(background()))
	check(<-secondLeads)
	observe()
	expectRefusal("proclaim", first.Proclaim(background(), "too late"))
	check(theirs.Close())
	_, err = first.Leader(background())
	expectRefusal("leader", err)
	check(mine.Close())
}
