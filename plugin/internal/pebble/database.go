// Package pebble opens a Pebble database as an ethdb.KeyValueStore that reports damage, and a disk that is
// full, as errors.
//
// Package ethdb/pebble of go-ethereum opens the same databases, but has Pebble end the process instead: Pebble
// reports what it cannot go on after to its logger, from any goroutine, and that logger panics. Here a damaged
// block of a table fails the reads of that block and nothing else. After a failed write all writes fail, until
// the database is opened anew by another process; reads go on.
package pebble

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"
	"syscall"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/ethereum/go-ethereum/ethdb"
)

// ErrCorrupt is wrapped by the errors for what is damaged on the disk.
var ErrCorrupt = errors.New("pebble: damaged database")

// A Database is a Pebble database that is open. Its methods may be called concurrently.
type Database struct {
	db   *pebble.DB
	dir  string
	lock *pebble.Lock // of the directory

	mu     sync.Mutex
	closed bool
	inUse  sync.WaitGroup // calls and iterators

	failing sync.Once
	failed  chan struct{} // is closed when the first write has failed
	failure error         // why; set before failed is closed
}

var _ ethdb.KeyValueStore = (*Database)(nil)

// Open opens the database in the directory path, which it makes if need be. Damage since it was closed to the few bytes
// that all hangs by is mended. The cache is in MiB, and handles is
// how many files may be open at a time. The error names the path. It wraps [ErrCorrupt] if a file that
// the database cannot do without is damaged or missing. After a failed write the files stay locked until the process
// ends.
func Open(path string, cache, handles int) (*Database, error) {
	return open(vfs.Default, path, cache, handles)
}

func open(fs vfs.FS, path string, cache, handles int) (*Database, error) {
	d := &Database{dir: path, failed: make(chan struct{})}
	o := d.options(fs, cache, handles)
	defer o.Cache.Unref()
	err := d.guard(func() (err error) {
		if err := os.MkdirAll(path, 0o755); err != nil {
			return err
		}
		// Whoever holds the lock may be about to write the outline.
		if o.Lock, err = pebble.LockDirectory(path, o.FS); err != nil {
			return err
		}
		if err := restoreOutline(path); err != nil {
			return errors.Join(err, o.Lock.Close())
		}
		if d.db, err = pebble.Open(path, o); err != nil {
			if mended, mendErr := mend(path); mendErr != nil || !mended {
				return errors.Join(err, mendErr, o.Lock.Close())
			}
			if d.db, err = pebble.Open(path, o); err != nil {
				return errors.Join(err, o.Lock.Close())
			}
		}
		d.lock = o.Lock
		if err := forgetOutline(path); err != nil {
			return errors.Join(err, d.db.Close(), o.Lock.Close())
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return d, nil
}

// memTables is how many memory tables share half of the cache.
const memTables = 2

// options are those of package ethdb/pebble, as far as they matter here, but for the events, the format, and
// writes that wait for compactions: these may be in vain where a table is damaged.
func (d *Database) options(fs vfs.FS, cache, handles int) *pebble.Options {
	o := &pebble.Options{
		Cache:                       pebble.NewCache(int64(cache) << 20),
		FS:                          fileSystem{fs, d},
		MaxOpenFiles:                handles,
		MemTableSize:                uint64(cache) << 20 / 2 / memTables,
		MemTableStopWritesThreshold: memTables,
		CompactionConcurrencyRange:  func() (int, int) { return 1, runtime.NumCPU() },
		L0CompactionThreshold:       2,
		L0StopWritesThreshold:       1 << 10,
		WALBytesPerSync:             5 * ethdb.IdealBatchSize,
		// The first format with checksums in the footers of tables, and whose write-ahead log tells
		// damage from an end.
		FormatMajorVersion: pebble.FormatTableFormatV6,
		Logger:             logger{d},
		EventListener: &pebble.EventListener{
			// Whoever reads what is damaged gets the error. By default the process ends.
			DataCorruption:  func(pebble.DataCorruptionInfo) {},
			BackgroundError: d.backgroundError,
			FlushEnd:        d.flushed,
		},
	}
	for i := range o.Levels[:len(o.Levels)-1] {
		o.Levels[i].FilterPolicy = bloom.FilterPolicy(10)
	}
	o.Experimental.ReadSamplingMultiplier = -1 // No compactions because of reads.
	return o
}

// retryAfter is how long Pebble is kept from trying again what has failed, as it does without a pause.
var retryAfter = time.Second

// backgroundError is told what a flush or a compaction has failed with. One of a damaged table Pebble leaves alone
// for a while.
func (d *Database) backgroundError(err error) {
	if pebble.IsCorruptionError(err) {
		return
	}
	select {
	case <-time.After(retryAfter):
	case <-d.failed:
	}
}

// flushed has writes fail, rather than wait for room in memory, when what was written before cannot be made a table.
func (d *Database) flushed(info pebble.FlushInfo) {
	if _, ok := errors.AsType[syscall.Errno](info.Err); ok { // Others are of empty tables, and no failure.
		d.fail(info.Err)
	}
}

// logger is told by Pebble what it cannot go on after.
type logger struct{ d *Database }

func (logger) Infof(string, ...any)  {}
func (logger) Errorf(string, ...any) {}

// Fatalf ends the goroutine that has failed, which Pebble demands, and not the process. Its deferred calls unlock what
// readers may wait for. None unlocks a mutex that is not locked: that would take a failed rotation of the write-ahead
// log, and fileSystem lets none fail.
func (l logger) Fatalf(format string, args ...any) {
	l.d.fail(fmt.Errorf(format, args...))
	runtime.Goexit()
}

// fail has all writes fail from now on.
func (d *Database) fail(err error) {
	d.failing.Do(func() {
		d.failure = explain(err)
		close(d.failed)
	})
}

// guard runs what may write, in a goroutine which Pebble may end or block for good when it fails.
func (d *Database) guard(f func() error) error {
	select {
	case <-d.failed:
		return d.failure
	default:
	}
	done := make(chan error, 1)
	go func() {
		defer func() {
			if r := recover(); r != nil {
				d.fail(panicked(r))
			}
		}()
		done <- explain(f())
	}()
	select {
	case err := <-done:
		return err
	case <-d.failed:
		return d.failure
	}
}

// panicked returns what Pebble has panicked with as an error: it does so upon some kinds of damage.
func panicked(r any) error {
	if err, ok := r.(error); ok {
		return fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	return fmt.Errorf("%w: %v", ErrCorrupt, r)
}

// explain has errors for damage wrap ErrCorrupt.
func explain(err error) error {
	if err != nil && pebble.IsCorruptionError(err) && !errors.Is(err, ErrCorrupt) {
		return fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	return err
}

// use keeps the database from being closed until done is called.
func (d *Database) use() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return pebble.ErrClosed
	}
	d.inUse.Add(1)
	return nil
}

func (d *Database) done() { d.inUse.Done() }

// write runs f, which writes.
func (d *Database) write(f func() error) error {
	if err := d.use(); err != nil {
		return err
	}
	defer d.done()
	return d.guard(f)
}

// closeTimeout bounds how long Close waits for those who read: none takes so long.
const closeTimeout = 10 * time.Second

// unused waits until nobody uses the database, and reports false if that takes too long.
func (d *Database) unused() bool {
	done := make(chan struct{})
	go func() {
		d.inUse.Wait()
		close(done)
	}()
	timer := time.NewTimer(closeTimeout)
	defer timer.Stop()
	select {
	case <-done:
		return true
	case <-timer.C:
		return false
	}
}

// Close waits for calls under way and for iterators that were not released, for ten seconds at most, and closes the
// database. What was written is in tables then, the write-ahead log is empty, and what all hangs by is kept twice.
// After a failed write it returns why that was, and the files stay locked until the process ends. Closing twice is no
// error.
func (d *Database) Close() error {
	d.mu.Lock()
	closed := d.closed
	d.closed = true
	d.mu.Unlock()
	if closed {
		return nil
	}
	if !d.unused() {
		return errors.New("pebble: closed while it is read: an iterator was not released")
	}
	return d.guard(func() error {
		err := errors.Join(d.db.Flush(), d.db.Close())
		if err == nil {
			err = keepOutline(d.dir)
		}
		return errors.Join(err, d.lock.Close())
	})
}

// Has implements ethdb.KeyValueReader.
func (d *Database) Has(key []byte) (bool, error) {
	_, err := d.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// Get implements ethdb.KeyValueReader. The caller owns the value.
func (d *Database) Get(key []byte) (value []byte, err error) {
	if err := d.use(); err != nil {
		return nil, err
	}
	defer d.done()
	defer func() {
		if r := recover(); r != nil {
			value, err = nil, panicked(r)
		}
	}()
	lent, closer, err := d.db.Get(key)
	if err != nil {
		return nil, explain(err)
	}
	return append([]byte{}, lent...), closer.Close()
}

// Put implements ethdb.KeyValueWriter.
func (d *Database) Put(key, value []byte) error {
	return d.write(func() error { return d.db.Set(key, value, pebble.NoSync) })
}

// Delete implements ethdb.KeyValueWriter.
func (d *Database) Delete(key []byte) error {
	return d.write(func() error { return d.db.Delete(key, pebble.NoSync) })
}

// DeleteRange implements ethdb.KeyValueRangeDeleter.
func (d *Database) DeleteRange(start, end []byte) error {
	if end == nil {
		end = ethdb.MaximumKey
	}
	return d.write(func() error { return d.db.DeleteRange(start, end, pebble.NoSync) })
}

// SyncKeyValue implements ethdb.KeyValueSyncer.
func (d *Database) SyncKeyValue() error {
	return d.write(func() error { return d.db.LogData(nil, pebble.Sync) })
}

// Stat implements ethdb.KeyValueStater. It fails after a failed write, which may hold what Pebble counts.
func (d *Database) Stat() (string, error) {
	var stats string
	if err := d.write(func() error { stats = d.db.Metrics().String(); return nil }); err != nil {
		return "", err
	}
	return stats, nil
}

// Compact implements ethdb.Compacter.
func (d *Database) Compact(start, limit []byte) error {
	if limit == nil {
		limit = ethdb.MaximumKey
	}
	return d.write(func() error { return d.db.Compact(context.Background(), start, limit, true) })
}
