//go:build !race

package pebble_test

import (
	"testing"

	"github.com/ethereum/go-ethereum/ethdb"
	"github.com/ethereum/go-ethereum/ethdb/dbtest"
)

// With the race detector Pebble checks itself, and takes the empty key of this suite for out of order.
func TestDatabase(t *testing.T) {
	t.Parallel()
	dbtest.TestDatabaseSuite(t, func() ethdb.KeyValueStore { return open(t, t.TempDir()) })
}
