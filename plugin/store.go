package plugin

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/ethereum/go-ethereum/ethdb"
	"github.com/ethereum/go-ethereum/node"

	"github.com/seed-2dd5877b/reqresp/plugin/store"
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

// OpenStore opens the embedded store of the service with that Config.Name, DefaultName if it is empty, on a
// node on which it does not run: to fill it or to look into it. A store that is new is made. The database
// belongs to the caller, who closes it before a service starts and before the node is closed. It fails if
// less than 32 MiB are free on its volume, and stores no blocks while less than store.Reserve are. The error
// wraps [store.ErrCorrupt] if the database is damaged so that it cannot be opened.
func OpenStore(stack *node.Node, name string) (*store.Store, ethdb.Database, error) {
	name = cmp.Or(name, DefaultName)
	if err := validateName(name); err != nil {
		return nil, nil, err
	}
	return openStore(onNode{stack}, name)
}

func openStore(env environment, name string) (*store.Store, ethdb.Database, error) {
	var options []store.Option
	if path := env.path(storeName(name)); path != "" {
		options = append(options, store.FreeSpace(func() (uint64, error) { return freeSpace(path) }))
		if err := checkSpace(path, minFree); err != nil {
			return nil, nil, fmt.Errorf("plugin: opening the block database: %w", err)
		}
	}
	db, err := env.openDatabase(storeName(name))
	if err != nil {
		return nil, nil, fmt.Errorf("plugin: opening the block database: %w", err)
	}
	s, err := store.Open(db, options...)
	if err != nil {
		return nil, nil, errors.Join(err, db.Close())
	}
	return s, db, nil
}

// openStore opens the embedded store. Its network is the configured one, or the one that it was filled
// with, with today's schedule.
func (s *Service) openStore(r *running) error {
	var err error
	if r.store, r.db, err = openStore(s.env, s.cfg.Name); err != nil {
		return err
	}
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
	r.network, err = stored.Parse()
	return err
}
