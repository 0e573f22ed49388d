package plugin

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/core/rawdb"
	"github.com/ethereum/go-ethereum/ethdb"
	"github.com/ethereum/go-ethereum/ethdb/leveldb"
	"github.com/ethereum/go-ethereum/ethdb/memorydb"
	gethpebble "github.com/ethereum/go-ethereum/ethdb/pebble"
	"github.com/ethereum/go-ethereum/node"
	"github.com/shirou/gopsutil/disk"

	"github.com/seed-2dd5877b/reqresp/plugin/history"
	"github.com/seed-2dd5877b/reqresp/plugin/internal/pebble"
	"github.com/seed-2dd5877b/reqresp/plugin/store"
	"github.com/seed-2dd5877b/reqresp/protocols/era"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// DatabaseName is the name, in the node's directory, of the database of the embedded store of a service that is named
// DefaultName. That of any other service has the service's name and a dash before it.
const DatabaseName = "beaconchain"

// storeName is the database of a service's embedded store.
func storeName(name string) string {
	if name == DefaultName {
		return DatabaseName
	}
	return name + "-" + DatabaseName
}

// segmentsName is the directory of the segment files of a service's embedded store, beside the database.
func segmentsName(name string) string { return storeName(name) + "-segments" }

// OpenStore opens the embedded store of the service with that Config.Name, DefaultName if it is empty, on a
// node on which it does not run: to fill it or to look into it. A store that is new is made. The store and
// the database belong to the caller, who closes them, in this order, before a service starts and before the node is
// closed. It fails if less than 32 MiB are free on its volume, and stores no blocks while less than store.Reserve are.
// The error wraps [store.ErrCorrupt] if the database is damaged so that it cannot be opened.
func OpenStore(stack *node.Node, name string) (*store.Store, ethdb.Database, error) {
	name = cmp.Or(name, DefaultName)
	if err := validateName(name); err != nil {
		return nil, nil, err
	}
	return openStore(onNode{stack}, name)
}

func openStore(env environment, name string) (*store.Store, ethdb.Database, error) {
	var options []store.Option
	segments := env.path(segmentsName(name))
	if path := env.path(storeName(name)); path != "" {
		options = append(options, store.FreeSpace(func() (uint64, error) { return leastSpace(path, segments) }))
		if err := checkSpace(path, minFree); err != nil {
			return nil, nil, fmt.Errorf("plugin: opening the block database: %w", err)
		}
	}
	db, err := env.openDatabase(storeName(name))
	if err != nil {
		return nil, nil, fmt.Errorf("plugin: opening the block database: %w", err)
	}
	s, err := store.Open(db, segments, options...)
	if err != nil {
		return nil, nil, errors.Join(err, db.Close())
	}
	return s, db, nil
}

// openStore opens the embedded store. Its network is the configured one, or the one that it was filled
// with, with today's schedule.
func (s *Service) openStore(r *running) error {
	opened, db, err := openStore(s.env, s.cfg.Name)
	if err != nil {
		return err
	}
	r.onClose(db.Close)
	r.onClose(opened.Close)
	r.store = opened
	changes, err := r.store.UseNetwork(context.Background(), s.cfg.Genesis, s.cfg.Now())
	if errors.Is(err, store.ErrNoNetwork) {
		return fmt.Errorf("plugin: the embedded store is new, and nothing tells its network, set Config.Genesis: %w", err)
	}
	if err != nil {
		return err
	}
	if len(changes) > 0 {
		s.log().Info("the store's network has another schedule now", "changes", strings.Join(changes, "; "))
	}
	stored, _ := r.store.Network()
	if r.network, err = stored.Parse(); err != nil {
		return err
	}
	s.convertStore(r)
	return nil
}

// convertStore moves the history that is in the database of the embedded store, as in one of an earlier version, to its
// segment files, while the service runs.
func (s *Service) convertStore(r *running) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	r.onClose(func() error { cancel(); <-done; return nil })
	go func() {
		defer close(done)
		var logged time.Time
		err := r.store.Convert(ctx, func(slot, last ssz.Slot) {
			if time.Since(logged) >= convertLogInterval {
				logged = time.Now()
				s.log().Info("moving the store's history to segment files", "slot", slot, "last", last)
			}
		})
		if err != nil && ctx.Err() == nil {
			s.log().Error("the store's history cannot be moved to segment files", "err", err)
		}
	}()
}

// convertLogInterval is how often the progress of a conversion is logged.
const convertLogInterval = time.Minute

// openHistory opens the era files that are served with the embedded store, which is open.
func (s *Service) openHistory(r *running) error {
	ctx := context.Background()
	dir, err := era.OpenDir(ctx, s.cfg.Era, r.network, nil)
	if err != nil {
		return fmt.Errorf("plugin: Config.Era: %w", err)
	}
	r.onClose(dir.Close)
	roots, err := era.OpenRootIndex(ctx, filepath.Join(s.cfg.Era, era.RootIndexName(r.network)), r.network)
	switch {
	case err == nil:
		r.onClose(roots.Close)
	case !errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("plugin: Config.Era: %w", err)
	}
	if r.history, err = history.Open(ctx, dir, r.network, r.store, roots); err != nil {
		return fmt.Errorf("plugin: Config.Era: %s: %w", s.cfg.Era, err)
	}
	return nil
}

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

// minFree is how many bytes a volume has free at least when a database is opened on it: what Pebble may write before
// it is open. That is less than store.Reserve, so that what a full disk has paused can be started again.
const minFree = 32 << 20

// checkSpace fails if the volume of a database has less than want bytes free. Where that cannot be known the database
// has to say what is wrong.
func checkSpace(path string, want uint64) error {
	free, err := freeSpace(path)
	if err != nil || free >= want {
		return nil
	}
	return fmt.Errorf("%s: %d MiB are free on its volume, want at least %d", path, free>>20, want>>20)
}

// freeSpace returns how many bytes are free on the volume of a database: that of its directory, which may be
// a volume or a link to one, or of the parent if it is new.
func freeSpace(path string) (uint64, error) {
	usage, err := disk.Usage(path)
	if err != nil {
		usage, err = disk.Usage(filepath.Dir(path))
	}
	if err != nil {
		return 0, err
	}
	return usage.Free, nil
}

// leastSpace returns how many bytes are free on the one of two volumes that has fewer.
func leastSpace(path, other string) (uint64, error) {
	a, err := freeSpace(path)
	b, otherErr := freeSpace(other)
	return min(a, b), errors.Join(err, otherErr)
}

// scheduleMonths is how many months a built-in schedule is good for: the time between two forks has been longer.
const scheduleMonths = 6

// checkSchedule logs what may keep peers away from a network that is built in: that it is retired, that its schedule
// is old, or that the one in use lacks what is built in.
func (s *Service) checkSchedule(n *ssz.Network) {
	b, ok := ssz.BuiltInOf(n)
	if !ok {
		return
	}
	logger := s.log().With("network", b.Name)
	if b.Retired {
		logger.Warn("the network has been shut down: it may have no peers")
		return
	}
	if !store.HasSchedule(n, b.Network(), ssz.FarFutureEpoch) {
		logger.Warn("the network's schedule lacks what the one that is built in has: peers that follow that refuse this node",
			"built_in", strings.Join(store.Differences(b.Network(), n), "; "))
		return
	}
	given := s.cfg.Genesis != nil && s.cfg.Genesis.Config != b.Config // a file that says the same, perhaps of today
	if !given && len(store.Differences(n, b.Network())) == 0 && s.cfg.Now().After(b.Date.AddDate(0, scheduleMonths, 0)) {
		logger.Warn("the built-in schedule is old: forks scheduled since are not known, unless a configuration has them",
			"as_of", b.Date.Format(time.DateOnly))
	}
}
