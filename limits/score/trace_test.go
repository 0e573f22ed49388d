package score_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"

	"github.com/seed-2dd5877b/reqresp/internal/simtest"
	"github.com/seed-2dd5877b/reqresp/limits"
	"github.com/seed-2dd5877b/reqresp/limits/score"
	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
)

// A size is a message of as many bytes, of which a request has one at most.
type size int

// sizeCodec lays out a size as so many bytes. A request is malformed if they are
// more than 5.
type sizeCodec struct{}

func (sizeCodec) Name() string { return "" }

func (sizeCodec) AppendRequest(dst []byte, _ protocol.ID, req any) ([]byte, error) {
	return append(dst, make([]byte, *req.(*size))...), nil
}

func (sizeCodec) ReadRequest(r reqresp.Reader, _ protocol.ID, _ int, req any) error {
	b, err := io.ReadAll(r)
	if err == nil && len(b) > 5 {
		err = fmt.Errorf("request of %d bytes", len(b))
	}
	*req.(*size) = size(len(b))
	return err
}

func (sizeCodec) AppendResponse(dst []byte, _ protocol.ID, resp any) ([]byte, error) {
	return append(dst, bytes.Repeat([]byte{7}, int(*resp.(*size)))...), nil
}

func (sizeCodec) AppendError(dst []byte, _ protocol.ID, e *reqresp.Error) ([]byte, error) {
	return append(dst, byte(e.Code)), nil
}

func (sizeCodec) ReadResponse(r reqresp.Reader, _ protocol.ID, _ int, resp any) error {
	b, err := io.ReadAll(r)
	*resp.(*size) = size(len(b))
	return err
}

const sizes = "/test/sizes/1"

// serverMemory is enough for any size but its own.
const serverMemory = 9 << 20

// serveSizes serves what a request of so many bytes stands for.
func serveSizes(t *testing.T, h host.Host, book *score.Book) {
	t.Helper()
	limiter, err := limits.New(&limits.Options{Scores: book})
	if err != nil {
		t.Fatal(err)
	}
	srv := reqresp.NewServer(h, &reqresp.ServerOptions{
		Limiter: limiter, Trace: book.Trace(), Middleware: []reqresp.Middleware{book.Middleware()},
		MaxMemory: serverMemory,
	})
	desc := reqresp.NewStream[size, size](reqresp.Family{Prefix: "/test", Codec: sizeCodec{}}, "sizes", 1)
	srv.Register(desc.Serve(func(_ context.Context, _ peer.ID, req *size, send func(*size) error) error {
		switch *req {
		case 1:
			return send(new(size(8 << 20)))
		case 2:
			return reqresp.Errorf(reqresp.CodeResourceUnavailable, "gone")
		case 3:
			return errors.New("own fault")
		case 4:
			return reqresp.Errorf(reqresp.CodeInvalidRequest, "of no use")
		case 5:
			return send(new(size(serverMemory)))
		}
		return nil
	}))
	if err := srv.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = srv.Stop(context.Background()) })
}

func TestTracePenalisesWhatPeersDoWrong(t *testing.T) {
	reset := func(s network.Stream) { _ = s.Reset() }
	readAll := func(s network.Stream) { _, _ = io.Copy(io.Discard, s) }
	stall := func(network.Stream) { time.Sleep(time.Minute) }
	closeRead := func(s network.Stream) { _ = s.CloseRead() }
	for name, tc := range map[string]struct {
		request int
		then    func(network.Stream)
		want    float64
	}{
		"answer that is read":       {1, readAll, 0},
		"answer that is given up":   {1, reset, 0},
		"answer that is not read":   {1, stall, -5},
		"nothing to answer":         {0, readAll, 0},
		"unavailable":               {2, readAll, 0},
		"fault of the server":       {3, readAll, 0},
		"invalid request":           {4, readAll, -5},
		"no memory for a request":   {serverMemory, readAll, 0},
		"no memory for an answer":   {5, readAll, 0},
		"malformed request":         {6, readAll, -2},
		"malformed, answer refused": {6, closeRead, -2},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var changes []score.Change
				book := newBook(t, &score.Options{
					Config:  score.Config{HalfLife: 100_000 * time.Hour},
					Observe: func(c score.Change) { changes = append(changes, c) },
				})
				client, server := simulatedPair(t)
				serveSizes(t, server, book)
				if err := client.Connect(t.Context(), peer.AddrInfo{ID: server.ID(), Addrs: server.Addrs()}); err != nil {
					t.Fatal(err)
				}
				stream, err := client.NewStream(t.Context(), server.ID(), sizes)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := stream.Write(make([]byte, tc.request)); err != nil && tc.request < serverMemory {
					t.Fatal(err)
				}
				_ = stream.CloseWrite()
				tc.then(stream)
				time.Sleep(time.Minute)
				_ = stream.Reset()
				if got := book.Score(client.ID()); got-tc.want > 1e-3 || tc.want-got > 1e-3 {
					t.Errorf("score is %v, want %v: %+v", got, tc.want, changes)
				}
			})
		})
	}
}

// Who is to blame cannot always be told, or is not the peer.
func TestTraceBlamesForFaultsOfThePeerAlone(t *testing.T) {
	sizes := reqresp.NewStream[size, size](reqresp.Family{Prefix: "/test", Codec: sizeCodec{}}, "sizes", 1).Spec()
	invalid := reqresp.Errorf(reqresp.CodeInvalidRequest, "of no use")
	late := &reqresp.Failure{Err: fmt.Errorf("writing response: %w", reqresp.ErrTimeout)}
	for name, tc := range map[string]struct {
		inbound bool
		phase   reqresp.Phase
		took    time.Duration
		err     error
		blamed  bool
	}{
		"answer not read":            {true, reqresp.PhaseResponse, time.Minute, late, true},
		"response not there in time": {false, reqresp.PhaseResponse, time.Minute, late, false},
		"all that took too long":     {true, reqresp.PhaseResponse, sizes.Limits().Timeouts.Total, late, false},
		"handler that took too long": {true, reqresp.PhaseHandle, time.Minute, late, false},
		"invalid":                    {true, reqresp.PhaseHandle, 0, invalid, true},
		"invalid of this side":       {false, reqresp.PhaseResponse, 0, invalid, false},
		"invalid to another peer": {
			true, reqresp.PhaseHandle, 0, &reqresp.Failure{Err: &reqresp.Error{Code: 1, Remote: true}}, false,
		},
		"panic with an error": {true, reqresp.PhaseHandle, 0, &reqresp.Failure{Err: &reqresp.PanicError{Value: invalid}}, false},
	} {
		book := newBook(t, nil)
		book.Trace().Done(&reqresp.Exchange{
			Info:   reqresp.Info{Inbound: tc.inbound, Peer: "peer", Spec: sizes},
			Result: reqresp.Result{Err: tc.err},
			Began:  time.Now().Add(-tc.took),
			Phase:  tc.phase,
		})
		if got := book.Score("peer"); (got < 0) != tc.blamed {
			t.Errorf("%s: score is %v", name, got)
		}
	}
}

// simulatedPair returns two hosts on a simulated network.
func simulatedPair(t *testing.T) (client, server host.Host) {
	t.Helper()
	n := simtest.New(t, simtest.Options{})
	return n.Hosts[0], n.Hosts[1]
}

// Whether a host keeps them out or not, nothing is served to peers that are banned.
func TestMiddlewareRefusesBannedPeers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		book := newBook(t, nil)
		client, server := simulatedPair(t)
		serveSizes(t, server, book)
		if err := client.Connect(t.Context(), peer.AddrInfo{ID: server.ID(), Addrs: server.Addrs()}); err != nil {
			t.Fatal(err)
		}
		ask := func() ([]byte, error) {
			stream, err := client.NewStream(t.Context(), server.ID(), sizes)
			if err != nil {
				return nil, err
			}
			defer stream.Close()
			if _, err := stream.Write(make([]byte, 1)); err != nil {
				return nil, err
			}
			if err := stream.CloseWrite(); err != nil {
				return nil, err
			}
			return io.ReadAll(stream)
		}
		if answer, err := ask(); err != nil || len(answer) == 0 {
			t.Fatalf("%d bytes, error %v", len(answer), err)
		}
		if err := book.Ban(client.ID(), time.Hour, "spam"); err != nil {
			t.Fatal(err)
		}
		answer, err := ask()
		reset, ok := errors.AsType[*network.StreamError](err)
		if len(answer) > 0 || !ok || reset.ErrorCode != network.StreamResourceLimitExceeded {
			t.Errorf("%d bytes for a banned peer, error %v", len(answer), err)
		}
		if got := book.Score(client.ID()); got < 0 {
			t.Errorf("score %v for having asked", got)
		}
		book.Forgive(client.ID())
		if answer, err := ask(); err != nil || len(answer) == 0 {
			t.Errorf("%d bytes for a peer that was forgiven, error %v", len(answer), err)
		}
	})
}

// A prefixCodec reads a request of one byte, whatever follows.
type prefixCodec struct{ sizeCodec }

func (prefixCodec) ReadRequest(r reqresp.Reader, _ protocol.ID, _ int, _ any) error {
	_, err := r.ReadByte()
	return err
}

// A byte that follows a request is a fault also if it arrives while the request is served.
func TestTracePenalisesBytesAfterARequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		book := newBook(t, &score.Options{Config: score.Config{HalfLife: 100_000 * time.Hour}})
		client, server := simulatedPair(t)
		srv := reqresp.NewServer(server, &reqresp.ServerOptions{Trace: book.Trace()})
		waits := reqresp.NewStream[size, size](reqresp.Family{Prefix: "/test", Codec: prefixCodec{}}, "sizes", 1)
		srv.Register(waits.Serve(func(ctx context.Context, _ peer.ID, _ *size, _ func(*size) error) error {
			<-ctx.Done()
			return ctx.Err()
		}))
		if err := srv.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = srv.Stop(context.Background()) })
		if err := client.Connect(t.Context(), peer.AddrInfo{ID: server.ID(), Addrs: server.Addrs()}); err != nil {
			t.Fatal(err)
		}
		stream, err := client.NewStream(t.Context(), server.ID(), sizes)
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if book.Score(client.ID()) != 0 {
				t.Error("blamed for the request alone")
			}
			if _, err := stream.Write([]byte{1}); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
		}
		if got := book.Score(client.ID()); got > -1.99 || got < -2 {
			t.Errorf("score is %v, want -2", got)
		}
	})
}
