// Package store keeps the blocks of a beacon chain in a go-ethereum key-value database, as the
// snappy frames that the wire carries, and serves them as a [beacon.Chain].
//
// Any ethdb.KeyValueStore does, such as that of a node's OpenDatabase. The one of a service, which package plugin's
// OpenStore opens, reports damage and a full disk where others end the process:
//
//	db, err := stack.OpenDatabase("beaconchain", 64, 64, "beaconchain/", false)
//	…
//	s, err := store.Open(db)
//	…
//	err = s.SetNetwork(ctx, store.Network{Config: yaml, GenesisTime: 1606824023, GenesisValidatorsRoot: root})
//	err = s.Append(ctx, blocks...)
//	server := beacon.NewServer(host, network, s, nil)
//
// # What is stored
//
// The store holds one chain: at most one block in a slot, each the parent of the next.
// [Store.Append] adds blocks above the head, [Store.Truncate] discards them from a slot upward,
// and [Store.Prune] from the other end. Roots and signatures are the caller's responsibility:
// Append verifies that blocks link, not that they are what they claim to be. [Store.Verify]
// computes everything anew.
//
// With the blocks it keeps what is known of their chain: the network ([Store.SetNetwork]), what
// the source of the blocks last said of itself ([Store.SetSource]), and the root that they are
// trusted for ([Store.SetAnchor]). [Store.Info] tells what of this has been confirmed.
//
// # Durability
//
// go-ethereum's databases write without syncing. The store writes one batch for each call that
// changes something, syncs it once, and only then shows it to readers: when Append returns nil,
// its blocks survive a kill and a loss of power. A batch is written as a whole or not at all, so
// that the store is consistent whenever it is opened. After a failed write the state of the disk
// is unknown; from then on all writes are [ErrFailed], until the store is opened anew. A disk that
// is full is worse: Pebble then ends the process, or does not come up again until there is room.
//
// # Corruption
//
// Every value carries a CRC-32C. An entry that is missing, damaged or in the wrong place is
// reported as a [*CorruptError] that names the slot, and nothing of it is served; a range whose
// blocks do not link is not served beyond the gap. The way to repair is to Truncate from the
// reported slot on and to append the blocks again.
//
// # Concurrency
//
// All methods may be called concurrently. Writers take turns; a writer that waits for its turn
// gives up when its context ends. Readers wait for nobody. They see the chain as the last
// finished write left it, and hold no iterator while the caller has control. A reader whose
// blocks are discarded meanwhile gets [ErrDiscarded].
//
// The database belongs to the caller, who closes it when no method is running any more. Nobody
// else may write to it.
//
// # Schema
//
// Version 1. Integers are big-endian. Every value begins with the CRC-32C of the rest of it.
//
//	key             value, after the CRC-32C
//	v               version of the schema (4)
//	n               network, JSON
//	c               head, earliest slot, source, anchor, JSON
//	r, slot (8)     slot (8), root (32), parent root (32), SSZ size (4), frames size (4)
//	f, slot (8)     root (32), frames
//	i, root (32)    slot (8)
//	b, slot (8)     root (32), KZG commitments (4), block hash (32), parent block hash (32)
//	av, zn, zc      as v, n and c
//
// The entries under b spare a look into the block, from Deneb on. They may be missing, as in databases of
// earlier versions of this package, which ignore them; one whose root is not that of the slot's block is left
// over and means nothing.
//
// Frames lie apart from the 84 bytes that describe them, so that a range is looked up without
// touching block data. All values are read through iterators: of a value of 60 KiB, Get makes a
// copy on the heap, where an iterator lends the database's own. Besides, an iterator tells
// absence from failure in the same way for every database.
package store
