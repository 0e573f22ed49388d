package store_test

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"github.com/ethereum/go-ethereum/ethdb"
	"github.com/ethereum/go-ethereum/ethdb/memorydb"

	"github.com/seed-2dd5877b/reqresp/plugin/store"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon/beacontest"
)

// fuluNetwork is that of the blocks of beacontest.FuluBlocks.
func fuluNetwork() store.Network {
	genesis, root := beacontest.FuluGenesis()
	return store.Network{Config: beacontest.FuluConfig(), GenesisTime: uint64(genesis.Unix()), GenesisValidatorsRoot: root}
}

func TestCommitmentsAreRecorded(t *testing.T) {
	t.Parallel()
	blocks := beacontest.FuluBlocks()
	eachDatabase(t, func(t *testing.T, db ethdb.KeyValueStore) {
		s := open(t, db)
		must(t, s.SetNetwork(t.Context(), fuluNetwork()))
		must(t, s.Append(t.Context(), blocks...))
		for _, b := range blocks {
			want, err := beacontest.FuluNetwork().PeekBlobCommitments(b.Fork, bytes.NewReader(b.SSZ), int64(len(b.SSZ)))
			must(t, err)
			got, err := s.Sources().BlobCommitments(t.Context(), refOf(b))
			if err != nil || got != want || (got.Count > 0) != slices.Contains(beacontest.FuluBlobs(), b.Slot) {
				t.Errorf("slot %d: %+v, %v, want %+v", b.Slot, got, err, want)
			}
		}
		must(t, s.Prune(t.Context(), 10))
		must(t, s.Truncate(t.Context(), 200))
		for _, b := range blocks {
			_, err := s.Sources().BlobCommitments(t.Context(), refOf(b))
			if discarded := b.Slot < 10 || b.Slot >= 200; errors.Is(err, beacon.ErrDiscarded) != discarded {
				t.Errorf("slot %d, discarded %v: %v", b.Slot, discarded, err)
			}
		}
	})
}

// A store knows nothing of blocks that were appended otherwise: a server looks into them then.
func TestCommitmentsThatAreNotRecorded(t *testing.T) {
	t.Parallel()
	blocks := beacontest.FuluBlocks()[:40]
	b := blocks[5] // has blobs
	for name, prepare := range map[string]func(db *memorydb.Database) *store.Store{
		"before the network is known": func(db *memorydb.Database) *store.Store {
			s := open(t, db)
			must(t, s.Append(t.Context(), blocks...))
			must(t, s.SetNetwork(t.Context(), fuluNetwork()))
			return s
		},
		"converted without": func(db *memorydb.Database) *store.Store {
			s := open(t, db)
			must(t, s.SetNetwork(t.Context(), fuluNetwork()))
			must(t, s.Append(t.Context(), blocks...))
			damage(t, db, slotKey("r", b.Slot), func(v []byte) []byte { return sealed(v[4 : len(v)-68]) })
			return s
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := prepare(memorydb.New())
			if got, err := s.Sources().BlobCommitments(t.Context(), refOf(b)); !errors.Is(err, beacon.ErrUnavailable) {
				t.Errorf("%+v, %v, want %v", got, err, beacon.ErrUnavailable)
			}
			checkVerified(t, s, blocks)
		})
	}
}

func TestVerifyFindsWrongCommitments(t *testing.T) {
	t.Parallel()
	blocks := beacontest.FuluBlocks()[:40]
	db := memorydb.New()
	s := open(t, db)
	must(t, s.SetNetwork(t.Context(), fuluNetwork()))
	must(t, s.Append(t.Context(), blocks...))
	damage(t, db, slotKey("r", 5), func(v []byte) []byte { // none, where there are two
		return sealed(append(v[4:len(v)-68], make([]byte, 68)...))
	})
	checkVerified(t, s, blocks, 5)
}
