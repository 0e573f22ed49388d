// Package codectest tests what all codecs of whole streams have in common. It is
// imported by tests only.
package codectest

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
)

// Hosts returns two hosts on loopback, the first connected to the second. It panics
// if that is not possible.
func Hosts() (a, b host.Host) {
	a, b = newHost(), newHost()
	if err := a.Connect(context.Background(), peer.AddrInfo{ID: b.ID(), Addrs: b.Addrs()}); err != nil {
		panic(err)
	}
	return a, b
}

func newHost() host.Host {
	h, err := libp2p.New(libp2p.ListenAddrStrings("/ip4/127.0.0.1/tcp/0"))
	if err != nil {
		panic(err)
	}
	return h
}

// TestMessage is what rust-libp2p's tests of its codecs send.
type TestMessage struct {
	Payload string `json:"payload"`
}

// An Echo is a protocol whose response is its request, served on one host and
// called from another.
type Echo struct {
	reqresp.Unary[TestMessage, TestMessage]
	Client *reqresp.Client
	Peer   peer.ID
}

// NewEcho serves an Echo until the test ends.
func NewEcho(t *testing.T, codec reqresp.Codec, l reqresp.Limits) *Echo {
	t.Helper()
	a, b := Hosts()
	family := reqresp.Family{Prefix: "/test", Codec: codec}
	echo := reqresp.NewUnary[TestMessage, TestMessage](family, "echo", 1).WithLimits(l)
	srv := reqresp.NewServer(b, nil)
	srv.Register(echo.Serve(func(_ context.Context, _ peer.ID, req *TestMessage) (*TestMessage, error) {
		return req, nil
	}))
	if err := srv.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := srv.Stop(context.Background()); err != nil {
			t.Error(err)
		}
		_ = a.Close()
		_ = b.Close()
	})
	return &Echo{echo, reqresp.NewClient(a, nil), b.ID()}
}

// RoundTrip sends a request and its response through a stream each: they are
// written, the stream is closed, and they are read up to its end.
func RoundTrip(t *testing.T, codec reqresp.Codec) {
	t.Helper()
	echo := NewEcho(t, codec, reqresp.Limits{})
	for _, payload := range []string{"test_payload", "", strings.Repeat("x", 1<<19)} {
		resp, err := echo.Call(t.Context(), echo.Client, echo.Peer, &TestMessage{payload})
		if err != nil || resp.Payload != payload {
			t.Errorf("got %+v, %v, want %q", resp, err, payload)
		}
	}
}

// Limits reads messages of just the limit and of one byte more, and calls with
// responses of both sizes.
func Limits(t *testing.T, codec reqresp.Codec) {
	t.Helper()
	msg := &TestMessage{"test_payload"}
	wire, err := codec.AppendRequest(nil, "", msg)
	if err != nil {
		t.Fatal(err)
	}
	type read func(reqresp.Reader, int, any) error
	for name, read := range map[string]read{
		"request":  func(r reqresp.Reader, limit int, msg any) error { return codec.ReadRequest(r, "", limit, msg) },
		"response": func(r reqresp.Reader, limit int, msg any) error { return codec.ReadResponse(r, "", limit, msg) },
	} {
		got := new(TestMessage)
		if err := read(Reader(wire), len(wire), got); err != nil || !reflect.DeepEqual(got, msg) {
			t.Errorf("%s of the limit: got %+v, %v", name, got, err)
		}
		err := read(Reader(wire), len(wire)-1, new(TestMessage))
		if !errors.Is(err, reqresp.ErrTooLarge) || errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%s over the limit: got %v", name, err)
		}
	}

	echo := NewEcho(t, codec, reqresp.Limits{MaxResponse: len(wire)})
	if _, err := echo.Call(t.Context(), echo.Client, echo.Peer, msg); err != nil {
		t.Errorf("response of the limit: %v", err)
	}
	_, err = echo.Call(t.Context(), echo.Client, echo.Peer, &TestMessage{msg.Payload + "."})
	if !errors.Is(err, reqresp.ErrTooLarge) || !errors.Is(err, reqresp.ErrViolation) {
		t.Errorf("response over the limit: got %v", err)
	}
}

// Reader returns a reader of what came from a stream.
func Reader(wire []byte) *bufio.Reader {
	return bufio.NewReader(bytes.NewReader(wire))
}
