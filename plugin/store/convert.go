package store

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/seed-2dd5877b/reqresp/ssz"
)

// compactBytes is about how many bytes are moved before the database is compacted, which frees their room in it.
const compactBytes = 512 << 20

// Convert moves all history that is in the database to segment files: in a store of an earlier version, which had all
// blocks there, or in one whose blocks have become final a long time after they were appended. A store that is not
// converted works all the same, and each Append moves some 32 MiB.
//
// Blocks are moved in batches, and the database is compacted after each 512 MiB, so that no more room is taken than
// that. Other writers take turns with the batches. If ctx ends, or the process does, what has been moved stays so, and
// another call goes on from there; a compaction that has begun, of seconds, ends first. If progress is not nil, it is
// called after each batch with the last slot moved and the last one to move. The error may be a [*SpaceError].
func (s *Store) Convert(ctx context.Context, progress func(slot, last ssz.Slot)) error {
	var done ssz.Slot // up to which the database is compacted
	for moved := 0; ; {
		n, slot, last, err := s.convertSome(ctx)
		if err != nil {
			return err
		}
		moved += n
		if moved >= compactBytes || slot == last && moved > 0 {
			if err := s.compact(ctx, done, slot); err != nil {
				return err
			}
			done, moved = slot, 0
		}
		if progress != nil && n > 0 {
			progress(slot, last)
		}
		if slot == last {
			return nil
		}
	}
}

// compact frees the room that frames of the slots from first to last had in the database.
func (s *Store) compact(ctx context.Context, first, last ssz.Slot) error {
	ranges := [][2][]byte{{slotKey(framesPrefix, first), slotKey(framesPrefix, last)}}
	for _, kind := range sidecarKinds {
		ranges = append(ranges, [2][]byte{
			sidecarFramesKey(kind, first, 0), sidecarFramesKey(kind, last, math.MaxUint16),
		})
	}
	for _, r := range ranges {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := s.db.Compact(r[0], r[1]); err != nil {
			return fmt.Errorf("store: %w", err)
		}
	}
	return nil
}

// convertSome moves one batch. It returns the size, the last slot of the batch, and the last slot of all.
func (s *Store) convertSome(ctx context.Context) (moved int, slot, last ssz.Slot, err error) {
	if err := s.lock(ctx); err != nil {
		return 0, 0, 0, err
	}
	defer s.unlock()
	first, last, some := s.unsettled(s.view.Load())
	if !some {
		return 0, last, last, nil
	}
	moved, err = s.settleSome(first, last)
	if err != nil {
		return 0, 0, 0, err
	}
	return moved, *s.view.Load().History, last, nil
}

// oldCommitments returns what version 1 has recorded of a block's blobs. What is damaged, or of another block, is as
// good as none.
func (s *Store) oldCommitments(slot ssz.Slot, root ssz.Root) (c ssz.BlobCommitments, ok bool) {
	it, ok := s.seek(slotKey(oldCommitmentsPrefix, slot))
	defer it.Release()
	if !ok {
		return c, false
	}
	b, err := unseal(bytes.Clone(it.Value()))
	err = errors.Join(err, it.Error())
	if err != nil || len(b) != rootSize+commitmentsSize || ssz.Root(b[:rootSize]) != root {
		return c, false
	}
	b = b[rootSize:]
	c.Count = int(binary.BigEndian.Uint32(b))
	c.BlockHash, c.ParentBlockHash = ssz.Root(b[4:4+rootSize]), ssz.Root(b[4+rootSize:])
	return c, true
}
