package simtest_test

import (
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/internal/simtest"
)

func TestMain(m *testing.M) { simtest.Main(m, "/simtest") }

// Hosts dial each other in virtual time, by addresses that they have learned, at the time that was asked for.
func TestPair(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	simtest.Pair(t, simtest.Options{At: at}, func(t *testing.T, a, b host.Host) {
		if now := time.Now(); !now.Equal(at) {
			t.Errorf("it is %v, want %v", now, at)
		}
		if err := a.Connect(t.Context(), peer.AddrInfo{ID: b.ID()}); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(at); took < 2*simtest.OneWay || took > time.Second {
			t.Errorf("connected after %v", took)
		}
	})
}

func TestGoroutines(t *testing.T) {
	if got := simtest.Goroutines("/simtest"); len(got) != 0 {
		t.Errorf("%d goroutines, the first:\n%s", len(got), got[0])
	}
	end, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		<-end
	}()
	if got := simtest.Goroutines("/simtest"); len(got) != 1 {
		t.Errorf("%d goroutines, want one", len(got))
	}
	close(end)
	<-ended
}
