package store

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/seed-2dd5877b/reqresp/ssz"
)

// A Network is what identifies the network of a chain, in the form in which it is stored.
type Network struct {
	// Config is the network's configuration: a file that ssz.ParseConfig reads.
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

// BuiltIn returns a network that is built in, in the form in which it is stored.
func BuiltIn(b *ssz.BuiltIn) Network {
	n := b.Network()
	return Network{
		Config:                b.Config,
		GenesisTime:           uint64(n.GenesisTime().Unix()),
		GenesisValidatorsRoot: n.GenesisValidatorsRoot(),
	}
}

// SetNetwork records the network that the store's blocks are of. When one is recorded already,
// it has to be the same: of the same genesis and preset, and with the same fork digests up to the
// head. Then n replaces it, and may thus schedule forks that are yet to come. A store without
// blocks takes any. Otherwise the error
// is a [*NetworkError]; it wraps ssz.ErrConfig if n itself is unusable.
func (s *Store) SetNetwork(ctx context.Context, n Network) error {
	_, err := s.setNetwork(ctx, n, time.Time{})
	return err
}

// UseNetwork finds the network to serve the store with, and records it: the one that is given, else today's
// schedule of the recorded network if that is built in, else the recorded one. A built-in schedule that knows fewer
// forks or changes of the blob parameters than the recorded one is not today's. ErrNoNetwork is returned if none is
// given or recorded.
//
// What has changed in the schedule is returned, such as "GLOAS_FORK_EPOCH is 353024, was not scheduled", for a log.
// Only the future may change: the error is a [*NetworkError] where SetNetwork's would be, and if a fork or a change of
// the blob parameters whose epoch has passed at the time now is another in both. A fork that was not scheduled
// when the network was recorded may have passed since, after the head. A store without blocks takes any network
// that is given.
func (s *Store) UseNetwork(ctx context.Context, given *Network, now time.Time) (changes []string, err error) {
	if given == nil {
		v := s.view.Load()
		if v.Lost {
			return nil, ErrIndexLost
		}
		recorded := v.network
		if recorded == nil {
			return nil, ErrNoNetwork
		}
		b, ok := ssz.BuiltInOf(recorded.parsed)
		if !ok || !knowsMore(b.Network(), recorded.parsed) {
			return nil, nil
		}
		n := BuiltIn(b)
		given = &n
	}
	return s.setNetwork(ctx, *given, now)
}

// setNetwork records a network whose past, up to the head and to now, is that of the recorded one.
func (s *Store) setNetwork(ctx context.Context, n Network, now time.Time) (changes []string, err error) {
	given, err := parse(n)
	if err != nil {
		return nil, fmt.Errorf("store: network: %w", err)
	}
	if err := s.lock(ctx); err != nil {
		return nil, err
	}
	defer s.unlock()
	next := *s.view.Load()
	if next.network != nil {
		if next.network.Network == n {
			return nil, nil
		}
		changes = differences(given, next.network)
		if next.Head != nil && !next.network.matches(given, next.Head, now) {
			return nil, &NetworkError{Stored: next.network.Network, Given: n, Differences: changes}
		}
	}
	next.network = given
	batch := s.db.NewBatch()
	defer batch.Close()
	if err := putJSON(batch, networkKey, n); err != nil {
		return nil, err
	}
	return changes, s.commit(batch, &next)
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

// matches tells whether the blocks up to head can be of both n and other, and whether other has all that n has had
// up to now.
func (n *network) matches(other *network, head *position, now time.Time) bool {
	if n.GenesisTime != other.GenesisTime || n.GenesisValidatorsRoot != other.GenesisValidatorsRoot ||
		n.parsed.Preset() != other.parsed.Preset() {
		return false
	}
	epoch := n.parsed.EpochOf(head.Slot)
	if !slices.EqualFunc(n.periodsUntil(epoch), other.periodsUntil(epoch), sameBegin) {
		return false
	}
	return HasSchedule(other.parsed, n.parsed, n.parsed.EpochOf(n.parsed.SlotAt(now)))
}

// periodsUntil returns the periods that begin at epoch or before.
func (n *network) periodsUntil(epoch ssz.Epoch) []ssz.Period {
	periods := n.parsed.Periods()
	return slices.DeleteFunc(periods, func(p ssz.Period) bool { return p.First > epoch })
}

func sameBegin(a, b ssz.Period) bool { return a.First == b.First && a.Digest == b.Digest }

// knowsMore tells whether n has another schedule than other, and one that is no older: without fewer forks, or
// fewer changes of the blob parameters.
func knowsMore(n, other *ssz.Network) bool {
	ours, theirs := n.Config(), other.Config()
	return !slices.EqualFunc(n.Periods(), other.Periods(), sameBegin) &&
		forksOf(&ours) >= forksOf(&theirs) && len(ours.BlobSchedule) >= len(theirs.BlobSchedule)
}

// forksOf counts the forks that are scheduled.
func forksOf(c *ssz.Config) (n int) {
	for _, f := range c.Forks {
		if f.Epoch != ssz.FarFutureEpoch {
			n++
		}
	}
	return n
}

// HasSchedule tells whether n has the forks and the changes of the blob parameters that other has scheduled up to an
// epoch. It may have more.
func HasSchedule(n, other *ssz.Network, until ssz.Epoch) bool {
	ours, theirs := n.Config(), other.Config()
	for f, fork := range theirs.Forks {
		if fork.Epoch <= until && fork.Epoch != ssz.FarFutureEpoch && ours.Forks[f] != fork {
			return false
		}
	}
	return !slices.ContainsFunc(theirs.BlobSchedule, func(b ssz.BlobParameters) bool {
		return b.Epoch <= until && !slices.Contains(ours.BlobSchedule, b)
	})
}

// Differences names the values of a network that decide its fork digests and are others than those of the network
// before, such as "GLOAS_FORK_EPOCH is 353024, was not scheduled".
func Differences(network, before *ssz.Network) (all []string) {
	n, b := network.Config(), before.Config()
	add := func(key string, is, was any) {
		if is, was := fmt.Sprint(is), fmt.Sprint(was); is != was {
			all = append(all, fmt.Sprintf("%s is %s, was %s", key, is, was))
		}
	}
	add("genesis time", network.GenesisTime().Unix(), before.GenesisTime().Unix())
	add("genesis validators root", network.GenesisValidatorsRoot(), before.GenesisValidatorsRoot())
	add("PRESET_BASE", n.Preset, b.Preset)
	for f := range n.Forks {
		is, was := n.Forks[f], b.Forks[f]
		prefix := strings.ToUpper(ssz.Fork(f).String())
		if f == int(ssz.Phase0) {
			prefix = "GENESIS"
		}
		add(prefix+"_FORK_EPOCH", epoch(is.Epoch), epoch(was.Epoch))
		if is.Epoch != ssz.FarFutureEpoch && was.Epoch != ssz.FarFutureEpoch {
			add(prefix+"_FORK_VERSION", is.Version, was.Version)
		}
	}
	add("MAX_BLOBS_PER_BLOCK_ELECTRA", n.MaxBlobsPerBlockElectra, b.MaxBlobsPerBlockElectra)
	add("BLOB_SCHEDULE", blobSchedule(n.BlobSchedule), blobSchedule(b.BlobSchedule))
	return all
}

func differences(n, before *network) []string { return Differences(n.parsed, before.parsed) }

func epoch(e ssz.Epoch) string {
	if e == ssz.FarFutureEpoch {
		return "not scheduled"
	}
	return fmt.Sprint(uint64(e))
}

func blobSchedule(entries []ssz.BlobParameters) string {
	if len(entries) == 0 {
		return "empty"
	}
	texts := make([]string, len(entries))
	for i, e := range entries {
		texts[i] = fmt.Sprintf("%d blobs from epoch %d", e.MaxBlobsPerBlock, e.Epoch)
	}
	return strings.Join(texts, " and ")
}
