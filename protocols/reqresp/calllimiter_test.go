package reqresp_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
)

// A toll delays calls for a second, or refuses them, and notes what it is told.
type toll struct {
	refuse error

	mu     sync.Mutex
	asked  int
	most   int // between Wait and Done
	active int
	events []string
}

func (p *toll) Wait(ctx context.Context, _ peer.ID, method string, items int) error {
	if p.refuse != nil {
		return p.refuse
	}
	p.mu.Lock()
	p.active++
	p.most = max(p.most, p.active)
	p.asked += items
	p.events = append(p.events, fmt.Sprintf("wait %s %d", method, items))
	p.mu.Unlock()
	select {
	case <-time.After(time.Second):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (p *toll) Done(_ peer.ID, method string, r reqresp.Result) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.active--
	p.events = append(p.events, fmt.Sprintf("done %s %v %d", method, reqresp.ReasonOf(r.Err), r.Chunks))
}

func TestCallsWaitForThePacer(t *testing.T) {
	simulate(t, func(t *testing.T, s *simulation) {
		serve(t, s.Server, nil, echo.Serve(echoed))
		s.Connect(t)
		p := new(toll)
		c := reqresp.NewClient(s.Client, &reqresp.ClientOptions{Limiter: p})
		start := time.Now()
		if _, err := echo.Call(t.Context(), c, s.Server.ID(), new(Text(""))); err != nil {
			t.Fatal(err)
		}
		if d := time.Since(start); d < time.Second {
			t.Errorf("the call took %v, want a second at least", d)
		}
		status := reqresp.NewUnary[Text, Text](family, "status", 1)
		_, err := status.Call(t.Context(), c.With(reqresp.CallOptions{Items: 7}), s.Server.ID(), new(Text("")))
		wantFailure(t, err, reqresp.PhaseNegotiate, reqresp.ErrUnsupported)
		want := []string{"wait echo 1", "done echo success 1", "wait status 7", "done status unsupported 0"}
		if !slices.Equal(p.events, want) {
			t.Errorf("the pacer was told %q, want %q", p.events, want)
		}
	})
}

// A call whose pacer fails sends nothing, and is not told as done to it.
func TestCallFailsWithItsPacer(t *testing.T) {
	simulate(t, func(t *testing.T, s *simulation) {
		p := &toll{refuse: errors.New("too much")}
		c := reqresp.NewClient(s.Client, &reqresp.ClientOptions{Limiter: p})
		_, err := echo.Call(t.Context(), c, s.Server.ID(), new(Text("")))
		wantFailure(t, err, reqresp.PhaseQueue, p.refuse)
		p.refuse = nil
		ctx, cancel := context.WithTimeout(t.Context(), time.Second/2)
		defer cancel()
		_, err = echo.Call(ctx, c, s.Server.ID(), new(Text("")))
		wantFailure(t, err, reqresp.PhaseQueue, context.DeadlineExceeded)
		if n := len(s.Client.Network().Conns()); n > 0 || len(p.events) != 1 || len(c.Pending()) > 0 {
			t.Errorf("there are %d connections and %v pending, the pacer was told %q", n, c.Pending(), p.events)
		}
	})
}

// Only calls whose turn it is are paced: what one was granted is not saved up while it
// waits for another to end.
func TestOnlyCallsInTurnArePaced(t *testing.T) {
	simulate(t, func(t *testing.T, s *simulation) {
		serve(t, s.Server, nil, echo.Serve(echoed))
		s.Connect(t)
		p := new(toll)
		c := reqresp.NewClient(s.Client, &reqresp.ClientOptions{Limiter: p, MaxCallsPerPeer: 2})
		var calls sync.WaitGroup
		for range 10 {
			calls.Go(func() {
				if _, err := echo.Call(t.Context(), c, s.Server.ID(), new(Text(""))); err != nil {
					t.Error(err)
				}
			})
		}
		calls.Wait()
		if p.most != 2 || p.asked != 10 || p.active != 0 {
			t.Errorf("%d calls of %d were paced at a time, %d are not done", p.most, p.asked, p.active)
		}
	})
}
