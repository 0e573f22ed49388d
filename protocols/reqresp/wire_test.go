package reqresp_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
)

// Responses written by hand, to a request for two chunks.
var responses = []struct {
	name   string
	wire   string
	end    func(network.Stream) error // default CloseWrite
	unary  []error                    // what a unary call fails with, nil for success
	stream []error
}{
	{name: "one chunk", wire: "\x00\x01a"},
	{name: "two chunks", wire: "\x00\x01a\x00\x01b", unary: []error{reqresp.ErrViolation, reqresp.ErrTooManyChunks}},
	{
		name: "three chunks", wire: "\x00\x01a\x00\x01b\x00\x01c",
		unary: []error{reqresp.ErrTooManyChunks}, stream: []error{reqresp.ErrViolation, reqresp.ErrTooManyChunks},
	},
	{
		name: "garbage after the last chunk", wire: "\x00\x01a\x00\x01b\xff\xff\xff",
		unary: []error{reqresp.ErrTooManyChunks}, stream: []error{reqresp.ErrViolation, reqresp.ErrTooManyChunks},
	},
	{name: "nothing", unary: []error{reqresp.ErrViolation, reqresp.ErrNoResponse}},
	{
		name: "status alone", wire: "\x00", unary: []error{reqresp.ErrViolation, io.ErrUnexpectedEOF},
		stream: []error{reqresp.ErrViolation, io.ErrUnexpectedEOF},
	},
	{
		name: "cut off", wire: "\x00\x05a", unary: []error{reqresp.ErrViolation, io.ErrUnexpectedEOF},
		stream: []error{reqresp.ErrViolation, io.ErrUnexpectedEOF},
	},
	{
		name: "too long", wire: "\x00\x80\x80\x80\x80\x01", unary: []error{reqresp.ErrViolation, errTooLong},
		stream: []error{reqresp.ErrViolation, errTooLong},
	},
	{
		name: "reset before anything", end: network.Stream.Reset, unary: []error{network.ErrReset},
		stream: []error{network.ErrReset},
	},
	{
		name: "reset in the middle", wire: "\x00\x05a", end: lateReset, unary: []error{network.ErrReset},
		stream: []error{network.ErrReset},
	},
	{name: "reset between chunks", wire: "\x00\x01a", end: lateReset, stream: []error{network.ErrReset}},
	{
		name: "reset after the last chunk", wire: "\x00\x01a\x00\x01b", end: lateReset,
		unary: []error{reqresp.ErrTooManyChunks},
	},
	{name: "never ended", wire: "\x00\x01a\x00\x01b", end: leave, unary: []error{reqresp.ErrTooManyChunks}},
}

// lateReset resets once what was written has surely arrived.
func lateReset(stream network.Stream) error {
	time.Sleep(500 * time.Millisecond)
	return stream.Reset()
}

func leave(network.Stream) error { return nil }

func TestResponsesByHand(t *testing.T) {
	for _, tt := range responses {
		t.Run(tt.name, func(t *testing.T) {
			simulate(t, func(t *testing.T, s *simulation) {
				for _, spec := range []*reqresp.Spec{echo.Spec(), counter.Spec()} {
					serveRaw(t, s.Server, spec.Protocols()[0], func(stream network.Stream) {
						drain(stream)
						_, _ = stream.Write([]byte(tt.wire))
						if tt.end == nil {
							_ = stream.CloseWrite()
						} else {
							_ = tt.end(stream)
						}
					})
				}
				c := reqresp.NewClient(s.Client, nil)
				_, err := echo.Call(t.Context(), c, s.Server.ID(), new(Text("")))
				wantCauses(t, "unary", err, tt.unary)
				_, err = collect(counter.Call(t.Context(), c, s.Server.ID(), new(Count(2))))
				wantCauses(t, "stream", err, tt.stream)
			})
		})
	}
}

func wantCauses(t *testing.T, name string, err error, causes []error) {
	t.Helper()
	if causes == nil {
		if err != nil {
			t.Errorf("%s: got %v, want success", name, err)
		}
		return
	}
	if _, ok := errors.AsType[*reqresp.Failure](err); !ok {
		t.Errorf("%s: got %v, want a failure", name, err)
	}
	for _, c := range causes {
		if !errors.Is(err, c) {
			t.Errorf("%s: got %v, want one that wraps %v", name, err, c)
		}
	}
}

func TestWhatTheResponderSees(t *testing.T) {
	tests := []struct {
		name string
		wire string
		want network.StreamErrorCode
	}{
		{"malformed chunk", "\x00\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", network.StreamProtocolViolation},
		{"surplus chunk", "\x00\x01a\x00\x01b\x00\x01c", network.StreamProtocolViolation},
		{"complete but not ended", "\x00\x01a\x00\x01b", network.StreamGarbageCollected},
		{"verdict but not ended", "\x03\x02no", network.StreamNoError},
		{"incomplete", "\x00\x01a", network.StreamGarbageCollected},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			simulate(t, func(t *testing.T, s *simulation) {
				seen := make(chan error, 1)
				serveRaw(t, s.Server, counter.Spec().Protocols()[0], func(stream network.Stream) {
					drain(stream)
					_, err := stream.Write([]byte(tt.wire))
					for err == nil {
						time.Sleep(20 * time.Second)
						_, err = stream.Write([]byte{0})
					}
					seen <- err
				})
				_, _ = collect(counter.Call(t.Context(), reqresp.NewClient(s.Client, nil), s.Server.ID(), new(Count(2))))
				if err := <-seen; !errors.Is(err, remoteReset(tt.want)) {
					t.Errorf("got %v, want a reset with code %#x", err, tt.want)
				}
			})
		})
	}
}

const (
	echoes   = "\x00\x05hello"
	invalid  = "\x01\x11malformed request"
	trailing = "\x01\x17bytes after the request"
	late     = "\x01\x20request was not complete in time"
)

// Requests written by hand, and the answer's bytes.
var requests = []struct {
	name string
	wire string
	open bool // the write side is not closed
	want string
}{
	{"request", "\x05hello", false, echoes},
	{"no bytes", "", false, invalid},
	{"cut off", "\x05hel", false, invalid},
	{"trailing byte", "\x05hello!", false, trailing},
	{"trailing bytes and no end", "\x05hello!!!!!!!", true, trailing},
	{"over the limit", "\xff\xff\xff\x7f", true, invalid},
	{"no end", "\x05hello", true, echoes},
	{"nothing and no end", "", true, late},
	{"half of it and no end", "\x05he", true, late},
}

// answer writes a request by hand and returns all that answers it.
func answer(t *testing.T, stream network.Stream, wire string, open bool) string {
	t.Helper()
	if _, err := stream.Write([]byte(wire)); err != nil {
		t.Fatal(err)
	}
	if !open {
		_ = stream.CloseWrite() // which fails if the server is known to have seen enough
	}
	got, err := io.ReadAll(stream)
	if err != nil {
		t.Error(err)
	}
	return string(got)
}

func TestRequestsByHand(t *testing.T) {
	for _, tt := range requests {
		t.Run(tt.name, func(t *testing.T) {
			simulate(t, func(t *testing.T, s *simulation) {
				srv := serve(t, s.Server, nil, echo.Serve(echoed))
				s.Connect(t)
				stream := openRaw(t, s.Client, s.Server, echo.Spec().Protocols()[0])
				start := time.Now()
				if got := answer(t, stream, tt.wire, tt.open); got != tt.want {
					t.Errorf("got %q, want %q", got, tt.want)
				}
				took := time.Since(start)
				if tt.want == late {
					took -= reqresp.DefaultProgressTimeout
				}
				if took < 0 || took > 3*roundTrip {
					t.Errorf("answer came %v off the time expected", took)
				}
				time.Sleep(time.Second) // for the end of a stream that is left open
				if len(srv.Streams()) != 0 {
					t.Error("the server still holds the stream")
				}
			})
		})
	}
}

func TestRequestsByHandOnEveryTransport(t *testing.T) {
	limits := reqresp.Limits{Timeouts: reqresp.Timeouts{Progress: 100 * time.Millisecond}}
	hasty := reqresp.NewUnary[Text, Text](family, "hasty", 1).WithLimits(limits)
	eachTransport(t, func(t *testing.T, tr transport, client, server host.Host) {
		serve(t, server, nil, hasty.Serve(echoed))
		for _, tt := range requests {
			stream := openRaw(t, client, server, hasty.Spec().Protocols()[0])
			if got := answer(t, stream, tt.wire, tt.open); got != tt.want {
				t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
			}
			_ = stream.Close()
		}
		wantNothingHeld(t, tr, client, server)
	})
}

func TestEachChunkIsOneWrite(t *testing.T) {
	simulate(t, func(t *testing.T, s *simulation) {
		rec := &recordingHost{Host: s.Server}
		out := &recordingHost{Host: s.Client}
		c := reqresp.NewClient(out, nil)
		srv := reqresp.NewServer(rec, nil)
		srv.Register(counter.Serve(func(_ context.Context, _ peer.ID, req *Count, send func(*Text) error) error {
			for i := range *req {
				if err := send(new(Text(bytes.Repeat([]byte("x"), 1000*int(i))))); err != nil {
					return err
				}
			}
			return reqresp.Errorf(reqresp.CodeServerError, "enough")
		}))
		if err := srv.Start(); err != nil {
			t.Fatal(err)
		}
		chunks, err := collect(counter.Call(t.Context(), c, s.Server.ID(), new(Count(3))))
		wantVerdict(t, "end", err, reqresp.Error{Code: 2, Message: "enough"})
		if len(chunks) != 3 {
			t.Fatalf("got %d chunks", len(chunks))
		}
		if err := srv.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
		want := []string{
			"write 2", "write 1003", "write 2003", "write 8", "close write", "close",
		}
		rec.Want(t, want)
		out.Want(t, []string{"write 2", "close write", "close"})
	})
}
