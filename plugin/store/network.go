package store

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/seed-2dd5877b/reqresp/ssz"
)

// A Network is what identifies the network of a chain, in the form in which it is stored.
type Network struct {
	// Config is the network's configuration, a YAML file in the format of the consensus specs,
	// see ssz.ParseConfig.
	Config string `json:"config"`
	// GenesisTime is the time of slot 0, in Unix seconds.
	GenesisTime uint64 `json:"genesis_time"`
	// GenesisValidatorsRoot is the hash tree root of the validators at genesis.
	GenesisValidatorsRoot ssz.Root `json:"genesis_validators_root"`
}

// String returns the network's name, if its configuration has one, and its genesis.
func (n Network) String() string {
	name := "network"
	if cfg, err := ssz.ParseConfig([]byte(n.Config)); err == nil && cfg.Name != "" {
		name = fmt.Sprintf("network %q", cfg.Name)
	}
	return fmt.Sprintf("%s (genesis time %d, genesis validators root %v)", name, n.GenesisTime, n.GenesisValidatorsRoot)
}

// Parse returns the network with its types and its schedule. The error wraps ssz.ErrConfig and
// names the value.
func (n Network) Parse() (*ssz.Network, error) {
	cfg, err := ssz.ParseConfig([]byte(n.Config))
	if err != nil {
		return nil, err
	}
	return ssz.NewNetwork(*cfg, time.Unix(int64(n.GenesisTime), 0), n.GenesisValidatorsRoot)
}

// Network returns the network that the store's blocks are of. It reports false if none is set.
func (s *Store) Network() (Network, bool) {
	n := s.view.Load().network
	if n == nil {
		return Network{}, false
	}
	return n.Network, true
}

// SetNetwork records the network that the store's blocks are of. When one is recorded already,
// it has to be the same: of the same genesis and preset, and with the same fork digests up to the
// head. Then n replaces it, and may thus schedule forks that are yet to come. A store without
// blocks takes any. Otherwise the error
// is a [*NetworkError]; it wraps ssz.ErrConfig if n itself is unusable.
func (s *Store) SetNetwork(ctx context.Context, n Network) error {
	given, err := parse(n)
	if err != nil {
		return fmt.Errorf("store: network: %w", err)
	}
	if err := s.lock(ctx); err != nil {
		return err
	}
	defer s.unlock()
	next := *s.view.Load()
	if next.network != nil {
		if next.network.Network == n {
			return nil
		}
		if next.Head != nil && !next.network.matches(given, next.Head) {
			return &NetworkError{Stored: next.network.Network, Given: n}
		}
	}
	next.network = given
	batch := s.db.NewBatch()
	defer batch.Close()
	if err := putJSON(batch, networkKey, n); err != nil {
		return err
	}
	return s.commit(batch, &next)
}

// A network is a Network along with what follows from it.
type network struct {
	Network
	parsed *ssz.Network
}

func parse(n Network) (*network, error) {
	parsed, err := n.Parse()
	if err != nil {
		return nil, err
	}
	return &network{n, parsed}, nil
}

// matches tells whether the blocks up to head can be of both n and other.
func (n *network) matches(other *network, head *position) bool {
	if n.GenesisTime != other.GenesisTime || n.GenesisValidatorsRoot != other.GenesisValidatorsRoot ||
		n.parsed.Preset() != other.parsed.Preset() {
		return false
	}
	var epoch ssz.Epoch
	if head != nil {
		epoch = n.parsed.EpochOf(head.Slot)
	}
	return slices.EqualFunc(n.periodsUntil(epoch), other.periodsUntil(epoch), func(a, b ssz.Period) bool {
		return a.First == b.First && a.Digest == b.Digest
	})
}

// periodsUntil returns the periods that begin at epoch or before.
func (n *network) periodsUntil(epoch ssz.Epoch) []ssz.Period {
	periods := n.parsed.Periods()
	return slices.DeleteFunc(periods, func(p ssz.Period) bool { return p.First > epoch })
}
