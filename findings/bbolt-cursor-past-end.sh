#!/usr/bin/env bash
# bbolt 1.5.0: a cursor that has moved past an end is still positioned at the last key. When `Next` has returned nil after the
# last key, `Prev` returns the key before the last one; the same happens at the beginning with `Next`. But after a `Seek` past the
# last key, which also returns nil, `Prev` returns the last key. A program that reverses its direction at the end of a scan skips
# a key.
#
# Seen (Linux, Go 1.26.8), with the keys a, b, c:
#   Last, Next, Prev: c nil b
#   First, Prev, Next: a nil b
#   Seek(z), Prev: nil c
#
# Needs Go 1.26. Fails if the behaviour changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
go mod init finding >/dev/null 2>&1
go get go.etcd.io/bbolt@v1.5.0 >/dev/null 2>&1
cat >main.go <<'END'
package main

import (
	"fmt"
	"log"
	"strings"

	"go.etcd.io/bbolt"
)

func main() {
	db, err := bbolt.Open("db", 0o600, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
	err = db.Update(func(tx *bbolt.Tx) error {
		bucket, err := tx.CreateBucket([]byte("bucket"))
		if err != nil {
			return err
		}
		for _, key := range []string{"a", "b", "c"} {
			if err := bucket.Put([]byte(key), nil); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}
	err = db.View(func(tx *bbolt.Tx) error {
		bucket := tx.Bucket([]byte("bucket"))
		cursor := bucket.Cursor()
		show("Last, Next, Prev", cursor.Last, cursor.Next, cursor.Prev)
		cursor = bucket.Cursor()
		show("First, Prev, Next", cursor.First, cursor.Prev, cursor.Next)
		cursor = bucket.Cursor()
		show("Seek(z), Prev", func() ([]byte, []byte) { return cursor.Seek([]byte("z")) }, cursor.Prev)
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}
}

func show(name string, steps ...func() (key, value []byte)) {
	var keys []string
	for _, step := range steps {
		key, _ := step()
		if key == nil {
			key = []byte("nil")
		}
		keys = append(keys, string(key))
	}
	fmt.Printf("%s: %s\n", name, strings.Join(keys, " "))
}
END
go mod tidy >/dev/null 2>&1
go build -o try .
./try | tee seen.txt
diff - seen.txt <<'END'
Last, Next, Prev: c nil b
First, Prev, Next: a nil b
Seek(z), Prev: nil c
END
