// Package store keeps the blocks of a beacon chain, as the snappy frames that the wire carries, and serves them as a
// [beacon.Chain]: history in flat files, and the rest, along with an index of all, in a go-ethereum key-value database.
//
// Any ethdb.KeyValueStore does, such as that of a node's OpenDatabase. The one of a service, which package plugin's
// OpenStore opens, reports damage and a full disk where others end the process:
//
//	db, err := stack.OpenDatabase("beaconchain", 64, 64, "beaconchain/", false)
//	…
//	s, err := store.Open(db, stack.ResolvePath("beaconchain-segments"))
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
// What belongs to blocks is stored by [Store.AppendSidecars], along with them or later: blob sidecars, data column
// sidecars and execution payload envelopes. The store may hold some of them, and tells servers from which slot on it
// holds all of a kind: of columns, all that [Store.SetCustody] names. They become history, and are discarded, with
// their blocks.
//
// With the blocks it keeps what is known of their chain: the network ([Store.SetNetwork]), what
// the source of the blocks last said of itself ([Store.SetSource]), and the root that they are
// trusted for ([Store.SetAnchor]). [Store.Info] tells what of this has been confirmed.
//
// # History
//
// Blocks are history up to the first slot of the finalized epoch that the source claims, or up to the slot of the
// anchor or of [Store.SetFinal], if that is later. History is kept in segment files, one for each
// SLOTS_PER_HISTORICAL_ROOT slots: append-only e2store files, in which a block has the same bytes as in an era file.
// Append writes a block there at once if it is history already. Others are in the database, and move when they have
// become history. A source may be wrong: Truncate cuts segment files as well.
//
// Append, SetSource and SetAnchor move some 32 MiB each at most, so that no writer waits long. [Store.Convert] moves
// all history that is still in the database, such as that of a store of an earlier version, which is served from there
// until then. [Store.Retain] removes the files of what need not be kept any longer: of blocks, or of one kind of what
// belongs to them.
//
// AppendFrames reads the frames of a block in a segment file by one pread into the caller's buffer. The blocks of a
// range are read in the order of the file, which the system's read-ahead recognizes; the store has none of its own.
//
// # Durability
//
// Neither go-ethereum's databases nor file systems sync what is written. Each call that changes something writes and
// syncs segment files first. Then it writes one batch to the database and syncs that, and only then readers see the
// change: when Append returns nil, its blocks survive a kill and a loss of power. Truncate, Prune and Retain hide from
// readers what they discard before they delete it. A batch is written as a whole or not at all, so that the store is
// consistent whenever it is opened.
//
// The index has the length of each segment file. Bytes beyond that length are not part of the store. They are cut off
// before more is written, if they can be the rest of an interrupted write. A file of which the index has no length, or
// that is more than 64 MiB longer, stays as it is, and a supplementary file is written beside it: the database is an
// older copy than the file then.
//
// After a failed write to the database, or a failed sync, the state of the disk is unknown; from then on all writes are
// [ErrFailed], until the store is opened anew. If a segment file cannot be written, on a full disk for example, the
// call fails and nothing else: the same call works when there is room.
//
// # Corruption
//
// Every value carries a CRC-32C, and the index has one of each block's frames. An entry that is missing, damaged or in
// the wrong place is reported as a [*CorruptError] that names the slot, and nothing of it is served; a range whose
// blocks do not link is not served beyond the gap. A damaged byte in a segment file costs the block that it is in.
//
// [Store.Repair] makes a damaged index anew from the segment files, and one that is lost with its database. The way to
// repair damaged frames is to Truncate from the reported slot on and to append the blocks again.
//
// # Concurrency
//
// All methods but Close may be called concurrently. Writers take turns; a writer that waits for its turn
// gives up when its context ends. Readers wait for nobody. They see the chain as the last
// finished write left it, and hold no iterator while the caller has control. A reader whose
// blocks are discarded meanwhile gets [ErrDiscarded]; one whose blocks are moved notices nothing.
//
// The database belongs to the caller, who closes it after the store. Nobody else may write to it, or to the directory
// of the segment files.
//
// # Schema
//
// Version 2. Integers are big-endian. Every value begins with the CRC-32C of the rest of it.
//
//	key                                     value, after the CRC-32C
//	v                                       version of the schema (4)
//	n                                       network, JSON
//	c                                       the chain: head, earliest slot, source, anchor and others, JSON
//	r, slot (8)                             slot (8), root (32), parent root (32), SSZ size (4), frames size (4),
//	                                        CRC-32C of the frames (4), file (2), offset (8),
//	                                        and perhaps KZG commitments (4), block hash (32), parent block hash (32)
//	f, slot (8)                             root (32), frames
//	i, root (32)                            slot (8)
//	s, kind (1), period (8), number (2)     length of a segment file (8)
//	k, kind (1), slot (8)                   slot (8), root of the block (32), and for each object, ascending:
//	                                        index (2), SSZ size (4), frames size (4), CRC-32C of the frames (4),
//	                                        file (2), offset (8)
//	g, kind (1), slot (8), index (2)        root of the block (32), frames
//	av, zn, zc                              as v, n and c
//
// The file of a record is the number of the segment file in the slot's period: 0, or a higher one for a supplementary
// file. It is 65535 if the frames are under f; CRC and offset are zero then. The offset is that of the e2store record,
// whose header of 8 bytes precedes the frames. The last three values spare a look into the block, from Deneb on. They
// are missing if the network was not known when the block was appended.
//
// Kinds are those of [beacon.Kind]. Kind 0 are blocks, which have no entries under k and g. The frames of an object
// whose file is 65535 are under g.
//
// Version 1 had all frames in the database. Its records end with the frames size, and what a block says of its blobs is
// under b, slot (8): root (32) and the last three values. They are read as they are, and replaced as blocks are moved.
// Version 1 refuses a database of version 2, which it becomes once anything is written.
//
// Records lie apart from frames, so that a range is looked up without touching block data. All values are read through
// iterators: of a value of 60 KiB, Get makes a copy on the heap, where an iterator lends the database's own. Besides,
// an iterator tells absence from failure in the same way for every database.
package store
