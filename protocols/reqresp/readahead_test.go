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
	rcmgr "github.com/libp2p/go-libp2p/p2p/host/resource-manager"

	"github.com/seed-2dd5877b/reqresp/internal/simtest"
	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
)

const blockSize = 100 << 10

// blocks are large chunks, as many as asked for.
var blocks = reqresp.NewStream[Count, Text](family, "blocks", 1)

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
		simtest.WaitFor(t, "the server's streams to end", func() bool { return len(srv.Streams()) == 0 })
		wantNothingHeld(t, tr, client, server)
	})
}

func mplexTransport() transport {
	return transports[slices.IndexFunc(transports, func(tr transport) bool { return tr.Name == "mplex" })]
}

// readLate makes a call whose caller does not read on before the response was written, and then does what else it
// is given. It returns how many blocks came before the failure.
func readLate(
	t *testing.T, c *reqresp.Client, to peer.ID, asked Count, done <-chan error, meanwhile func(),
) (got int, failed error) {
	t.Helper()
	for block, err := range blocks.Call(t.Context(), c, to, &asked) {
		if err != nil {
			return got, err
		}
		if got++; len(*block) != blockSize {
			t.Fatalf("block of %d bytes", len(*block))
		}
		if got == 1 {
			// All is written, for the requester reads it whatever its caller does.
			if err := <-done; err != nil {
				t.Errorf("server: %v", err)
			}
			meanwhile()
		}
	}
	return got, nil
}

func TestResponseThatIsNotReadIsCutOffOnMplex(t *testing.T) {
	tr := mplexTransport()
	unlimited := rcmgr.ResourceLimits{Memory: rcmgr.Unlimited64}
	client := tr.Limited(t, rcmgr.PartialLimitConfig{
		System: unlimited, PeerDefault: unlimited, ProtocolDefault: unlimited, ProtocolPeerDefault: unlimited,
		Stream: unlimited,
	})
	server := tr.Host(t)
	connect(t, client, server)
	done := make(chan error, 10)
	serve(t, server, &reqresp.ServerOptions{Trace: &reqresp.Trace{Done: func(x *reqresp.Exchange) {
		if x.Spec.Name() == "blocks" {
			done <- x.Err
		}
	}}}, echo.Serve(echoed), blocks.Serve(sendBlocks))
	c := reqresp.NewClient(client, nil)
	most := c.MaxUnread(server.ID())
	check := func(what string, got int, err error, least, most int) {
		t.Helper()
		wantFailure(t, err, reqresp.PhaseResponse, reqresp.ErrBufferFull)
		if r := reqresp.ReasonOf(err); r != reqresp.ReasonOverLimit {
			t.Errorf("%s: reason %v", what, r)
		}
		if size := got * blockSize; size < least || size > most+2*blockSize {
			t.Errorf("%s: got %d KiB before, want %d to %d", what, size>>10, least>>10, most>>10)
		}
	}
	for range 2 { // What is held is given back.
		got, err := readLate(t, c, server.ID(), 300, done, func() {
			pingWithin(t, c, server.ID())
			// A second one of the peer gets no more than a part of what is left for all.
			got, err := readLate(t, c, server.ID(), 300, done, func() { pingWithin(t, c, server.ID()) })
			check("beside another", got, err, blockSize, most/4)
		})
		check("alone", got, err, most*3/4, most)
	}
	// What two calls of package beacon ask for at a time is held of both.
	modest := Count(most / 4 / blockSize)
	got, err := readLate(t, c, server.ID(), modest, done, func() {
		if got, err := readLate(t, c, server.ID(), modest, done, func() {}); err != nil || got != int(modest) {
			t.Errorf("second of two: got %d blocks of %d, %v", got, modest, err)
		}
	})
	if err != nil || got != int(modest) {
		t.Errorf("first of two: got %d blocks of %d, %v", got, modest, err)
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
		if c.MaxUnread(server.ID()) != out.MaxUnread() || (out.MaxUnread() > 0) != (tr.Name == "mplex") {
			t.Errorf("%d bytes are held of the peer's, %d of the exchange's", c.MaxUnread(server.ID()), out.MaxUnread())
		}
		if n := c.MaxUnread(client.ID()); n != 0 {
			t.Errorf("%d bytes are held of a peer that is not connected", n)
		}
	})
}

// TestRequestsOfAPeerThatDoesNotReadAreRead has a peer on mplex that takes nothing of an answer: its other requests
// are read and handled all the same.
func TestRequestsOfAPeerThatDoesNotReadAreRead(t *testing.T) {
	const others = 10
	client, server := mplexTransport().Pair(t)
	started, handled := make(chan struct{}, others+1), make(chan struct{}, others)
	trace := &reqresp.Trace{Start: func(*reqresp.Exchange) { started <- struct{}{} }}
	serve(t, server, &reqresp.ServerOptions{Trace: trace}, blocks.Serve(sendBlocks), echo.Serve(
		func(_ context.Context, _ peer.ID, req *Text) (*Text, error) {
			handled <- struct{}{}
			return req, nil
		}))
	write := func(stream network.Stream, b ...byte) {
		if _, err := stream.Write(b); err != nil {
			t.Error(err)
		}
	}
	// A stream is negotiated by libp2p, which answers before it goes on.
	var streams []network.Stream
	for range others {
		stream := openRaw(t, client, server, echo.Spec().Protocols()[0])
		write(stream, 1)
		<-started
		streams = append(streams, stream)
	}
	unread := openRaw(t, client, server, blocks.Spec().Protocols()[0])
	write(unread, 3, '3', '0', '0')
	_ = unread.CloseWrite()
	if _, err := io.ReadFull(unread, make([]byte, 100)); err != nil {
		t.Fatal(err)
	}
	late := time.After(time.Minute)
	for _, stream := range streams {
		write(stream, 'x')
		_ = stream.CloseWrite()
		select {
		case <-handled:
		case <-late:
			t.Fatal("a request is not read while an answer is not")
		}
	}
	_ = client.Close()
}

// TestHeldBytesAreReserved has a resource manager that grants a stream little memory.
func TestHeldBytesAreReserved(t *testing.T) {
	const memory = 1 << 20
	tr := mplexTransport()
	client, server := tr.Limited(t, rcmgr.PartialLimitConfig{Stream: rcmgr.ResourceLimits{Memory: memory}}), tr.Host(t)
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
