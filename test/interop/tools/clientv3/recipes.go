package main

import (
	"fmt"

	clientv3 "go.etcd.io/etcd/client/v3"
	recipe "go.etcd.io/etcd/client/v3/experimental/recipes"
)

func barriers(one, other *clientv3.Client) {
	section("barriers")
	barrier := recipe.NewBarrier(one, "/barrier")
	check(barrier.Hold())
	expectRefusal("hold", recipe.NewBarrier(other, "/barrier").Hold())
	passed := inBackground(func() error { return recipe.NewBarrier(other, "/barrier").Wait() })
	check(barrier.Release())
	check(<-passed)

	mine, theirs := newSession(one), newSession(other)
	first, second := recipe.NewDoubleBarrier(mine, "/double", 2), recipe.NewDoubleBarrier(theirs, "/double", 2)
	entered := inBackground(second.Enter)
	check(first.Enter())
	check(<-entered)
	left := inBackground(second.Leave)
	check(first.Leave())
	check(<-left)
	check(mine.Close())
	check(theirs.Close())
	say("left", must(one.Get(ctx, "/double", clientv3.WithPrefix())).Count)
}

func queues(client *clientv3.Client) {
	section("queues")
	queue := recipe.NewQueue(client, "/queue")
	taken := make(chan string)
	go func() {
		for range 5 {
			taken <- must(queue.Dequeue())
		}
		close(taken)
	}()
	for n := range 5 {
		check(queue.Enqueue(fmt.Sprint(n)))
		say("taken", <-taken)
	}
	urgent := recipe.NewPriorityQueue(client, "/priority")
	for priority, value := range []string{"first", "second", "third"} {
		check(urgent.Enqueue(value, uint16(priority)))
	}
	check(urgent.Enqueue("before second", 0))
	for range 4 {
		say("taken", must(urgent.Dequeue()))
	}
}

func readersAndWriters(one, other *clientv3.Client) {
	section("readers and writers")
	mine, theirs, writers := newSession(one), newSession(other), newSession(one)
	first, second, writer := recipe.NewRWMutex(mine, "/rw"), recipe.NewRWMutex(theirs, "/rw"), recipe.NewRWMutex(writers, "/rw")
	check(first.RLock())
	check(second.RLock())
	written := inBackground(writer.Lock)
	awaitKeys(one, "/rw/", 3)
	check(first.RUnlock())
	say("writes", len(written))
	check(second.RUnlock())
	check(<-written)
	read := inBackground(first.RLock)
	awaitKeys(one, "/rw/", 2)
	say("reads", len(read))
	check(writer.Unlock())
	check(<-read)
	check(first.RUnlock())
	say("left", must(one.Get(ctx, "/rw/", clientv3.WithPrefix())).Count)
}
