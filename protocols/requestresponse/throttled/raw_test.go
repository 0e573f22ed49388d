package throttled_test

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"

	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
	"github.com/seed-2dd5877b/reqresp/protocols/requestresponse/throttled"
)

// The messages of the tests, byte for byte.
const (
	rawPing = "05 a1 00 82 00 80 04 70 69 6e 67"
	rawPong = "05 a1 00 82 01 80 04 70 6f 6e 67"
)

func bytesOf(t testing.TB, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(text, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// rawCredit is a grant, written with the widest encoding of its ident.
func rawCredit(id uint64, credit uint16) []byte {
	b := []byte{0x13, 0xa3, 0x00, 0x82, 0x02, 0x80, 0x01, 0x19}
	b = binary.BigEndian.AppendUint16(b, credit)
	return binary.BigEndian.AppendUint64(append(b, 0x02, 0x1b), id)
}

// exchange sends bytes on a stream of its own and returns all that comes back.
func exchange(t testing.TB, from, to host.Host, b []byte) ([]byte, error) {
	t.Helper()
	stream := open(t, from, to, b)
	return io.ReadAll(stream)
}

// open sends bytes on a stream of its own.
func open(t testing.TB, from, to host.Host, b []byte) network.Stream {
	t.Helper()
	stream, err := from.NewStream(t.Context(), to.ID(), wireID)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = stream.Reset() })
	if _, err := stream.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := stream.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	return stream
}

// A rawPeer is a peer that takes streams by hand.
type rawPeer struct {
	mu     sync.Mutex
	grants []grant
}

// A grant is one that a raw peer was sent.
type grant struct {
	id     uint64
	credit uint16
	at     time.Time
}

// serveRaw answers requests with "pong", and the nth grant with what reply says. If that is
// nothing the stream is reset.
func serveRaw(t testing.TB, h host.Host, reply func(n int, id uint64) []byte) *rawPeer {
	t.Helper()
	p := new(rawPeer)
	h.SetStreamHandler(wireID, func(stream network.Stream) {
		b, err := io.ReadAll(stream)
		if err != nil {
			return
		}
		if bytes.Equal(b, bytesOf(t, rawPing)) {
			_, _ = stream.Write(bytesOf(t, rawPong))
			_ = stream.Close()
			return
		}
		g := parseGrant(t, b)
		answer := reply(p.add(g), g.id)
		if answer == nil {
			_ = stream.Reset()
			return
		}
		_, _ = stream.Write(answer)
		_ = stream.Close()
	})
	t.Cleanup(func() { h.RemoveStreamHandler(wireID) })
	return p
}

// acked acknowledges all grants.
func acked(_ int, id uint64) []byte { return rawAck(id) }

// refused resets all grants' streams.
func refused(int, uint64) []byte { return nil }

// refuse resets the streams of some grants.
func refuse(some func(n int) bool) func(n int, id uint64) []byte {
	return func(n int, id uint64) []byte {
		if some(n) {
			return nil
		}
		return rawAck(id)
	}
}

func (p *rawPeer) add(g grant) (n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.grants = append(p.grants, g)
	return len(p.grants) - 1
}

func (p *rawPeer) seen() []grant {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.grants
}

// parseGrant reads a grant whose ident takes eight bytes, as ours do.
func parseGrant(t testing.TB, b []byte) grant {
	body := bytes.TrimPrefix(b[1:], bytesOf(t, "a3 00 82 02 80 01"))
	g := grant{at: time.Now()}
	switch {
	case len(b) != int(b[0])+1 || len(body) == len(b)-1:
		t.Errorf("% x is not a grant", b)
		return g
	case body[0] < 24:
		g.credit, body = uint16(body[0]), body[1:]
	case body[0] == 0x18:
		g.credit, body = uint16(body[1]), body[2:]
	case body[0] == 0x19:
		g.credit, body = binary.BigEndian.Uint16(body[1:]), body[3:]
	}
	if len(body) != 10 || body[0] != 0x02 || body[1] != 0x1b {
		t.Errorf("% x is not a grant with an ident of eight bytes", b)
		return g
	}
	g.id = binary.BigEndian.Uint64(body[2:])
	return g
}

func rawAck(id uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte{0x0f, 0xa2, 0x00, 0x82, 0x03, 0x80, 0x02, 0x1b}, id)
}

func TestRequestIsAnsweredByteForByte(t *testing.T) {
	simulate(t, func(t *testing.T, a, b host.Host) {
		n := start(t, a, nil)
		connect(t, b, a)
		peer := serveRaw(t, b, acked)
		stream := open(t, b, a, bytesOf(t, rawPing))
		if req := request(t, n); req.Request != "ping" {
			t.Errorf("got %q", req.Request)
		} else {
			respond(t, n, req)
		}
		got, err := io.ReadAll(stream)
		if want := bytesOf(t, rawPong); err != nil || !bytes.Equal(got, want) {
			t.Errorf("got % x, %v, want % x", got, err, want)
		}
		next[throttled.ResponseSent](t, n)
		time.Sleep(time.Second)
		if grants := peer.seen(); len(grants) != 1 || grants[0].credit != 1 {
			t.Errorf("got grants %v, want one of one more request", grants)
		}
	})
}

func TestRequestIsSentByteForByte(t *testing.T) {
	simulate(t, func(t *testing.T, a, b host.Host) {
		n := start(t, a, nil)
		received := make(chan []byte, 1)
		b.SetStreamHandler(wireID, func(stream network.Stream) {
			got, _ := io.ReadAll(stream)
			received <- got
			_, _ = stream.Write(bytesOf(t, rawPong))
			_ = stream.Close()
		})
		connect(t, a, b)
		id := send(t, n, b.ID())
		if m := next[message](t, n); m.Response == nil || m.Response.ID != id || m.Response.Response != "pong" ||
			m.Protocol != wireID {
			t.Errorf("got %+v", m)
		}
		if got, want := <-received, bytesOf(t, rawPing); !bytes.Equal(got, want) {
			t.Errorf("sent % x, want % x", got, want)
		}
	})
}

func TestGrantIsAcknowledgedByteForByte(t *testing.T) {
	simulate(t, func(t *testing.T, a, b host.Host) {
		start(t, a, nil)
		connect(t, b, a)
		for credit, ack := range map[string]string{
			"09 a3 00 82 02 80 01 05 02 01":             "07 a2 00 82 03 80 02 01",
			"0c a3 00 82 02 80 01 19 01 00 02 18 ff":    "08 a2 00 82 03 80 02 18 ff",
			"09 a3 00 82 02 80 01 05 02 00":             "07 a2 00 82 03 80 02 00",
			"07 a2 00 82 02 80 02 05":                   "07 a2 00 82 03 80 02 05", // no credit
			"0b a3 02 19 01 00 01 05 00 82 02 80":       "09 a2 00 82 03 80 02 19 01 00",
			"0a bf 02 05 00 82 02 80 01 05 ff":          "07 a2 00 82 03 80 02 05",
			"0d a4 63 00 00 00 00 82 02 80 01 05 02 05": "", // text key
			"07 a2 00 82 02 80 01 05":                   "", // no ident
		} {
			got, err := exchange(t, b, a, bytesOf(t, credit))
			if want := bytesOf(t, ack); !bytes.Equal(got, want) || (err != nil) != strings.HasPrefix(credit, "0d") {
				t.Errorf("%s: got % x, %v, want % x", credit, got, err, want)
			}
		}
	})
}

// TestWrongHeadersResetTheStream covers what is refused. Nobody learns of it but the peer.
func TestWrongHeadersResetTheStream(t *testing.T) {
	simulate(t, func(t *testing.T, a, b host.Host) {
		n := start(t, a, nil)
		connect(t, b, a)
		for name, text := range map[string]string{
			"a response":                "05 a1 00 82 01 80 04 70 69 6e 67",
			"an acknowledgement":        "07 a2 00 82 03 80 02 01",
			"no type":                   "01 a0",
			"an unknown type":           "05 a1 00 82 04 80",
			"bytes after a credit":      "09 a3 00 82 02 80 01 05 02 01 00",
			"no request":                "05 a1 00 82 00 80",
			"a request that is cut off": "05 a1 00 82 00 80 04 70",
			"a bare type":               "03 a1 00 00 04 70 69 6e 67",
			"no header":                 "00",
			"nothing":                   "",
			"scenario 33":               "81 40 a1 00 82 00 80",
		} {
			if got, err := exchange(t, b, a, bytesOf(t, text)); len(got) > 0 ||
				!errors.Is(err, remoteReset(network.StreamProtocolViolation)) {
				t.Errorf("%s: got % x, %v, want a reset", name, got, err)
			}
		}
		quiet(t, n, time.Minute)
	})
}

func TestWrongAnswersAreViolations(t *testing.T) {
	simulate(t, func(t *testing.T, a, b host.Host) {
		n := start(t, a, nil)
		var reply []byte
		b.SetStreamHandler(wireID, func(stream network.Stream) {
			_, _ = io.Copy(io.Discard, stream)
			_, _ = stream.Write(reply)
			_ = stream.Close()
		})
		for name, text := range map[string]string{
			"an acknowledgement": "07 a2 00 82 03 80 02 01",
			"a request":          rawPing,
			"a credit":           "09 a3 00 82 02 80 01 05 02 01",
			"no type":            "01 a0",
			"a bare type":        "03 a1 00 01",
		} {
			reply = bytesOf(t, text)
			connect(t, a, b)
			send(t, n, b.ID())
			e := next[throttled.OutboundFailure](t, n)
			if e.Reason != reqresp.ReasonViolation || !errors.Is(e.Err, throttled.ErrHeader) {
				t.Errorf("%s: got %v, %v", name, e.Reason, e.Err)
			}
			disconnect(t, a, b)
			next[throttled.ResumeSending](t, n)
		}
	})
}
