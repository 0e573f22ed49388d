package rangesync_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/ethdb/memorydb"
	"github.com/libp2p/go-libp2p/core/host"

	"github.com/seed-2dd5877b/reqresp/plugin/devchain"
	"github.com/seed-2dd5877b/reqresp/plugin/rangesync"
	"github.com/seed-2dd5877b/reqresp/plugin/store"
)

func TestSyncPausesWhileTheDiskIsFull(t *testing.T) {
	t.Parallel()
	simulate(t, clockSlot, func(t *testing.T, client, server host.Host) {
		peer := &scriptedPeer{chain: dev(1, 142)}
		peer.serve(t, server)
		var free atomic.Uint64
		s, err := store.Open(memorydb.New(), t.TempDir(), store.FreeSpace(func() (uint64, error) { return free.Load(), nil }))
		must(t, err)
		must(t, s.SetNetwork(t.Context(), store.Network{
			Config: devchain.Config(), GenesisTime: devchain.GenesisTime, GenesisValidatorsRoot: devchain.GenesisValidatorsRoot(),
		}))
		from := source(client, server, peer.status())

		free.Store(store.Reserve)
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		_, err = rangesync.Run(ctx, from, s, &rangesync.Options{MinRate: 1})
		if space, ok := errors.AsType[*store.SpaceError](err); !ok || !errors.Is(err, context.DeadlineExceeded) || space.Free != store.Reserve {
			t.Errorf("error %v, want that there was no room", err)
		}
		checkStored(t, s, nil)
		if n := len(peer.got()); n > 1 {
			t.Errorf("the peer was asked %d times for what could not be stored", n)
		}

		// It goes on by itself.
		timer := time.AfterFunc(time.Hour, func() { free.Store(store.Reserve << 4) })
		defer timer.Stop()
		result, err := rangesync.Run(t.Context(), from, s, nil)
		if err != nil || result.Blocks != 142 {
			t.Errorf("result %+v, error %v", result, err)
		}
		checkStored(t, s, dev(1, 142))
	})
}
