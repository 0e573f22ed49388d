package rangesync_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/ethdb"
	"github.com/ethereum/go-ethereum/ethdb/memorydb"
	"github.com/libp2p/go-libp2p/core/host"

	"github.com/seed-2dd5877b/reqresp/plugin/rangesync"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
)

// slowPeer fails, is limited, and cuts its answers short.
func slowPeer(chain []*beacon.Block) *scriptedPeer {
	return &scriptedPeer{chain: chain, script: func(r request) *answer {
		a := atMost(5, chain)(r)
		switch r.n {
		case 1:
			a.raw = verdict(139, "")
		case 4:
			a.raw = verdict(2, "")
		}
		return a
	}}
}

func TestCancelledRunIsResumed(t *testing.T) {
	t.Parallel()
	simulate(t, clockSlot, func(t *testing.T, client, server host.Host) {
		whole := dev(1, 30)
		reorganised := fork(dev(1, 12), 1, slots(13, 16)...)
		opts := &rangesync.Options{TrustedRoot: dev(20, 20)[0].Root}
		var finished bool
		// The run takes a bit over 4 s, the two waits being most of it.
		for after := time.Duration(0); !finished; after += 7 * time.Millisecond {
			if after == 70*time.Millisecond || after == 2100*time.Millisecond {
				after += 1890 * time.Millisecond
			}
			s := newStore(t, reorganised...)
			peer := slowPeer(whole)
			peer.serve(t, server)
			from := source(client, server, peer.status())
			ctx, cancel := context.WithTimeout(t.Context(), after)
			began := time.Now()
			_, err := rangesync.Run(ctx, from, s, opts)
			cancel()
			finished = err == nil
			if took := time.Since(began); !finished && (err.Error() != context.DeadlineExceeded.Error() || took != after) {
				t.Errorf("after %v: error %v after %v", after, err, took)
			}
			blocksOf(t, s)
			if _, err := rangesync.Run(t.Context(), from, s, opts); err != nil {
				t.Errorf("after %v: resumed: %v", after, err)
			}
			checkStored(t, s, whole)
		}
	})
}

var errDisk = errors.New("disk failed")

// brokenDB fails to write after a number of batches.
type brokenDB struct {
	ethdb.KeyValueStore
	left int
}

func (db *brokenDB) NewBatch() ethdb.Batch { return &brokenBatch{db.KeyValueStore.NewBatch(), db} }

type brokenBatch struct {
	ethdb.Batch
	db *brokenDB
}

func (b *brokenBatch) Write() error {
	if b.db.left == 0 {
		return errDisk
	}
	b.db.left--
	return b.Batch.Write()
}

func TestRunIsResumedAfterAFailedWrite(t *testing.T) {
	t.Parallel()
	simulate(t, clockSlot, func(t *testing.T, client, server host.Host) {
		whole := dev(1, 30)
		peer := slowPeer(whole)
		peer.serve(t, server)
		from := source(client, server, peer.status())
		var finished bool
		for writes := 0; !finished; writes++ {
			db := &brokenDB{memorydb.New(), -1}
			s := openStore(t, db, fork(dev(1, 12), 1, slots(13, 16)...)...)
			db.left = writes
			_, err := rangesync.Run(t.Context(), from, s, nil)
			finished = err == nil
			if !finished && !errors.Is(err, errDisk) {
				t.Errorf("%d writes: error %v, want that of the disk", writes, err)
			}
			db.left = -1
			s = openStore(t, db)
			blocksOf(t, s)
			if _, err := rangesync.Run(t.Context(), from, s, nil); err != nil {
				t.Errorf("%d writes: resumed: %v", writes, err)
			}
			checkStored(t, s, whole)
		}
	})
}

// What a peer did wrong must not hide that the disk failed.
func TestFailedWriteIsReportedRatherThanThePeer(t *testing.T) {
	t.Parallel()
	simulate(t, clockSlot, func(t *testing.T, client, server host.Host) {
		peer := &scriptedPeer{chain: dev(1, 10), script: always(&answer{blocks: dev(1, 3), raw: verdict(139, "")})}
		peer.serve(t, server)
		db := &brokenDB{memorydb.New(), -1}
		s := openStore(t, db)
		db.left = 0
		began := time.Now()
		_, err := rangesync.Run(t.Context(), source(client, server, peer.status()), s, nil)
		if !errors.Is(err, errDisk) || time.Since(began) > slack {
			t.Errorf("error %v after %v, want that of the disk at once", err, time.Since(began))
		}
	})
}

// Two runs, from the same or from different peers, leave a sound store.
func TestConcurrentRuns(t *testing.T) {
	t.Parallel()
	simulate(t, clockSlot, func(t *testing.T, client, server host.Host) {
		peer := slowPeer(dev(1, 30))
		peer.serve(t, server)
		s := newStore(t)
		done := make(chan error)
		for range 2 {
			go func() {
				_, err := rangesync.Run(t.Context(), source(client, server, peer.status()), s, nil)
				done <- err
			}()
		}
		for range 2 {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		checkStored(t, s, dev(1, 30))
	})
}
