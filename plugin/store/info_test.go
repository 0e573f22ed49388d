package store_test

import (
	"encoding/binary"
	"errors"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/ethdb"
	"github.com/ethereum/go-ethereum/ethdb/memorydb"
	"github.com/ethereum/go-ethereum/node"

	"github.com/seed-2dd5877b/reqresp/plugin/devchain"
	"github.com/seed-2dd5877b/reqresp/plugin/store"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

func TestStoreInTheDatabaseOfANode(t *testing.T) {
	t.Parallel()
	for name, dir := range map[string]string{"in memory": "", "on disk": t.TempDir()} {
		t.Run(name, func(t *testing.T) {
			stack, err := node.New(&node.Config{DataDir: dir})
			must(t, err)
			defer stack.Close()
			db, err := stack.OpenDatabase("beaconchain", 16, 16, "", false)
			must(t, err)
			openWith(t, db, realBlocks()...)
			checkServed(t, open(t, db), realBlocks())
		})
	}
}

func TestOpenRefusesOtherDatabases(t *testing.T) {
	t.Parallel()
	version := func(v uint32) []byte { return sealed(binary.BigEndian.AppendUint32(nil, v)) }
	tests := map[string]struct{ key, value []byte }{
		"other data":         {[]byte("LastBlock"), []byte{1}},
		"other data below v": {[]byte("v1"), []byte{1}},
		"a later version":    {[]byte("v"), version(3)},
		"a damaged version":  {[]byte("v"), append(version(2)[:7], 9)},
		"a short version":    {[]byte("v"), []byte{1}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := memorydb.New()
			must(t, db.Put(tt.key, tt.value))
			if _, err := store.Open(db, dirOf(t, db)); !errors.Is(err, store.ErrSchema) {
				t.Errorf("error %v, want %v", err, store.ErrSchema)
			}
		})
	}
	db := memorydb.New()
	must(t, db.Put([]byte("v"), version(2)))
	open(t, db)
}

func TestOpenWritesNothing(t *testing.T) {
	t.Parallel()
	db := memorydb.New()
	open(t, db)
	if db.Len() != 0 {
		t.Errorf("%d entries after Open, want none", db.Len())
	}
}

func TestOpenReportsDamagedRecordsOfTheChain(t *testing.T) {
	t.Parallel()
	for _, key := range []string{"c", "n"} {
		db := memorydb.New()
		openWith(t, db, realBlocks()[:5]...)
		damage(t, db, []byte(key), damages["middle bit"])
		checkServed(t, open(t, db), realBlocks()[:5]) // There is the copy.
		damage(t, db, []byte("z"+key), damages["middle bit"])
		if _, err := store.Open(db, dirOf(t, db)); !errors.Is(err, store.ErrCorrupt) {
			t.Errorf("damaged record %q: error %v, want %v", key, err, store.ErrCorrupt)
		}
	}
}

func TestNetworkIsKept(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, db ethdb.KeyValueStore) {
		s := open(t, db)
		if n, ok := s.Network(); ok {
			t.Errorf("a new store has network %v", n)
		}
		must(t, s.SetNetwork(t.Context(), realNetwork))
		must(t, s.SetNetwork(t.Context(), realNetwork))
		for _, s := range []*store.Store{s, open(t, db)} {
			got, ok := s.Network()
			if !ok || got != realNetwork {
				t.Errorf("network %v, %t, want %v", got, ok, realNetwork)
			}
			n, err := got.Parse()
			must(t, err)
			if !reflect.DeepEqual(n.Periods(), devchain.Network().Periods()) {
				t.Errorf("periods %v, want %v", n.Periods(), devchain.Network().Periods())
			}
		}
	})
}

func TestSetNetwork(t *testing.T) {
	t.Parallel()
	with := func(change func(*store.Network)) store.Network {
		n := realNetwork
		change(&n)
		return n
	}
	config := func(from, to string) store.Network {
		return with(func(n *store.Network) { n.Config = strings.Replace(n.Config, from, to, 1) })
	}
	tests := map[string]struct {
		given   store.Network
		same    bool
		differs string // what a schedule does in
	}{
		"another comment":             {config("# ", "# The "), true, ""},
		"another name":                {config("CONFIG_NAME: mainnet", "CONFIG_NAME: devnet"), true, ""},
		"a fork to come":              {config("GLOAS_FORK_EPOCH: 18446744073709551615", "GLOAS_FORK_EPOCH: 100"), true, ""},
		"a fork that has been":        {config("FULU_FORK_EPOCH: 2", "FULU_FORK_EPOCH: 1"), false, "FULU_FORK_EPOCH is 1, was 2"},
		"a fork that has not been":    {config("FULU_FORK_EPOCH: 2", "FULU_FORK_EPOCH: 200"), false, "FULU_FORK_EPOCH is 200, was 2"},
		"another version":             {config("0x05000000", "0x05000001"), false, "ELECTRA_FORK_VERSION is 0x05000001, was 0x05000000"},
		"another preset":              {config("PRESET_BASE: mainnet", "PRESET_BASE: minimal"), false, "PRESET_BASE is minimal, was mainnet"},
		"another genesis time":        {with(func(n *store.Network) { n.GenesisTime++ }), false, ""},
		"other validators at genesis": {with(func(n *store.Network) { n.GenesisValidatorsRoot[5]++ }), false, ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := memorydb.New()
			s := openWith(t, db, realBlocks()...)
			if tt.given == realNetwork {
				t.Fatal("nothing was changed")
			}
			err := s.SetNetwork(t.Context(), tt.given)
			want := tt.given
			if !tt.same {
				want = realNetwork
				mismatch, ok := errors.AsType[*store.NetworkError](err)
				if !ok || mismatch.Stored != realNetwork || mismatch.Given != tt.given {
					t.Fatalf("error %v, want a NetworkError", err)
				}
				want := []string{realNetwork.String(), tt.given.String(), tt.differs}
				if strings.Contains(err.Error(), ", not of") == (realNetwork.String() == tt.given.String()) {
					t.Errorf("error %q", err)
				}
				for _, want := range want {
					if !strings.Contains(err.Error(), want) {
						t.Errorf("error %q does not name %v", err, want)
					}
				}
			} else if err != nil {
				t.Fatal(err)
			}
			if got, _ := open(t, db).Network(); got != want {
				t.Errorf("network %v, want %v", got, want)
			}
		})
	}
	s := open(t, memorydb.New())
	for name, n := range map[string]store.Network{
		"no configuration":  {GenesisTime: 1},
		"bad configuration": {Config: "FULU_FORK_EPOCH: soon", GenesisTime: 1},
		"genesis overflows": with(func(n *store.Network) { n.GenesisTime = 1 << 63 }),
	} {
		if err := s.SetNetwork(t.Context(), n); !errors.Is(err, ssz.ErrConfig) {
			t.Errorf("%s: error %v, want %v", name, err, ssz.ErrConfig)
		}
	}
}

func TestInfo(t *testing.T) {
	t.Parallel()
	blocks := realBlocks()
	source := beacon.Status{
		ForkDigest: ssz.ForkDigest{1, 2, 3, 4}, FinalizedRoot: devchain.FinalizedRoot(), FinalizedEpoch: 2,
		HeadRoot: devchain.HeadRoot(), HeadSlot: 142, EarliestAvailableSlot: 7,
	}
	anchor := func(slot ssz.Slot, origin store.Origin) store.Anchor {
		return store.Anchor{Root: blocks[slot-1].Root, Slot: slot, Origin: origin}
	}
	tests := map[string]struct {
		anchor          store.Anchor
		held            int // blocks 1 to held are in the store
		heldAnchor, yes bool
	}{
		"above the finalized block":     {anchor(100, store.Given), 142, true, true},
		"the finalized block itself":    {anchor(64, store.Given), 142, true, true},
		"exactly up to the anchor":      {anchor(100, store.Given), 100, true, true},
		"not up to the anchor":          {anchor(100, store.Given), 99, false, false},
		"below the finalized block":     {anchor(63, store.Given), 142, true, false},
		"a peer's word":                 {anchor(64, store.FromPeer), 142, true, false},
		"at an unknown slot":            {store.Anchor{Root: blocks[99].Root, Origin: store.Given}, 142, true, true},
		"at another slot than expected": {store.Anchor{Root: blocks[99].Root, Slot: 101, Origin: store.Given}, 142, false, false},
		"of another chain":              {store.Anchor{Root: ssz.Root{1}, Slot: 100, Origin: store.Given}, 142, false, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := memorydb.New()
			s := open(t, db)
			if got := s.Info(); got != (store.Info{}) {
				t.Errorf("a new store has info %+v", got)
			}
			must(t, s.SetSource(t.Context(), beacon.Status{}))
			must(t, s.SetSource(t.Context(), source))
			must(t, s.SetAnchor(t.Context(), tt.anchor))
			must(t, s.Append(t.Context(), blocks[:tt.held]...))
			want := store.Info{Source: &source, Anchor: &tt.anchor, AnchorHeld: tt.heldAnchor, Confirmed: tt.yes}
			for _, s := range []*store.Store{s, open(t, db)} {
				if got := s.Info(); !reflect.DeepEqual(got, want) {
					t.Errorf("info %+v, want %+v", got, want)
				}
			}
			must(t, s.Truncate(t.Context(), 64))
			if got := s.Info(); got.Confirmed {
				t.Error("confirmed without the finalized block")
			}
		})
	}
}

func TestInfoBelongsToTheCaller(t *testing.T) {
	t.Parallel()
	s := open(t, memorydb.New())
	must(t, s.SetSource(t.Context(), beacon.Status{HeadSlot: 1}))
	must(t, s.SetAnchor(t.Context(), store.Anchor{Slot: 2, Origin: store.Given}))
	info := s.Info()
	info.Source.HeadSlot, info.Anchor.Slot = 10, 20
	if info = s.Info(); info.Source.HeadSlot != 1 || info.Anchor.Slot != 2 {
		t.Errorf("the store follows a change of what it returned: %+v, %+v", info.Source, info.Anchor)
	}
}

func TestSetAnchorRejectsUnknownOrigins(t *testing.T) {
	t.Parallel()
	err := open(t, memorydb.New()).SetAnchor(t.Context(), store.Anchor{Origin: "hearsay"})
	if err == nil || !strings.Contains(err.Error(), `"hearsay"`) {
		t.Errorf("error %v, want one that names the origin", err)
	}
}

// What is before the first block nobody can know, whatever the source of the block says: only before slot 1 there is
// nothing that could be sent.
func TestTheEarliestSlotIsThatOfTheFirstBlock(t *testing.T) {
	t.Parallel()
	blocks := realBlocks()
	for first, want := range map[int]ssz.Slot{1: 0, 2: 2, 40: 40} {
		eachDatabase(t, func(t *testing.T, db ethdb.KeyValueStore) {
			s := openWith(t, db, blocks[first-1:]...)
			for _, s := range []*store.Store{s, open(t, db)} {
				if got := s.Info().Earliest; got != want {
					t.Errorf("first block %d: earliest slot %d, want %d", first, got, want)
				}
				if status, err := s.Status(t.Context()); err != nil || status.EarliestAvailableSlot != want {
					t.Errorf("first block %d: status %+v, %v", first, status, err)
				}
				if _, err := byRange(s, want-1, 10); want > 0 && !errors.Is(err, beacon.ErrUnavailable) {
					t.Errorf("first block %d: range below: error %v", first, err)
				}
				parent, ok, err := s.FirstParent(t.Context())
				if err != nil || !ok || parent != blocks[first-1].ParentRoot {
					t.Errorf("first block %d: parent %v, %t, %v", first, parent, ok, err)
				}
			}
			must(t, s.Truncate(t.Context(), 0)) // Nothing is known any more.
			if _, ok, err := s.FirstParent(t.Context()); ok || err != nil {
				t.Errorf("empty: there is a first block: %v", err)
			}
			must(t, s.Append(t.Context(), blocks[10]))
			if got := s.Info().Earliest; got != 11 {
				t.Errorf("earliest slot %d, want that of the first block, 11", got)
			}
		})
	}
}

// TestAnEarlierClaimIsGivenUp opens stores as earlier versions have left them: complete, as they say, from a slot on
// that no block proves.
func TestAnEarlierClaimIsGivenUp(t *testing.T) {
	t.Parallel()
	blocks := realBlocks()
	for name, tt := range map[string]struct {
		blocks []*beacon.Block
		claim  string // in the record of the chain
		want   ssz.Slot
	}{
		"slots left out":         {blocks[39:], `"earliest":0`, 40},
		"from a slot that asked": {blocks[39:], `"earliest":20`, 40},
		"from slot 1":            {blocks, `"earliest":0`, 0},
		"as it is":               {blocks[39:], `"earliest":40`, 40},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			eachDatabase(t, func(t *testing.T, db ethdb.KeyValueStore) {
				openWith(t, db, tt.blocks...)
				damage(t, db, []byte("c"), func(value []byte) []byte {
					record := string(value[4:])
					record = regexp.MustCompile(`"earliest":\d+`).ReplaceAllString(record, tt.claim)
					record = regexp.MustCompile(`,"first":\d+`).ReplaceAllString(record, "")
					if !strings.Contains(record, tt.claim) || strings.Contains(record, "first") {
						t.Fatalf("record %s", record)
					}
					return sealed([]byte(record))
				})
				s := open(t, db)
				if got := s.Info().Earliest; got != tt.want {
					t.Errorf("earliest slot %d, want %d", got, tt.want)
				}
				must(t, s.SetSource(t.Context(), beacon.Status{}))
				if got := open(t, db).Info().Earliest; got != tt.want {
					t.Errorf("earliest slot %d once written, want %d", got, tt.want)
				}
			})
		})
	}
}

func TestPrunedSlotsStayKnown(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, db ethdb.KeyValueStore) {
		blocks := syntheticBlocks(1, 1000, 5, 10, 20)
		s := openWith(t, db, blocks...)
		must(t, s.Prune(t.Context(), 8))
		if got := open(t, db).Info().Earliest; got != 8 {
			t.Errorf("earliest slot %d, want 8", got)
		}
	})
}

func TestTheParentOfTheFirstBlockAsAnAnchor(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, db ethdb.KeyValueStore) {
		blocks := realBlocks()
		s := openWith(t, db, blocks[64:]...)
		for _, root := range []ssz.Root{blocks[63].Root, blocks[62].Root} {
			must(t, s.SetAnchor(t.Context(), store.Anchor{Root: root, Origin: store.Given}))
			for _, s := range []*store.Store{s, open(t, db)} {
				info := s.Info()
				if info.AnchorBelow != (root == blocks[63].Root) || info.AnchorHeld || info.Confirmed {
					t.Errorf("info %+v", info)
				}
			}
		}
	})
}

// Whoever mistook the network of an empty store may set it right.
func TestEmptyStoreTakesAnyNetwork(t *testing.T) {
	t.Parallel()
	s := openWith(t, memorydb.New())
	other := realNetwork
	other.GenesisValidatorsRoot[5]++
	must(t, s.SetNetwork(t.Context(), other))
	if got, ok := s.Network(); !ok || got != other {
		t.Errorf("network %v, %v, want %v", got, ok, other)
	}
}
