package store

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"sync/atomic"

	"github.com/ethereum/go-ethereum/ethdb"

	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// A Store holds the blocks of one chain. Begin with [Open]. All its methods may be called
// concurrently.
type Store struct {
	db   ethdb.KeyValueStore
	view atomic.Pointer[view] // What readers see. Replaced, never changed.

	turn   chan struct{} // Holds an element while a writer is at work.
	failed error         // The first failure of a write. Belongs to the writer.
	value  []byte        // Room for a value. Belongs to the writer.
}

var (
	_ beacon.Chain            = (*Store)(nil)
	_ beacon.CommitmentSource = (*Store)(nil)
)

// A view is the state of the store between two writes.
type view struct {
	chain
	network   *network  // Nil if not set.
	finalized *ssz.Slot // Where the finalized block of chain.Source is held, nil if it is not.
	anchor    *ssz.Slot // Where the anchor is held, nil if it is not.
	discards  uint64    // How often blocks have been discarded.
}

// A chain is what is recorded with every batch of blocks. What its pointers lead to never
// changes.
type chain struct {
	Head     *position     `json:"head,omitempty"`     // Nil if the store is empty.
	Earliest *ssz.Slot     `json:"earliest,omitempty"` // Nil if neither set nor given by a first block.
	Source   *sourceStatus `json:"source,omitempty"`
	Anchor   *Anchor       `json:"anchor,omitempty"`
}

// A position is a block's place in the chain.
type position struct {
	Slot ssz.Slot `json:"slot"`
	Root ssz.Root `json:"root"`
}

// holds tells whether slot is one of those that the store answers for.
func (c *chain) holds(slot ssz.Slot) bool {
	return c.Head != nil && *c.Earliest <= slot && slot <= c.Head.Slot
}

// Open opens the store in db, which is either empty or has been used by this package before. It
// writes nothing, so that a database that is read-only can be served.
//
// The error wraps [ErrSchema] if the database is neither. Damage to the blocks does not keep the
// store from being opened, damage to the records of the chain and its network does.
func Open(db ethdb.KeyValueStore) (*Store, error) {
	s := &Store{db: db, turn: make(chan struct{}, 1)}
	if err := s.checkSchema(); err != nil {
		return nil, err
	}
	var v view
	if err := s.readJSON(chainKey, &v.chain); err != nil {
		return nil, fmt.Errorf("store: record of the chain: %w", err)
	}
	if v.Head != nil && v.Earliest == nil {
		return nil, fmt.Errorf("store: record of the chain: %w: head without earliest slot", ErrSchema)
	}
	var stored Network
	if err := s.readJSON(networkKey, &stored); err != nil {
		return nil, fmt.Errorf("store: record of the network: %w", err)
	}
	if stored != (Network{}) {
		n, err := parse(stored)
		if err != nil {
			return nil, fmt.Errorf("store: record of the network: %w", err)
		}
		v.network = n
	}
	s.publish(&v)
	return s, nil
}

// checkSchema verifies that the database is empty or of this version.
func (s *Store) checkSchema() error {
	it := s.db.NewIterator([]byte{versionKey}, nil)
	defer it.Release()
	if !it.Next() {
		if err := it.Error(); err != nil {
			return fmt.Errorf("store: %w", err)
		}
		return s.checkEmpty()
	}
	if len(it.Key()) != 1 {
		return fmt.Errorf("%w: it holds other data", ErrSchema)
	}
	payload, err := unseal(it.Value())
	if err != nil || len(payload) != 4 {
		return fmt.Errorf("%w: the version of the schema is unreadable", ErrSchema)
	}
	if v := binary.BigEndian.Uint32(payload); v != schemaVersion {
		return fmt.Errorf("%w: schema version %d, want %d", ErrSchema, v, schemaVersion)
	}
	return nil
}

func (s *Store) checkEmpty() error {
	it := s.db.NewIterator(nil, nil)
	defer it.Release()
	if it.Next() {
		return fmt.Errorf("%w: it holds other data, want an empty database", ErrSchema)
	}
	if err := it.Error(); err != nil {
		return fmt.Errorf("store: %w", err)
	}
	return nil
}

// readJSON decodes the value of a key into dst, and leaves dst as it is if there is none.
func (s *Store) readJSON(key byte, dst any) error {
	it := s.db.NewIterator([]byte{key}, nil)
	defer it.Release()
	if !it.Next() {
		return it.Error()
	}
	payload, err := unseal(it.Value())
	if err != nil {
		return err
	}
	return json.Unmarshal(payload, dst)
}

// putJSON writes a value that readJSON reads.
func putJSON(w ethdb.KeyValueWriter, key byte, src any) error {
	payload, err := json.Marshal(src)
	if err != nil {
		return err
	}
	return w.Put([]byte{key}, seal(append(make([]byte, sumSize), payload...)))
}

// publish completes v and shows it to readers.
func (s *Store) publish(v *view) {
	v.finalized, v.anchor = nil, nil
	if v.Source != nil {
		v.finalized = s.finalizedSlot(v)
	}
	if v.Anchor != nil {
		v.anchor = s.slotOf(&v.chain, v.Anchor.Root)
	}
	s.view.Store(v)
}

// finalizedSlot returns the slot of the block that the source claims to be finalized, or nil if it
// cannot be: the block of a checkpoint is the last one up to the first slot of its epoch. A claim of a
// later epoch, passed on, would make this node irrelevant to honest peers.
func (s *Store) finalizedSlot(v *view) *ssz.Slot {
	slot := s.slotOf(&v.chain, v.Source.FinalizedRoot)
	if slot == nil || v.network == nil {
		return slot
	}
	start := v.network.parsed.StartSlot(v.Source.FinalizedEpoch)
	if *slot > start || start > v.Head.Slot {
		return nil
	}
	var room [1]record
	later, _, err := s.records(room[:0], *slot+1, start)
	if err != nil || len(later) > 0 {
		return nil
	}
	return slot
}

// slotOf returns the slot of a block, or nil if c does not hold it. Nor does it hold what it
// cannot find: a damaged index is for others to report.
func (s *Store) slotOf(c *chain, root ssz.Root) *ssz.Slot {
	slot, ok, err := s.lookUp(root)
	if err != nil || !ok || !c.holds(slot) {
		return nil
	}
	return &slot
}

// lock waits until no other writer is at work.
func (s *Store) lock(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case s.turn <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	if s.failed != nil {
		s.unlock()
		return fmt.Errorf("%w: %w", ErrFailed, s.failed)
	}
	return nil
}

func (s *Store) unlock() { <-s.turn }
