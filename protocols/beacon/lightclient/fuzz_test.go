package lightclient_test

import (
	"errors"
	"testing"

	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon/lightclient"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// FuzzUpdate has a store process whatever bytes: it refuses them with an error of the package, or knows what they are.
func FuzzUpdate(f *testing.F) {
	r := minimalRecording()
	for kind, chunks := range map[beacon.Kind][]beacon.Chunk{
		full: r.updates, finality: r.finality[:3], optimistic: r.optimistic[:3],
	} {
		for _, c := range chunks {
			f.Add(uint8(kind), uint8(c.Fork), c.SSZ)
		}
	}
	f.Fuzz(func(t *testing.T, kind, fork uint8, b []byte) {
		k := full + beacon.Kind(kind)%3
		u, err := lightclient.DecodeUpdate(r.network, k, beacon.Chunk{Fork: ssz.Fork(fork), SSZ: b})
		if err != nil {
			if !errors.Is(err, lightclient.ErrMalformed) {
				t.Errorf("%v", err)
			}
			return
		}
		_ = storeOf(t, r.network, r.bootstraps[0]).Process(u, endOfTime)
	})
}

// FuzzBootstrap has a store begin with whatever bytes.
func FuzzBootstrap(f *testing.F) {
	r := minimalRecording()
	for _, c := range r.bootstraps {
		f.Add(uint8(c.Fork), c.SSZ)
	}
	f.Fuzz(func(t *testing.T, fork uint8, b []byte) {
		bootstrap, err := lightclient.DecodeBootstrap(r.network, beacon.Chunk{Fork: ssz.Fork(fork), SSZ: b})
		if err != nil {
			if !errors.Is(err, lightclient.ErrMalformed) {
				t.Errorf("%v", err)
			}
			return
		}
		_, _ = lightclient.NewStore(r.network, bootstrap.Header.Root, bootstrap)
	})
}
