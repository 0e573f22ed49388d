package reqresp_test

import (
	"context"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
)

func TestFurtherCallsWaitTheirTurn(t *testing.T) {
	simulate(t, func(t *testing.T, s *simulation) {
		var (
			mu         sync.Mutex
			order      []string
			busy, most int
		)
		slow := func(_ context.Context, _ peer.ID, req *Text) (*Text, error) {
			mu.Lock()
			busy++
			most = max(most, busy)
			order = append(order, string(*req))
			mu.Unlock()
			time.Sleep(time.Second)
			mu.Lock()
			busy--
			mu.Unlock()
			return req, nil
		}
		serve(t, s.Server, nil, echo.Serve(slow), reqresp.NewUnary[Text, Text](family, "other", 1).Serve(echoed))
		s.Connect(t)
		const atATime = 2
		c := reqresp.NewClient(s.Client, &reqresp.ClientOptions{MaxCallsPerPeer: atATime})
		done := make(chan error)
		start := time.Now()
		for i := range 6 {
			go func() {
				_, err := echo.Call(t.Context(), c, s.Server.ID(), new(Text(strconv.Itoa(i))))
				done <- err
			}()
			time.Sleep(time.Millisecond)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		_, err := echo.Call(ctx, c, s.Server.ID(), new(Text("impatient")))
		wantFailure(t, err, reqresp.PhaseQueue, context.DeadlineExceeded)
		other := reqresp.NewUnary[Text, Text](family, "other", 1)
		if _, err := other.Call(t.Context(), c, s.Server.ID(), new(Text(""))); err != nil ||
			time.Since(start) > 200*time.Millisecond {
			t.Errorf("another protocol waited %v, %v", time.Since(start), err)
		}
		for range 6 {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		if most != atATime {
			t.Errorf("%d calls at a time, want %d", most, atATime)
		}
		if want := []string{"0", "1", "2", "3", "4", "5"}; !slices.Equal(order, want) {
			t.Errorf("served in order %q, want %q", order, want)
		}
	})
}

func TestFailedCallsFreeTheirSlot(t *testing.T) {
	simulate(t, func(t *testing.T, s *simulation) {
		serve(t, s.Server, nil, counter.Serve(counted))
		c := reqresp.NewClient(s.Client, &reqresp.ClientOptions{MaxCallsPerPeer: 1})
		nobody := newPeerID(t)
		for range 3 {
			_, err := echo.Call(t.Context(), c, nobody, new(Text("")))
			wantFailure(t, err, reqresp.PhaseDial)
			_, err = echo.Call(t.Context(), c, s.Server.ID(), new(Text("")))
			wantFailure(t, err, reqresp.PhaseNegotiate, reqresp.ErrUnsupported)
			for range counter.Call(t.Context(), c, s.Server.ID(), new(Count(3))) {
				break
			}
		}
	})
}

func TestSlotHandedToACancelledCallIsPassedOn(t *testing.T) {
	simulate(t, func(t *testing.T, s *simulation) {
		serve(t, s.Server, nil, echo.Serve(echoed))
		c := reqresp.NewClient(s.Client, &reqresp.ClientOptions{MaxCallsPerPeer: 1})
		for range 100 {
			first, err := c.Open(t.Context(), s.Server.ID(), echo.Spec())
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan struct{})
			go func() {
				defer close(done)
				if out, err := c.Open(ctx, s.Server.ID(), echo.Spec()); err == nil {
					out.Close()
				}
			}()
			time.Sleep(time.Millisecond)
			go cancel()
			first.Close()
			<-done
		}
	})
}
