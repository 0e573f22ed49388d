package limits_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"

	"github.com/seed-2dd5877b/reqresp/internal/simtest"
	"github.com/seed-2dd5877b/reqresp/limits"
	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
)

// number is every message of the test protocol.
type number uint32

// MaxChunks implements reqresp.BoundedRequest: a number asks for as many.
func (n *number) MaxChunks() int { return int(*n) }

// numberCodec lays out a number as four bytes, in a response after a zero byte,
// which is the code where it is an error.
type numberCodec struct{}

func (numberCodec) Name() string { return "" }

func (numberCodec) AppendRequest(dst []byte, _ protocol.ID, req any) ([]byte, error) {
	return binary.BigEndian.AppendUint32(dst, uint32(*req.(*number))), nil
}

func (numberCodec) ReadRequest(r reqresp.Reader, _ protocol.ID, _ int, req any) error {
	b, err := io.ReadAll(io.LimitReader(r, 5))
	if err != nil {
		return err
	}
	if len(b) != 4 {
		return fmt.Errorf("request of %d bytes", len(b))
	}
	*req.(*number) = number(binary.BigEndian.Uint32(b))
	return nil
}

func (numberCodec) AppendResponse(dst []byte, _ protocol.ID, resp any) ([]byte, error) {
	return binary.BigEndian.AppendUint32(append(dst, 0), uint32(*resp.(*number))), nil
}

func (numberCodec) AppendError(dst []byte, _ protocol.ID, e *reqresp.Error) ([]byte, error) {
	return append(dst, byte(e.Code), 0, 0, 0, 0), nil
}

func (numberCodec) ReadResponse(r reqresp.Reader, _ protocol.ID, _ int, resp any) error {
	code, err := r.ReadByte()
	if err != nil {
		return err
	}
	var b [4]byte
	if _, err := io.ReadFull(r, b[:]); err != nil {
		return err
	}
	if code != 0 {
		return &reqresp.Error{Code: reqresp.Code(code), Remote: true}
	}
	*resp.(*number) = number(binary.BigEndian.Uint32(b[:]))
	return nil
}

var count = reqresp.NewStream[number, number](
	reqresp.Family{Prefix: "/test", Codec: numberCodec{}}, "count", 1)

// A pair is a client and the server it calls, on a simulated network.
type pair struct {
	client  *reqresp.Client
	asker   peer.ID
	to      peer.ID
	limiter *limits.Limiter
	ended   chan error // what the server's exchanges ended in
}

// newPair is called in a bubble, where the pair ends with the test.
func newPair(t *testing.T, q limits.Quota) pair {
	t.Helper()
	hosts := simtest.New(t, simtest.Options{}).Hosts
	asker, server := hosts[0], hosts[1]
	limiter, err := limits.New(&limits.Options{Config: limits.Config{
		Methods: map[string]limits.Method{count.Spec().Name(): {Peer: q}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 8)
	serveCount(t, server, limiter, ended)
	if err := asker.Connect(t.Context(), peer.AddrInfo{ID: server.ID(), Addrs: server.Addrs()}); err != nil {
		t.Fatal(err)
	}
	// The client makes more calls at a time than the server admits.
	client := reqresp.NewClient(asker, &reqresp.ClientOptions{MaxCallsPerPeer: 8})
	return pair{client, asker.ID(), server.ID(), limiter, ended}
}

// serveCount serves count with handlers that send as many numbers as asked for.
func serveCount(t *testing.T, h host.Host, limiter *limits.Limiter, ended chan<- error) {
	t.Helper()
	srv := reqresp.NewServer(h, &reqresp.ServerOptions{
		Limiter: limiter, Trace: &reqresp.Trace{Done: func(x *reqresp.Exchange) { ended <- x.Err }},
	})
	srv.Register(count.Serve(func(_ context.Context, _ peer.ID, req *number, send func(*number) error) error {
		for i := range *req {
			if err := send(&i); err != nil {
				return err
			}
		}
		return nil
	}))
	if err := srv.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := srv.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
}

// call asks for n chunks and returns when each came, as time since start. It
// must end well: with all chunks, and no error after them.
func (p pair) call(t *testing.T, n number, start time.Time) []time.Duration {
	var at []time.Duration
	for _, err := range count.Call(t.Context(), p.client, p.to, &n) {
		if err != nil {
			t.Errorf("call failed: %v", err)
			break
		}
		at = append(at, time.Since(start))
	}
	if len(at) != int(n) {
		t.Errorf("%d chunks came, want %d", len(at), n)
	}
	return at
}

// afterTrip returns the times that many seconds after a round trip: what is
// negotiated goes along with the request.
func afterTrip(seconds ...float64) []time.Duration {
	var d []time.Duration
	for _, s := range seconds {
		d = append(d, time.Duration(s*float64(time.Second))+2*simtest.OneWay)
	}
	return d
}

func wantTimes(t *testing.T, what string, at, want []time.Duration) {
	t.Helper()
	if !slices.EqualFunc(at, want, func(a, b time.Duration) bool { return a.Round(time.Millisecond) == b }) {
		t.Errorf("chunks of %s came at %v, want %v", what, at, want)
	}
}

func TestServerWithholdsChunksOverQuota(t *testing.T) {
	for name, tc := range map[string]struct {
		items limits.Rate
		want  []time.Duration
	}{
		"at the rate":  {limits.Rate{N: 2, Burst: 3}, afterTrip(0, 0, 0, 0.5, 1, 1.5)},
		"at the floor": {limits.Rate{N: 1, Per: time.Minute, Burst: 2}, afterTrip(0, 0, 8, 16, 24, 32)},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				pair := newPair(t, limits.Quota{Items: tc.items})
				wantTimes(t, "the call", pair.call(t, number(len(tc.want)), time.Now()), tc.want)
			})
		})
	}
}

// TestServerResetsWhatIsOverdrawn asks for more than the quota and its overdraft come to.
func TestServerResetsWhatIsOverdrawn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pair := newPair(t, limits.Quota{Items: limits.Rate{N: 1, Per: time.Hour, Burst: 2}})
		start := time.Now()
		var at []time.Duration
		n := number(100)
		for _, err := range count.Call(t.Context(), pair.client, pair.to, &n) {
			if err == nil {
				at = append(at, time.Since(start))
			} else if !errors.Is(err, reqresp.ErrRefused) {
				t.Errorf("call failed with %v, want %v", err, reqresp.ErrRefused)
			}
		}
		// Two, then four on overdraft, and one as a little less than four was owed.
		wantTimes(t, "the call", at, afterTrip(0, 0, 8, 16, 24, 32, 40))
		if d := time.Since(start); d.Round(time.Second) != 48*time.Second {
			t.Errorf("call failed after %v, want 48s", d)
		}
		if err := <-pair.ended; !errors.Is(err, limits.ErrOverdrawn) {
			t.Errorf("the server's exchange ended in %v, want %v", err, limits.ErrOverdrawn)
		}
	})
}

func TestServerLetsTheThirdRequestWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pair := newPair(t, limits.Quota{Items: limits.Rate{N: 1, Burst: 2}})
		start := time.Now()
		var at [3][]time.Duration
		var wg sync.WaitGroup
		for i, n := range []number{4, 4, 1} {
			wg.Go(func() { at[i] = pair.call(t, n, start) })
			time.Sleep(100 * time.Millisecond)
		}
		if b := pair.limiter.Balances(pair.asker)[0]; b.Active != 2 || b.Waiting != 1 {
			t.Errorf("%d exchanges are active and %d wait, want 2 and 1", b.Active, b.Waiting)
		}
		wg.Wait()
		// The first two take turns. The third is admitted after 3 s, as the
		// first ends. It is not its turn yet when its 4 s are over.
		wantTimes(t, "the first", at[0], afterTrip(0, 0, 1, 3))
		wantTimes(t, "the second", at[1], afterTrip(2, 4, 6, 7))
		wantTimes(t, "the third", at[2], afterTrip(4.2))
	})
}

func TestCancelledCallFreesItsSlot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pair := newPair(t, limits.Quota{Items: limits.Rate{N: 1, Per: 2 * time.Second}})
		start := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		var wg sync.WaitGroup
		wg.Go(func() {
			n, chunks := number(9), 0
			for _, err := range count.Call(ctx, pair.client, pair.to, &n) {
				if err == nil {
					chunks++
				} else if !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("cancelled call failed with %v", err)
				}
			}
			if chunks != 2 {
				t.Errorf("%d chunks came before the call was cancelled, want 2", chunks)
			}
		})
		var second, third []time.Duration
		time.Sleep(100 * time.Millisecond)
		wg.Go(func() { second = pair.call(t, 3, start) })
		time.Sleep(100 * time.Millisecond)
		wg.Go(func() { third = pair.call(t, 1, start) })
		wg.Wait()
		// The server learns of it as it sends the cancelled call's third chunk,
		// after 6 s. Until then the third call is one too many, and is admitted after
		// its 4 s.
		wantTimes(t, "the second", second, afterTrip(4, 10, 12))
		wantTimes(t, "the third", third, afterTrip(4.2))
		time.Sleep(time.Second)
		if b := pair.limiter.Balances(pair.asker)[0]; b.Active != 0 || b.Waiting != 0 {
			t.Errorf("%d exchanges are active and %d wait, want none", b.Active, b.Waiting)
		}
	})
}
