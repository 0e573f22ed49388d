package beacon_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	gsnappy "github.com/golang/snappy"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/protocol"

	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// A malformed request is answered with code 1 and a reason, whatever is wrong with it.
var malformedRequests = []struct {
	name string
	id   protocol.ID
	wire []byte
	open bool // the write side is not closed
}{
	{name: "nothing", id: idPing},
	{name: "no status", id: idStatusV2},
	{name: "no range", id: idByRange},
	{name: "no root list", id: idByRoot},
	{name: "truncated varint", id: idPing, wire: unhex("88")},
	{name: "varint of eleven bytes", id: idPing, wire: unhex("8080808080808080808001")},
	{name: "varint over 64 bits", id: idPing, wire: unhex("88808080808080808002")},
	{name: "varint not minimal", id: idPing, wire: join(unhex("8800"), ping7[1:])},
	{name: "length over the bounds", id: idPing, wire: payload(uints(7, 7))},
	{name: "length under the bounds", id: idPing, wire: payload(uints(7)[:7])},
	{name: "zero length", id: idPing, wire: unhex("00")},
	{name: "10 MiB claimed", id: idByRoot, wire: binary.AppendUvarint(nil, 10<<20), open: true},
	{name: "status/1 to status/2", id: idStatusV2, wire: payload(make([]byte, 84))},
	{name: "status/2 to status/1", id: idStatusV1, wire: payload(make([]byte, 92))},
	{name: "range of two fields", id: idByRange, wire: payload(uints(60, 2))},
	{name: "half a root", id: idByRoot, wire: payload(make([]byte, 48))},
	{name: "header alone", id: idPing, wire: unhex("08")},
	{name: "stream identifier alone", id: idPing, wire: ping7[:11]},
	{name: "truncated chunk", id: idPing, wire: ping7[:len(ping7)-1]},
	{name: "no stream identifier", id: idPing, wire: join(ping7[:1], ping7[11:])},
	{name: "bad stream identifier", id: idPing, wire: bytes.Replace(ping7, []byte("sNaPpY"), []byte("SnApPy"), 1)},
	{name: "reserved chunk type", id: idPing, wire: with(ping7, 11, 0x02)},
	{name: "block that does not decode", id: idPing, wire: with(ping7, 11, 0x00)},
	{name: "wrong checksum", id: idPing, wire: with(ping7, 15, 0xff)},
	{name: "wrong data", id: idPing, wire: with(ping7, 19, 0x08)},
	{name: "snappy block without frames", id: idPing, wire: join(ping7[:1], gsnappy.Encode(nil, uints(7)))},
	{name: "frames of too much", id: idPing, wire: join(ping7[:1], frames(uints(7, 7)))},
	{name: "padding without end", id: idPing, wire: join(ping7[:11], unhex("fe ffffff"), make([]byte, 64))},
	{name: "trailing byte", id: idPing, wire: join(ping7, unhex("00"))},
	{name: "trailing request", id: idPing, wire: join(ping7, ping7), open: true},
	{name: "nothing and no end", id: idPing, open: true},
	{name: "metadata with a byte", id: idMetaDataV3, wire: unhex("00")},
	{name: "metadata with a message", id: idMetaDataV2, wire: ping7, open: true},
	{name: "no roots and a byte", id: idByRoot, wire: unhex("0000"), open: true},
	{name: "no roots and half a stream identifier", id: idByRoot, wire: join(unhex("00"), ping7[1:6])},
	{name: "no roots and more than a stream identifier", id: idByRoot, wire: join(unhex("00"), ping7[1:12]), open: true},
	{
		name: "no roots and two stream identifiers", id: idByRoot, wire: join(unhex("00"), ping7[1:11], ping7[1:11]),
		open: true,
	},
	{
		name: "a stream identifier after a list", id: idByRoot, wire: join(payload(make([]byte, 32)), ping7[1:11]),
		open: true,
	},
	{name: "metadata with a stream identifier", id: idMetaDataV3, wire: ping7[1:11]},
	{name: "too many roots", id: idByRoot, wire: payload(make([]byte, 129*32))},
	{name: "count 0", id: idByRange, wire: payload(uints(60, 0, 1))},
	{name: "step 0", id: idByRange, wire: payload(uints(60, 1, 0))},
	{name: "overflow", id: idByRange, wire: payload(uints(1<<64-1, 2, 1))},
	{name: "overflow by far", id: idByRange, wire: payload(uints(1<<63, 1<<64-1, 1))},
	{name: "overflow with a step", id: idByRange, wire: payload(uints(1<<64-1, 2, 2))},
}

func with(b []byte, at int, value byte) []byte {
	b = bytes.Clone(b)
	b[at] = value
	return b
}

func TestMalformedRequestsAreToldSo(t *testing.T) {
	simulate(t, func(t *testing.T, client, server host.Host) {
		srv := serve(t, server, devChain(), beacon.ServerOptions{})
		for _, tt := range malformedRequests {
			start := time.Now()
			stream := openRaw(t, client, server, tt.id)
			if _, err := stream.Write(tt.wire); err != nil {
				t.Fatal(err)
			}
			if !tt.open {
				must(0, stream.CloseWrite())
			}
			answer, err := io.ReadAll(stream)
			if err != nil {
				t.Errorf("%s: the stream ended with %v", tt.name, err)
			}
			if _, err := readVerdict(answer, reqresp.CodeInvalidRequest); err != nil {
				t.Errorf("%s: %v", tt.name, err)
			}
			if took := time.Since(start); took > reqresp.DefaultProgressTimeout+time.Second {
				t.Errorf("%s: answered after %v", tt.name, took)
			}
			must(0, stream.Reset())
		}
		if n := len(srv.Streams()); n != 0 {
			t.Errorf("%d streams are still being served", n)
		}
	})
}

// readVerdict reads a response that is one error chunk, and checks its code.
func readVerdict(wire []byte, want reqresp.Code) (message string, err error) {
	if len(wire) == 0 || wire[0] != byte(want) {
		return "", fmt.Errorf("answered with %x, want code %d", wire, want)
	}
	n, k := binary.Uvarint(wire[1:])
	if k <= 0 || n == 0 || n > 256 {
		return "", fmt.Errorf("error message of %d bytes in %x", n, wire)
	}
	text, err := io.ReadAll(gsnappy.NewReader(bytes.NewReader(wire[1+k:])))
	if err != nil || uint64(len(text)) != n {
		return "", fmt.Errorf("error message %q, %v, want %d bytes", text, err, n)
	}
	return string(text), nil
}

func TestLongVerdictsAreCut(t *testing.T) {
	long := strings.Repeat("x", 300)
	simulate(t, func(t *testing.T, client, server host.Host) {
		serve(t, server, devChain(), beacon.ServerOptions{Middleware: []reqresp.Middleware{
			func(reqresp.HandlerFunc) reqresp.HandlerFunc {
				return func(context.Context, *reqresp.Inbound) error { return reqresp.Errorf(140, "%s", long) }
			},
		}})
		answer, err := ask(t, client, server, idPing, ping7)
		message, verr := readVerdict(answer, 140)
		if err != nil || verr != nil || message != long[:256] {
			t.Errorf("got %q, %v, %v", message, err, verr)
		}
	})
}

func TestRequestsWithUnusualFramesAreServed(t *testing.T) {
	padded := join(ping7[:11], unhex("fe 030000 010203"), ping7[11:])
	twice := join(ping7[:11], ping7[1:])
	skippable := join(ping7[:11], unhex("80 000000"), ping7[11:])
	emptyList := join(unhex("00"), ping7[1:11])
	simulate(t, func(t *testing.T, client, server host.Host) {
		meta := func() ssz.MetaDataV3 { return testMetaData }
		serve(t, server, devChain(), beacon.ServerOptions{MetaData: meta})
		for name, request := range map[string][]byte{
			"padding": padded, "identifier twice": twice,
			"skippable chunk": skippable,
		} {
			got, err := ask(t, client, server, idPing, request)
			if err != nil || !bytes.Equal(got, success(ping9)) {
				t.Errorf("%s: got %x, %v", name, got, err)
			}
		}
		if got, err := ask(t, client, server, idByRoot, emptyList); err != nil || len(got) != 0 {
			t.Errorf("empty list with an identifier: got %x, %v", got, err)
		}
		stream := openRaw(t, client, server, idByRoot)
		must(stream.Write(emptyList[:1]))
		must(stream.Write(emptyList[1:]))
		must(0, stream.CloseWrite())
		if got, err := io.ReadAll(stream); err != nil || len(got) != 0 {
			t.Errorf("empty list with an identifier in a write of its own: got %x, %v", got, err)
		}
	})
}

// A requester that leaves its side open, as crawlers do, is answered as soon as its request is complete.
func TestRequestsWithoutEndAreAnsweredAtOnce(t *testing.T) {
	simulate(t, func(t *testing.T, client, server host.Host) {
		serve(t, server, devChain(), beacon.ServerOptions{MetaData: func() ssz.MetaDataV3 { return testMetaData }})
		connect(t, client, server)
		all := append(exchanges(), exchange{"no roots with an identifier", idByRoot, join(unhex("00"), ping7[1:11]), nil})
		for _, tt := range all {
			start := time.Now()
			stream := openRaw(t, client, server, tt.id)
			must(stream.Write(tt.request))
			got, err := io.ReadAll(stream)
			if err != nil || !bytes.Equal(got, tt.response) {
				t.Errorf("%s: got %x, %v, want %x", tt.name, got, err, tt.response)
			}
			if took := time.Since(start); took > 8*oneWay {
				t.Errorf("%s: answered after %v", tt.name, took)
			}
		}
	})
}
