package store

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/ethereum/go-ethereum/ethdb"

	"github.com/seed-2dd5877b/reqresp/plugin/store/internal/segment"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// A Store holds the blocks of one chain. Begin with [Open]. All its methods may be called
// concurrently.
type Store struct {
	db       ethdb.KeyValueStore
	segments *segment.Dir // Nil if all blocks are kept in the database.

	custody  atomic.Pointer[[]uint64] // Nil if not set.
	complete [len(sidecarKinds)]completion

	free func() (uint64, error) // nil if it is not to be asked
	view atomic.Pointer[view]   // What readers see. Replaced, never changed.

	final atomic.Uint64 // The slot of SetFinal.

	turn   chan struct{} // Holds an element while a writer is at work.
	failed error         // The first failure of a write. Belongs to the writer.
	value  []byte        // Room for a value. Belongs to the writer.
}

var _ beacon.Chain = (*Store)(nil)

// A view is the state of the store between two writes.
type view struct {
	chain
	network   *network  // Nil if not set.
	finalized *ssz.Slot // Where the finalized block of chain.Source is held, nil if it is not.
	anchor    *ssz.Slot // Where the anchor is held, nil if it is not.
	below     bool      // The anchor is the parent of the first block.
	discards  uint64    // How often blocks have been discarded.
	cuts      uint64    // How often anything but the earliest blocks has been discarded, or the index made anew.
}

// A chain is what is recorded with every batch of blocks. What its pointers lead to never
// changes.
type chain struct {
	Head     *position `json:"head,omitempty"`     // Nil if the store is empty.
	Earliest *ssz.Slot `json:"earliest,omitempty"` // Nil if the store is empty.
	First    *ssz.Slot `json:"first,omitempty"`    // That of the first block. Nil if none, or not known.
	History  *ssz.Slot `json:"history,omitempty"`  // Up to it, blocks are in segment files. Nil if none is.
	Lost     bool      `json:"lost,omitempty"`     // The index of the segment files is to be made anew.
	// Pruned are the slots below which objects of kinds have been discarded, but not their blocks.
	Pruned map[beacon.Kind]ssz.Slot `json:"pruned,omitempty"`

	Source *sourceStatus `json:"source,omitempty"`
	Anchor *Anchor       `json:"anchor,omitempty"`
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

// An Option changes how [Open] opens a store.
type Option func(*Store)

// FreeSpace has Append ask, before it writes, how many bytes are free on the volume of the database, or on that of the
// segment files if fewer are, and keep [Reserve] of them: the error is a [*SpaceError] otherwise. By default it writes
// until it fails. Nothing is refused while free fails.
func FreeSpace(free func() (uint64, error)) Option { return func(s *Store) { s.free = free } }

// Open opens the store in db, which is either empty or has been used by this package before, and in a directory for its
// segment files, which belongs to the store alone and which the first of them makes. If dir is empty, all blocks are
// kept in the database: that is for databases in memory. It
// writes nothing, so that a database that is read-only can be served.
//
// The error wraps [ErrSchema] if the database is neither. A database that is empty, with segment files in the
// directory, is one whose index is lost: the store can be opened, for [Store.Repair], and is empty until then. Damage
// to the blocks does not keep the store from being opened. The records of the chain, of its network and of the schema
// are stored twice, far apart; damage to both of a kind keeps the store from being opened, and the error wraps
// [ErrCorrupt].
func Open(db ethdb.KeyValueStore, dir string, options ...Option) (*Store, error) {
	s := &Store{db: db, turn: make(chan struct{}, 1), complete: newCompletions()}
	if dir != "" {
		s.segments = segment.Open(dir)
	}
	for _, o := range options {
		o(s)
	}
	if err := s.checkSchema(); err != nil {
		return nil, err
	}
	var v view
	err := s.readJSON(chainKey, &v.chain)
	if err != nil {
		return nil, fmt.Errorf("store: record of the chain: %w", err)
	}
	if v.Head != nil && v.Earliest == nil {
		return nil, fmt.Errorf("store: record of the chain: %w: head without earliest slot", ErrSchema)
	}
	if v.Lost, err = s.lost(&v.chain); err != nil {
		return nil, err
	}
	s.mend(&v.chain)
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

// lost tells whether the index of the segment files is lost: a store that has none has written none.
func (s *Store) lost(c *chain) (bool, error) {
	if c.Lost || s.segments == nil {
		return c.Lost, nil
	}
	if _, known, err := s.read(versionKey); known || err != nil {
		return false, nil
	}
	files, err := s.segments.List()
	if err != nil {
		return false, fmt.Errorf("store: %w", err)
	}
	return len(files) > 0, nil
}

// Close closes the segment files. It does not close the database, which belongs to the caller. No other method may be
// running, or be called any more.
func (s *Store) Close() error {
	if s.segments == nil {
		return nil
	}
	return s.segments.Close()
}

// mend gives up what an earlier version, which did not record the first block, has claimed of the slots below it.
func (s *Store) mend(c *chain) {
	if c.Head == nil {
		c.Earliest = nil
		return
	}
	if c.First != nil {
		return
	}
	first, err := s.first(c)
	if err == nil {
		c.First, c.Earliest = &first.Slot, new(earliest(first.Slot))
	} else if corrupt, ok := errors.AsType[*CorruptError](err); ok {
		c.Earliest = &corrupt.Slot
	}
}

// first returns what is recorded of the first block of c, which is not empty. The error is a *CorruptError: of the
// earliest slot if nothing can be read.
func (s *Store) first(c *chain) (record, error) {
	var room [1]record
	found, _, err := s.records(room[:0], *c.Earliest, c.Head.Slot)
	if len(found) > 0 {
		return found[0], nil
	}
	if err == nil {
		return record{}, &CorruptError{c.Head.Slot, c.Head.Root, errMissing}
	}
	if _, ok := errors.AsType[*CorruptError](err); !ok {
		err = &CorruptError{Slot: *c.Earliest, Err: err}
	}
	return record{}, err
}

// earliest returns the slot from which on a chain is known whose first block is of a slot. Before slot 1
// there is the genesis block only, which nobody sends. Before any other block may be others, whatever
// peers say.
func earliest(first ssz.Slot) ssz.Slot {
	if first == 1 {
		return 0
	}
	return first
}

// checkSchema verifies that the database is empty or of a version that is read.
func (s *Store) checkSchema() error {
	payload, ok, err := s.read(versionKey)
	switch {
	case err != nil:
		return fmt.Errorf("%w: the version of the schema is unreadable: %w", ErrSchema, err)
	case !ok:
		return s.checkEmpty()
	case len(payload) != 4:
		return fmt.Errorf("%w: the version of the schema is unreadable", ErrSchema)
	}
	if v := binary.BigEndian.Uint32(payload); v != schemaVersion && v != oldSchemaVersion {
		return fmt.Errorf("%w: schema version %d, want %d or %d", ErrSchema, v, schemaVersion, oldSchemaVersion)
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

// read returns what follows the checksum of the value of a key, or of its copy if the value is missing or damaged. It
// reports false if there is neither. The error wraps ErrCorrupt.
func (s *Store) read(key byte) (payload []byte, ok bool, err error) {
	payload, ok, err = s.readAt([]byte{key})
	if ok && err == nil {
		return payload, true, nil
	}
	if payload, ok, copyErr := s.readAt(copyKey(key)); ok && copyErr == nil {
		return payload, true, nil
	}
	if err != nil {
		return nil, false, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	return nil, false, nil
}

func (s *Store) readAt(key []byte) (payload []byte, ok bool, err error) {
	it := s.db.NewIterator(key, nil)
	defer it.Release()
	if !it.Next() {
		return nil, false, it.Error()
	}
	if len(it.Key()) != len(key) {
		return nil, false, nil // No key of ours.
	}
	value := bytes.Clone(it.Value())
	if err := it.Error(); err != nil {
		return nil, false, err
	}
	payload, err = unseal(value)
	return payload, err == nil, err
}

// readJSON decodes the value of a key into dst, and leaves dst as it is if there is none.
func (s *Store) readJSON(key byte, dst any) error {
	payload, ok, err := s.read(key)
	if err != nil || !ok {
		return err
	}
	return json.Unmarshal(payload, dst)
}

// put writes a payload, which follows room for the checksum, and its copy.
func put(w ethdb.KeyValueWriter, key byte, value []byte) error {
	seal(value)
	if err := w.Put([]byte{key}, value); err != nil {
		return err
	}
	return w.Put(copyKey(key), value)
}

// putJSON writes a value that readJSON reads.
func putJSON(w ethdb.KeyValueWriter, key byte, src any) error {
	payload, err := json.Marshal(src)
	if err != nil {
		return err
	}
	return put(w, key, append(make([]byte, sumSize), payload...))
}

// publish completes v and shows it to readers.
func (s *Store) publish(v *view) {
	v.finalized, v.anchor, v.below = nil, nil, false
	if v.Source != nil {
		v.finalized = s.finalizedSlot(v)
	}
	if v.Anchor != nil {
		v.anchor = s.slotOf(&v.chain, v.Anchor.Root)
		if v.anchor == nil {
			parent, ok, err := s.firstParent(&v.chain)
			v.below = err == nil && ok && parent == v.Anchor.Root
		}
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

// firstParent returns the root of the parent of the first block. It reports false if c is empty.
func (s *Store) firstParent(c *chain) (parent ssz.Root, ok bool, err error) {
	if c.Head == nil {
		return ssz.Root{}, false, nil
	}
	r, err := s.first(c)
	return r.parent, err == nil, err
}

// lock waits until no other writer is at work, for one that relies on the index.
func (s *Store) lock(ctx context.Context) error {
	err := s.turnOf(ctx)
	if err == nil && s.view.Load().Lost {
		s.unlock()
		return ErrIndexLost
	}
	return err
}

// turnOf waits until no other writer is at work.
func (s *Store) turnOf(ctx context.Context) error {
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
