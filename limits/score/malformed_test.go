package score_test

import (
	"context"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"

	"github.com/seed-2dd5877b/reqresp/limits/score"
	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
)

// A pairCodec reads requests of two bytes, of which the first is 1. It words some verdicts itself.
type pairCodec struct{ sizeCodec }

func (pairCodec) ReadRequest(r reqresp.Reader, _ protocol.ID, _ int, req any) error {
	var pair [2]byte
	if _, err := io.ReadFull(r, pair[:]); err != nil {
		return reqresp.Errorf(reqresp.CodeInvalidRequest, "short: %w", err)
	}
	if pair[0] != 1 {
		return reqresp.Errorf(reqresp.CodeInvalidRequest, "first byte is %d", pair[0])
	}
	*req.(*size) = size(pair[1])
	return nil
}

// attempt makes as many requests as an attacker of the issue did, and returns after how long the book banned
// the peer, or -1.
func attempt(t *testing.T, request string, end func(network.Stream)) (banned time.Duration, final float64) {
	t.Helper()
	const attempts, apart = 190, 100 * time.Second / 190
	book := newBook(t, nil)
	client, server := simulatedPair(t)
	servePairs(t, server, book)
	start := time.Now()
	for range attempts {
		if book.Action(client.ID()) == score.Ban {
			return time.Since(start), book.Score(client.ID())
		}
		// A connection that was cut is made anew.
		if err := client.Connect(t.Context(), peer.AddrInfo{ID: server.ID(), Addrs: server.Addrs()}); err != nil {
			t.Fatal(err)
		}
		stream, err := client.NewStream(t.Context(), server.ID(), sizes)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(stream, request); err != nil {
			t.Fatal(err)
		}
		end(stream)
		time.Sleep(apart)
	}
	return -1, book.Score(client.ID())
}

func servePairs(t *testing.T, server host.Host, book *score.Book) {
	t.Helper()
	srv := reqresp.NewServer(server, &reqresp.ServerOptions{Trace: book.Trace()})
	pairs := reqresp.NewStream[size, size](reqresp.Family{Prefix: "/test", Codec: pairCodec{}}, "sizes", 1)
	srv.Register(pairs.Serve(func(_ context.Context, _ peer.ID, req *size, send func(*size) error) error {
		if *req == 0 {
			return reqresp.Errorf(reqresp.CodeInvalidRequest, "of no use")
		}
		return send(req)
	}))
	if err := srv.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = srv.Stop(context.Background()) })
}

func closeWrite(s network.Stream) { _ = s.CloseWrite() }

func TestMalformedRequestsBanWithinAMinute(t *testing.T) {
	for name, request := range map[string]string{
		"of the codec's verdict": "\x02\x01",
		"followed by bytes":      "\x01\x01!",
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				if after, final := attempt(t, request, closeWrite); after < 0 || after > time.Minute {
					t.Errorf("banned after %v, score %v", after, final)
				}
			})
		})
	}
}

// What a caller who is gone and a connection that is cut leave costs nothing. What a client gets
// wrong in a well-formed request, and what is cut by an end, never bans by a burst.
func TestHonestMistakesNeverBan(t *testing.T) {
	for name, tc := range map[string]struct {
		request string
		end     func(network.Stream)
		least   float64
	}{
		"ended before the first byte": {"", closeWrite, 0},
		"reset before the first byte": {"", func(s network.Stream) { _ = s.Reset() }, 0},
		"reset within the request":    {"\x01", func(s network.Stream) { _ = s.Reset() }, 0},
		"cut within the request":      {"\x01", func(s network.Stream) { time.Sleep(time.Second / 10); _ = s.Conn().Close() }, 0},
		"cut within the answer":       {"\x01\x07", func(s network.Stream) { _ = s.Conn().Close() }, 0},
		"answer given up":             {"\x01\x07", func(s network.Stream) { _ = s.Reset() }, 0},
		"ended within the request":    {"\x01", closeWrite, -20},
		"invalid":                     {"\x01\x00", closeWrite, -20},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				if after, final := attempt(t, tc.request, tc.end); after >= 0 || final < tc.least {
					t.Errorf("banned after %v, score %v, want at least %v", after, final, tc.least)
				}
			})
		})
	}
}
