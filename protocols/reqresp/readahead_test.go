package reqresp_test

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	rcmgr "github.com/libp2p/go-libp2p/p2p/host/resource-manager"

	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
)

const blockSize = 100 << 10

// blocks are large chunks, as many as asked for.
var blocks = reqresp.NewStream[Count, Text](family, "blocks", reqresp.Limits{}, 1)

func sendBlocks(_ context.Context, _ peer.ID, n *Count, send func(*Text) error) error {
	block := Text(strings.Repeat("x", blockSize))
	for range *n {
		if err := send(&block); err != nil {
			return err
		}
	}
	return nil
}

// pingWithin fails the test if a small call is not answered within a second.
func pingWithin(t *testing.T, client *reqresp.Client, to peer.ID) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if _, err := echo.Call(ctx, client, to, new(Text("ping"))); err != nil {
		t.Errorf("ping beside a slow reader: %v", err)
	}
}

func TestPingsBesideASlowReaderAreAnsweredAtOnce(t *testing.T) {
	eachTransport(t, func(t *testing.T, tr transport, client, server host.Host) {
		const asked, slow = 100, 5
		srv := serve(t, server, nil, echo.Serve(echoed), blocks.Serve(sendBlocks))
		c := reqresp.NewClient(client, nil)
		got := 0
		for block, err := range blocks.Call(t.Context(), c, server.ID(), new(Count(asked))) {
			if err != nil {
				t.Fatalf("after %d blocks: %v", got, err)
			}
			if len(*block) != blockSize {
				t.Fatalf("block of %d bytes", len(*block))
			}
			got++
			for range 20 {
				if got > slow || t.Failed() {
					break
				}
				pingWithin(t, c, server.ID())
			}
		}
		if got != asked {
			t.Errorf("got %d blocks of %d", got, asked)
		}
		waitFor(t, "the server's streams to end", func() bool { return len(srv.Streams()) == 0 })
		wantNothingHeld(t, tr, client, server)
	})
}

func mplexTransport() transport {
	return transports[slices.IndexFunc(transports, func(tr transport) bool { return tr.name == "mplex" })]
}

func TestResponseThatIsNotReadIsCutOffOnMplex(t *testing.T) {
	tr := mplexTransport()
	client, server := tr.pair(t)
	const asked = 300
	done, trace := outcomes()
	serve(t, server, &reqresp.ServerOptions{Trace: trace}, echo.Serve(echoed), blocks.Serve(sendBlocks))
	c := reqresp.NewClient(client, nil)
	if most := c.MaxUnread(server.ID()); most < 1<<20 {
		t.Fatalf("at most %d bytes are held unread", most)
	}
	got, failed := 0, error(nil)
	for block, err := range blocks.Call(t.Context(), c, server.ID(), new(Count(asked))) {
		if err != nil {
			failed = err
			break
		}
		if got++; len(*block) != blockSize {
			t.Fatalf("block of %d bytes", len(*block))
		}
		if got == 1 {
			// All has been written, for the requester reads it whatever its caller does.
			if err := <-done; err != nil {
				t.Errorf("server: %v", err)
			}
			pingWithin(t, c, server.ID())
		}
	}
	wantFailure(t, failed, reqresp.PhaseResponse, reqresp.ErrBufferFull)
	if r := reqresp.ReasonOf(failed); r != reqresp.ReasonOverLimit {
		t.Errorf("reason %v", r)
	}
	if size := got * blockSize; size < 4<<20 || size > c.MaxUnread(server.ID())+2*blockSize {
		t.Errorf("got %d blocks before", got)
	}
	pingWithin(t, c, server.ID())
	wantNothingHeld(t, tr, client, server)
}

func TestOnlyMplexBoundsWhatIsHeldUnread(t *testing.T) {
	eachTransport(t, func(t *testing.T, tr transport, client, server host.Host) {
		serve(t, server, nil, echo.Serve(echoed))
		c := reqresp.NewClient(client, nil)
		out, err := c.Open(t.Context(), server.ID(), echo.Spec())
		if err != nil {
			t.Fatal(err)
		}
		defer out.Close()
		if c.MaxUnread(server.ID()) != out.MaxUnread() || (out.MaxUnread() > 0) != (tr.name == "mplex") {
			t.Errorf("%d bytes are held of the peer's, %d of the exchange's", c.MaxUnread(server.ID()), out.MaxUnread())
		}
		if n := c.MaxUnread(client.ID()); n != 0 {
			t.Errorf("%d bytes are held of a peer that is not connected", n)
		}
	})
}

// TestPeerThatDoesNotReadIsServedFurther has a peer on mplex whose muxer waits for the reader of an answer, as it
// does with none of ours: its other requests are read and handled all the same.
func TestPeerThatDoesNotReadIsServedFurther(t *testing.T) {
	client, server := mplexTransport().pair(t)
	handled := make(chan struct{}, 10)
	serve(t, server, nil, blocks.Serve(sendBlocks), echo.Serve(
		func(_ context.Context, _ peer.ID, req *Text) (*Text, error) {
			handled <- struct{}{}
			return req, nil
		}))
	ask := func(id protocol.ID, request []byte) network.Stream {
		stream := openRaw(t, client, server, id)
		if _, err := stream.Write(request); err != nil {
			t.Error(err)
		}
		_ = stream.CloseWrite()
		return stream
	}
	unread := ask(blocks.Spec().Protocols[0], []byte{2, '5', '0'})
	if _, err := io.ReadFull(unread, make([]byte, 100)); err != nil {
		t.Fatal(err)
	}
	for range 10 {
		ask(echo.Spec().Protocols[0], []byte{0})
		select {
		case <-handled:
		case <-time.After(time.Second):
			t.Fatal("a request is not read while an answer is not")
		}
	}
	_ = client.Close()
}

// TestHeldBytesAreReserved has a resource manager that grants a stream little memory.
func TestHeldBytesAreReserved(t *testing.T) {
	const memory = 1 << 20
	tr := mplexTransport()
	client, server := tr.limited(t, rcmgr.PartialLimitConfig{Stream: rcmgr.ResourceLimits{Memory: memory}}), tr.host(t)
	connect(t, client, server)
	done, trace := outcomes()
	serve(t, server, &reqresp.ServerOptions{Trace: trace}, blocks.Serve(sendBlocks))
	got, failed := 0, error(nil)
	for _, err := range blocks.Call(t.Context(), reqresp.NewClient(client, nil), server.ID(), new(Count(100))) {
		if err != nil {
			failed = err
			break
		}
		if got++; got == 1 {
			<-done
		}
	}
	if !errors.Is(failed, reqresp.ErrBufferFull) || got*blockSize > memory+blockSize {
		t.Errorf("%d blocks of %d KiB and %v, with %d KiB to reserve", got, blockSize>>10, failed, memory>>10)
	}
}
