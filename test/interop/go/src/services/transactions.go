package main

import (
	"fmt"
	"strconv"
	"sync"

	"go.etcd.io/etcd/clientv3"
	"go.etcd.io/etcd/clientv3/concurrency"
)

func transactions(one, other *clientv3.Client) {
	section("transaction")
	create := func(value string) *clientv3.TxnResponse {
		response, err := one.Txn(background()).
			If(clientv3.Compare(clientv3.CreateRevision("/txn/a"), "=", 0)).
			Then(clientv3.OpPut("/txn/a", value), clientv3.OpGet("/txn/", clientv3.WithPrefix())).
			Else(clientv3.OpGet("/txn/a"), clientv3.OpDelete("/txn/b")).
			Commit()
		check(err)
		return response
	}
	response := create("first")
	say("created", response.Succeeded, len(response.Responses), response.Responses[1].GetResponseRange().Count)
	response = create("second")
	say("exists", response.Succeeded, string(response.Responses[0].GetResponseRange().Kvs[0].Value))

	response, err := one.Txn(background()).
		If(
			clientv3.Compare(clientv3.Value("/txn/a"), ">", "a"),
			clientv3.Compare(clientv3.Version("/txn/").WithPrefix(), "<", 2),
			clientv3.Compare(clientv3.LeaseValue("/txn/a"), "=", 0),
		).
		Then(
			clientv3.OpDelete("/txn/a", clientv3.WithPrevKV()),
			clientv3.OpTxn(
				[]clientv3.Cmp{clientv3.Compare(clientv3.Value("/txn/a"), "=", "first")},
				[]clientv3.Op{clientv3.OpPut("/txn/nested", "then")},
				[]clientv3.Op{clientv3.OpPut("/txn/nested", "else")},
			),
		).
		Commit()
	check(err)
	say("nested", response.Succeeded, response.Responses[1].GetResponseTxn().Succeeded)
	say("deleted", string(response.Responses[0].GetResponseDeleteRange().PrevKvs[0].Value))

	_, err = one.Txn(background()).Then(clientv3.OpPut("/txn/x", "1"), clientv3.OpPut("/txn/x", "2")).Commit()
	expectRefusal("the same key twice", err)

	transfers(one, other)
}

// transfers moves amounts in both directions at once: a transaction whose reads have changed meanwhile runs again.
func transfers(clients ...*clientv3.Client) {
	section("software transactional memory")
	const each = 20
	put(clients[0], "/account/a", "100")
	put(clients[0], "/account/b", "100")
	var done sync.WaitGroup
	for side, client := range clients {
		from, to := "/account/a", "/account/b"
		if side%2 == 1 {
			from, to = to, from
		}
		done.Add(1)
		go func(client *clientv3.Client, amount int) {
			defer done.Done()
			for i := 0; i < each; i++ {
				_, err := concurrency.NewSTM(client, func(stm concurrency.STM) error {
					move(stm, from, to, amount)
					return nil
				})
				check(err)
			}
		}(client, side+1)
	}
	done.Wait()
	response, err := clients[0].Get(background(), "/account/", clientv3.WithPrefix())
	check(err)
	for _, kv := range response.Kvs {
		say("account", fmt.Sprintf("%s = %s after %d writes", kv.Key, kv.Value, kv.Version-1))
	}
}

func move(stm concurrency.STM, from, to string, amount int) {
	for key, change := range map[string]int{from: -amount, to: amount} {
		balance, err := strconv.Atoi(stm.Get(key))
		check(err)
		stm.Put(key, strconv.Itoa(balance+change))
	}
}
