package plugin

import (
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/core/rawdb"
	"github.com/ethereum/go-ethereum/ethdb"
	"github.com/ethereum/go-ethereum/ethdb/leveldb"
	"github.com/ethereum/go-ethereum/ethdb/memorydb"
	gethpebble "github.com/ethereum/go-ethereum/ethdb/pebble"

	"github.com/seed-2dd5877b/reqresp/plugin/internal/pebble"
	"github.com/seed-2dd5877b/reqresp/plugin/store"
)

// The cache and file handles of a service's database.
const (
	databaseCache   = 64 // MiB
	databaseHandles = 64
)

// openDatabase opens the database in a directory, in memory if that is empty. A database that is there
// already decides what engine it is opened with; engine, if not empty, is what the node wants. The error names the
// directory, and wraps store.ErrCorrupt if the database is damaged so that it cannot be opened.
func openDatabase(path, engine string) (ethdb.Database, error) {
	if path == "" {
		return rawdb.NewDatabase(memorydb.New()), nil
	}
	found := rawdb.PreexistingDatabase(path)
	switch {
	case engine != "" && engine != rawdb.DBPebble && engine != rawdb.DBLeveldb:
		return nil, fmt.Errorf("node.Config.DBEngine %q: want %q or %q", engine, rawdb.DBPebble, rawdb.DBLeveldb)
	case engine != "" && found != "" && found != engine:
		return nil, fmt.Errorf("%s is a %s database, and node.Config.DBEngine is %q: leave that empty", path, found, engine)
	case found == rawdb.DBLeveldb, found == "" && engine == rawdb.DBLeveldb:
		db, err := leveldb.New(path, databaseCache, databaseHandles, "", false)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		return rawdb.NewDatabase(db), nil
	}
	if gethpebble.NeedsV1(path) {
		if err := gethpebble.Upgrade(path); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
	}
	db, err := pebble.Open(path, databaseCache, databaseHandles)
	if errors.Is(err, pebble.ErrCorrupt) {
		return nil, fmt.Errorf("%w: %w", store.ErrCorrupt, err)
	}
	if err != nil {
		return nil, err
	}
	return rawdb.NewDatabase(db), nil
}
