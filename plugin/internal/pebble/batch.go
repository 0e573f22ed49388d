package pebble

import (
	"fmt"

	"github.com/cockroachdb/pebble/v2"
	"github.com/ethereum/go-ethereum/ethdb"
)

// A batch is an ethdb.Batch. It must not be used concurrently.
type batch struct {
	d    *Database
	b    *pebble.Batch
	size int
}

// NewBatch implements ethdb.Batcher.
func (d *Database) NewBatch() ethdb.Batch { return &batch{d: d, b: d.db.NewBatch()} }

// NewBatchWithSize implements ethdb.Batcher.
func (d *Database) NewBatchWithSize(size int) ethdb.Batch {
	return &batch{d: d, b: d.db.NewBatchWithSize(size)}
}

// Put implements ethdb.KeyValueWriter.
func (b *batch) Put(key, value []byte) error {
	b.size += len(key) + len(value)
	return b.b.Set(key, value, nil)
}

// Delete implements ethdb.KeyValueWriter.
func (b *batch) Delete(key []byte) error {
	b.size += len(key)
	return b.b.Delete(key, nil)
}

// DeleteRange implements ethdb.KeyValueRangeDeleter.
func (b *batch) DeleteRange(start, end []byte) error {
	if end == nil {
		end = ethdb.MaximumKey
	}
	b.size += len(start) + len(end)
	return b.b.DeleteRange(start, end, nil)
}

// ValueSize implements ethdb.Batch.
func (b *batch) ValueSize() int { return b.size }

// Write implements ethdb.Batch.
func (b *batch) Write() error {
	return b.d.write(func() error { return b.b.Commit(pebble.NoSync) })
}

// Reset implements ethdb.Batch.
func (b *batch) Reset() {
	b.b.Reset()
	b.size = 0
}

// Close implements ethdb.Batch.
func (b *batch) Close() {
	select {
	case <-b.d.failed: // Whatever has failed may still use it.
	default:
		_ = b.b.Close()
	}
}

// Replay implements ethdb.Batch.
func (b *batch) Replay(w ethdb.KeyValueWriter) error {
	reader := b.b.Reader()
	for {
		kind, key, value, ok, err := reader.Next()
		if !ok || err != nil {
			return err
		}
		switch kind {
		case pebble.InternalKeyKindSet:
			err = w.Put(key, value)
		case pebble.InternalKeyKindDelete:
			err = w.Delete(key)
		case pebble.InternalKeyKindRangeDelete:
			ranges, ok := w.(ethdb.KeyValueRangeDeleter)
			if !ok {
				return fmt.Errorf("pebble: %T cannot delete ranges", w)
			}
			err = ranges.DeleteRange(key, value)
		default:
			return fmt.Errorf("pebble: entry of kind %v in a batch", kind)
		}
		if err != nil {
			return err
		}
	}
}
