// Package pebble opens a Pebble database as an ethdb.KeyValueStore that reports damage, and a disk that is
// full, as errors.
//
// Package ethdb/pebble of go-ethereum opens the same databases, but has Pebble end the process instead: Pebble
// reports what it cannot go on after to its logger, from any goroutine, and that logger panics. Here a damaged
// block of a table fails the reads of that block and nothing else. After a failed write all writes fail, until
// the database is opened anew by another process; reads go on.
package pebble
