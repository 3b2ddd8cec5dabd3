package main

import (
	"context"
	"time"

	"go.etcd.io/etcd/clientv3"
	"go.etcd.io/etcd/clientv3/concurrency"
)

// Long enough for the request to create its key and wait: when cut off earlier, it would leave the key behind.
const lockPatience = 2 * time.Second

func newSession(client *clientv3.Client, ttl int) *concurrency.Session {
	session, err := concurrency.NewSession(client, concurrency.WithTTL(ttl))
	check(err)
	return session
}

// inBackground starts a call that has to wait, and returns a channel for its result.
func inBackground(call func() error) <-chan error {
	result := make(chan error, 1)
	go func() { result <- call() }()
	return result
}

func locks(one, other *clientv3.Client) {
	section("lock")
	const name = "/lock"
	waiting := func(keys int64) func() bool { return func() bool { return count(one, name) == keys } }
	mine, theirs := newSession(one, serviceTTL), newSession(other, serviceTTL)
	first, second := concurrency.NewMutex(mine, name), concurrency.NewMutex(theirs, name)
	check(first.Lock(background()))
	check(first.Lock(background()))
	say("held, also by the same session once more", isHeld(other, first.IsOwner()), count(one, name))

	secondHas := inBackground(func() error { return second.Lock(background()) })
	await("the second waits", waiting(2))
	impatient, cancel := context.WithTimeout(background(), lockPatience)
	defer cancel()
	third := newSession(other, serviceTTL)
	expectRefusal("waited in vain", concurrency.NewMutex(third, name).Lock(impatient))
	say("waiting, and holding", count(one, name))

	pause(one)
	say("held", isHeld(other, first.IsOwner()), len(secondHas))
	check(first.Unlock(background()))
	check(<-secondHas)
	say("handed on", isHeld(one, first.IsOwner()), isHeld(one, second.IsOwner()))

	section("lock of one that dies")
	check(second.Unlock(background()))
	dies := newSession(other, 1)
	check(concurrency.NewMutex(dies, name).Lock(background()))
	again := inBackground(func() error { return first.Lock(background()) })
	await("the first waits", waiting(2))
	dies.Orphan()
	check(<-again)
	say("handed on", isHeld(one, first.IsOwner()), count(one, name))
	check(mine.Close())
	say("gone with its session", count(one, name))
	check(theirs.Close())
	check(third.Close())
}

// isHeld tells whether a key has the create revision that its owner has noted.
func isHeld(client *clientv3.Client, owner clientv3.Cmp) bool {
	response, err := client.Txn(background()).If(owner).Commit()
	check(err)
	return response.Succeeded
}
