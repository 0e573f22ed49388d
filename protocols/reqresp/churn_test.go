package reqresp_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/internal/simtest"
	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
)

// wantNothingHeld waits until neither host has a stream, memory beyond that of
// the connection itself, or a protection left.
func wantNothingHeld(t *testing.T, tr transport, client, server host.Host) {
	t.Helper()
	for _, pair := range [][2]host.Host{{client, server}, {server, client}} {
		h, other := pair[0], pair[1].ID()
		simtest.WaitFor(t, "the resource manager to be at zero",
			func() bool { return held(h, other) == network.ScopeStat{Memory: tr.Memory} })
		simtest.WaitFor(t, "streams to be gone", func() bool { return streams(h) == 0 })
		simtest.WaitFor(t, "the connection to be unprotected", func() bool { return !h.ConnManager().IsProtected(other, "") })
	}
}

func TestTenThousandExchangesLeaveNothing(t *testing.T) {
	if testing.Short() {
		t.Skip("long")
	}
	eachTransport(t, func(t *testing.T, tr transport, client, server host.Host) {
		failing := reqresp.NewUnary[Text, Text](family, "failing", 1)
		srv := serve(t, server, nil, echo.Serve(echoed), counter.Serve(counted), failing.Serve(
			func(context.Context, peer.ID, *Text) (*Text, error) { return nil, errors.New("always") }))
		c := reqresp.NewClient(client, &reqresp.ClientOptions{MaxCallsPerPeer: 8})

		var next atomic.Int64
		var wg sync.WaitGroup
		for range 16 {
			wg.Go(func() {
				for i := next.Add(1); i <= 10_000 && !t.Failed(); i = next.Add(1) {
					churn(t, tr, c, server.ID(), failing, int(i))
				}
			})
		}
		wg.Wait()
		simtest.WaitFor(t, "the server's streams to end", func() bool { return len(srv.Streams()) == 0 })
		wantNothingHeld(t, tr, client, server)
		if srv.Refused() != 0 {
			t.Errorf("%d streams refused", srv.Refused())
		}
	})
}

// churn makes one call of a kind that i picks.
func churn(t *testing.T, tr transport, c *reqresp.Client, to peer.ID, failing reqresp.Unary[Text, Text], i int) {
	kind := i % 8
	if kind == 3 && !tr.Breaks {
		kind = 1 // libp2p itself resets a stream whose negotiation is cancelled, with data unread
	}
	switch kind {
	case 0:
		chunks, err := collect(counter.Call(t.Context(), c, to, new(Count(5))))
		if err != nil || len(chunks) != 5 {
			t.Errorf("exchange %d: %d chunks, %v", i, len(chunks), err)
		}
	case 1:
		for _, err := range counter.Call(t.Context(), c, to, new(Count(50))) {
			if err != nil {
				t.Errorf("exchange %d: %v", i, err)
			}
			break
		}
	case 2:
		_, err := failing.Call(t.Context(), c, to, new(Text("")))
		if e, ok := errors.AsType[*reqresp.Error](err); !ok || e.Code != reqresp.CodeServerError {
			t.Errorf("exchange %d: %v", i, err)
		}
	case 3:
		ctx, cancel := context.WithTimeout(t.Context(), rand.N(2*time.Millisecond))
		defer cancel()
		if _, err := collect(counter.Call(ctx, c, to, new(Count(20)))); err != nil &&
			!errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("exchange %d: %v", i, err)
		}
	default:
		if _, err := echo.Call(t.Context(), c, to, new(Text("hello"))); err != nil {
			t.Errorf("exchange %d: %v", i, err)
		}
	}
}
