//go:build peers

package integration_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"testing"

	"github.com/fxamacker/cbor/v2"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/integration/internal/rusttest"
	"github.com/seed-2dd5877b/reqresp/integration/rustpeer"
	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
	cborcodec "github.com/seed-2dd5877b/reqresp/protocols/requestresponse/cbor"
	jsoncodec "github.com/seed-2dd5877b/reqresp/protocols/requestresponse/json"
	"github.com/seed-2dd5877b/reqresp/protocols/requestresponse/serde"
)

// rustMessage is the request of the protocols cbor and json of the Rust peers.
type rustMessage struct {
	Text    string      `json:"text"`
	Number  uint64      `json:"number"`
	Bytes   serde.Bytes `json:"bytes"`
	Note    *string     `json:"note"`
	Variant rustVariant `json:"variant"`
	Ratio   float64     `json:"ratio"`
}

// rustReply is their response.
type rustReply struct {
	Message rustMessage `json:"message"`
	Sum     uint64      `json:"sum"` // of the message's bytes
}

func replyTo(m *rustMessage) *rustReply {
	reply := &rustReply{Message: *m}
	for _, b := range m.Bytes {
		reply.Sum += uint64(b)
	}
	return reply
}

// rustVariant is an enum of Rust's: the variant Nothing, or one with fields.
type rustVariant struct{ fields *rustFields }

type rustFields struct {
	Count *int64     `json:",omitempty"`
	Pair  *[2]any    `json:",omitempty"`
	Point *rustPoint `json:",omitempty"`
}

type rustPoint struct {
	X int32 `json:"x"`
	Y int32 `json:"y"`
}

func (v rustVariant) MarshalJSON() ([]byte, error)     { return v.marshal(json.Marshal) }
func (v rustVariant) MarshalCBOR() ([]byte, error)     { return v.marshal(cbor.Marshal) }
func (v *rustVariant) UnmarshalJSON(data []byte) error { return v.unmarshal(data, json.Unmarshal) }
func (v *rustVariant) UnmarshalCBOR(data []byte) error { return v.unmarshal(data, cbor.Unmarshal) }

func (v rustVariant) marshal(marshal func(any) ([]byte, error)) ([]byte, error) {
	if v.fields == nil {
		return marshal("Nothing")
	}
	return marshal(v.fields)
}

func (v *rustVariant) unmarshal(data []byte, unmarshal func([]byte, any) error) error {
	var name string
	if err := unmarshal(data, &name); err != nil {
		return unmarshal(data, &v.fields)
	}
	if name != "Nothing" {
		return fmt.Errorf("no variant %q", name)
	}
	return nil
}

var rustMessages = map[string]*rustMessage{
	"least": {},
	"most": {
		Text: "täxt \"\\\n\u2028", Number: math.MaxUint64, Bytes: allBytes(), Note: new("note"),
		Ratio: math.MaxFloat64,
	},
	"integral float": {Ratio: 2},
	"small float":    {Ratio: -1.5e-7}, // serde_json reads those with a larger exponent inexactly,
	"newtype":        {Variant: rustVariant{&rustFields{Count: new(int64(math.MinInt64))}}},
	"tuple":          {Variant: rustVariant{&rustFields{Pair: &[2]any{255, "seven"}}}},
	"struct":         {Variant: rustVariant{&rustFields{Point: &rustPoint{math.MinInt32, math.MaxInt32}}}},
}

func allBytes() serde.Bytes {
	b := make(serde.Bytes, 256)
	for i := range b {
		b[i] = byte(i)
	}
	return b
}

// rustSerde are the protocols whose messages are laid out by serde in Rust.
var rustSerde = []reqresp.Unary[rustMessage, rustReply]{
	reqresp.NewUnary[rustMessage, rustReply](reqresp.Family{Prefix: "/reqresp-test", Codec: cborcodec.Codec{}}, "cbor", 1),
	reqresp.NewUnary[rustMessage, rustReply](reqresp.Family{Prefix: "/reqresp-test", Codec: jsoncodec.Codec{}}, "json", 1),
}

// eachRustSerde runs f for every such protocol over every transport.
func eachRustSerde(t *testing.T, f func(t *testing.T, p *rustPair, protocol reqresp.Unary[rustMessage, rustReply])) {
	for _, protocol := range rustSerde {
		t.Run(protocol.Spec().Name(), func(t *testing.T) {
			eachRustPair(t, rustpeer.Options{}, func(t *testing.T, p *rustPair) { f(t, p, protocol) })
		})
	}
}

// text is what a message is in JSON, which is also how the Rust peers tell of it.
func text(t *testing.T, message any) string {
	t.Helper()
	b, err := json.Marshal(message)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// Acceptance scenarios 15 and 16, with Rust as the responder.
func TestRustAnswersMessages(t *testing.T) {
	eachRustSerde(t, func(t *testing.T, p *rustPair, protocol reqresp.Unary[rustMessage, rustReply]) {
		client := reqresp.NewClient(p.host, nil)
		for name, message := range rustMessages {
			t.Run(name, func(t *testing.T) {
				reply, err := protocol.Call(deadline(t), client, p.id, message)
				if err != nil {
					t.Fatal(err)
				}
				rusttest.SameJSON(t, []byte(text(t, reply)), text(t, replyTo(message)))
				rusttest.SameJSON(t, rusttest.Expect(t, p.rust, rustpeer.KindRequest).Message, text(t, message))
				rusttest.Expect(t, p.rust, rustpeer.KindResponseSent)
			})
		}
	})
}

// Acceptance scenarios 15 and 16, with Rust as the requester.
func TestRustAsksForMessages(t *testing.T) {
	eachRustSerde(t, func(t *testing.T, p *rustPair, protocol reqresp.Unary[rustMessage, rustReply]) {
		received := make(chan *rustMessage, 1)
		p.serve(t, nil, protocol.Serve(func(_ context.Context, _ peer.ID, req *rustMessage) (*rustReply, error) {
			received <- req
			return replyTo(req), nil
		}))
		for name, message := range rustMessages {
			t.Run(name, func(t *testing.T) {
				p.send(t, protocol.Spec().Name(), message)
				rusttest.SameJSON(t, rusttest.Expect(t, p.rust, rustpeer.KindResponse).Message, text(t, replyTo(message)))
				rusttest.SameJSON(t, []byte(text(t, <-received)), text(t, message))
			})
		}
	})
}

// Acceptance scenario 30: Rust writes requests of any size, and reads none beyond 1 MiB.
func TestRustMessageOverLimit(t *testing.T) {
	large := &rustMessage{Bytes: serde.Bytes(pattern[:1<<20])}
	eachRustSerde(t, func(t *testing.T, p *rustPair, protocol reqresp.Unary[rustMessage, rustReply]) {
		called := false
		p.serve(t, nil, protocol.Serve(func(_ context.Context, _ peer.ID, req *rustMessage) (*rustReply, error) {
			called = true
			return replyTo(req), nil
		}))
		p.send(t, protocol.Spec().Name(), large)
		rusttest.ExpectFailure(t, p.rust, rustpeer.KindOutboundFailure, "Io")
		if called {
			t.Error("our handler got a request over its limit")
		}
		if _, err := protocol.Call(deadline(t), reqresp.NewClient(p.host, nil), p.id, large); err == nil {
			t.Error("our request over the limit of Rust was answered")
		}
	})
}
