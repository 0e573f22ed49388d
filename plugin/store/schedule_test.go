package store_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/ethdb/memorydb"

	"github.com/seed-2dd5877b/reqresp/plugin/store"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// Sepolia has Gloas from this slot on.
const sepoliaGloas = 353024 * 32

func sepolia(t *testing.T) store.Network {
	t.Helper()
	b, err := ssz.BuiltInNamed("sepolia")
	must(t, err)
	return store.BuiltIn(b)
}

// changed returns a network with a text in its configuration replaced.
func changed(t *testing.T, n store.Network, old, replacement string) store.Network {
	t.Helper()
	if !strings.Contains(n.Config, old) {
		t.Fatalf("no %q in the configuration", old)
	}
	n.Config = strings.Replace(n.Config, old, replacement, 1)
	return n
}

// A store is used with today's schedule of its network. What is to come may change, what has been may not.
func TestUseNetwork(t *testing.T) {
	t.Parallel()
	today := sepolia(t)
	before := changed(t, today, "GLOAS_FORK_EPOCH: 353024\n", "GLOAS_FORK_EPOCH: 18446744073709551615\n")
	noBlobs := changed(t, today, "  - EPOCH: 275712\n    MAX_BLOBS_PER_BLOCK: 21\n", "")
	planned := changed(t, today, "GLOAS_FORK_EPOCH: 353024", "GLOAS_FORK_EPOCH: 353000")
	later := changed(t, today, "GLOAS_FORK_EPOCH: 353024", "GLOAS_FORK_EPOCH: 399999")
	more := changed(t, today, "GLOAS_FORK_EPOCH: 353024", "GLOAS_FORK_EPOCH: 353024\nHEZE_FORK_VERSION: 0x90000077\nHEZE_FORK_EPOCH: 400000")
	own := changed(t, today, "MAX_REQUEST_BLOCKS: 1024", "MAX_REQUEST_BLOCKS: 999")
	n, err := today.Parse()
	must(t, err)
	soon, long := n.TimeAt(sepoliaGloas-1), n.TimeAt(sepoliaGloas+32*1000)
	scheduled := []string{"GLOAS_FORK_EPOCH is 353024, was not scheduled"}
	for name, tt := range map[string]struct {
		recorded store.Network
		head     ssz.Slot
		given    *store.Network
		now      time.Time
		want     store.Network
		changes  []string
		refused  string
	}{
		"a fork that was scheduled since":            {before, 1000, nil, soon, today, scheduled, ""},
		"and has passed":                             {before, sepoliaGloas - 1, nil, long, today, scheduled, ""},
		"and blocks were stored without it":          {before, sepoliaGloas, nil, long, before, nil, scheduled[0]},
		"the same, given":                            {before, 1000, &today, long, today, scheduled, ""},
		"the same, given, with such blocks":          {before, sepoliaGloas, &today, long, before, nil, scheduled[0]},
		"blobs that were scheduled since":            {noBlobs, 1000, nil, long, today, []string{"BLOB_SCHEDULE is 15 blobs from epoch 274176 and 21 blobs from epoch 275712, was 15 blobs from epoch 274176"}, ""},
		"a fork that was moved":                      {planned, 1000, nil, n.TimeAt(352000 * 32), today, []string{"GLOAS_FORK_EPOCH is 353024, was 353000"}, ""},
		"a fork that has passed in another epoch":    {planned, 1000, nil, long, planned, nil, "GLOAS_FORK_EPOCH is 353024, was 353000"},
		"a fork that is given later, and is to come": {today, 1000, &later, soon, later, []string{"GLOAS_FORK_EPOCH is 399999, was 353024"}, ""},
		"a fork that is given later, and has passed": {today, 1000, &later, long, today, nil, "GLOAS_FORK_EPOCH is 399999, was 353024"},
		"a schedule that knows more":                 {more, 1000, nil, long, more, nil, ""},
		"the schedule of today":                      {today, sepoliaGloas + 9, nil, long, today, nil, ""},
		"a configuration of one's own":               {own, sepoliaGloas + 9, nil, long, own, nil, ""},
		"a network that is not built in":             {realNetwork, 64, nil, long, realNetwork, nil, ""},
		"another network":                            {realNetwork, 64, &today, long, realNetwork, nil, "genesis validators root is 0xd8ea171f"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := memorydb.New()
			s := open(t, db)
			must(t, s.SetNetwork(t.Context(), tt.recorded))
			must(t, s.Append(t.Context(), syntheticBlocks(1, 500, tt.head)...))
			changes, err := s.UseNetwork(t.Context(), tt.given, tt.now)
			if refused, ok := errors.AsType[*store.NetworkError](err); ok != (tt.refused != "") || err != nil && !ok {
				t.Fatalf("error %v", err)
			} else if ok && (!strings.Contains(err.Error(), tt.refused) || refused.Stored != tt.recorded) {
				t.Errorf("error %v, want %q", err, tt.refused)
			}
			if !slices.Equal(changes, tt.changes) {
				t.Errorf("changes %q, want %q", changes, tt.changes)
			}
			if got, _ := open(t, db).Network(); got != tt.want {
				t.Errorf("network %v, want %v", got, tt.want)
			}
			if tt.refused != "" {
				return
			}
			if changes, err := s.UseNetwork(t.Context(), tt.given, tt.now); err != nil || changes != nil {
				t.Errorf("the second time: %q, error %v", changes, err)
			}
		})
	}
}

func TestUseNetworkOfAnEmptyStore(t *testing.T) {
	t.Parallel()
	s := open(t, memorydb.New())
	if _, err := s.UseNetwork(t.Context(), nil, time.Now()); !errors.Is(err, store.ErrNoNetwork) {
		t.Errorf("error %v, want %v", err, store.ErrNoNetwork)
	}
	for _, n := range []store.Network{realNetwork, sepolia(t)} { // A store without blocks takes any.
		if _, err := s.UseNetwork(t.Context(), &n, time.Now()); err != nil {
			t.Errorf("%v: %v", n, err)
		}
	}
	bad := store.Network{Config: "PRESET_BASE: mainnet"}
	if _, err := s.UseNetwork(t.Context(), &bad, time.Now()); !errors.Is(err, ssz.ErrConfig) {
		t.Errorf("error %v, want %v", err, ssz.ErrConfig)
	}
}
