package cbor_test

import (
	"context"
	"fmt"
	"log"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
	"github.com/seed-2dd5877b/reqresp/protocols/requestresponse/cbor"
	"github.com/seed-2dd5877b/reqresp/protocols/requestresponse/internal/codectest"
	"github.com/seed-2dd5877b/reqresp/protocols/requestresponse/serde"
)

type GreetRequest struct {
	Name string `cbor:"name"`
}

type GreetResponse struct {
	Message string `cbor:"message"`
}

// The protocol of rust-libp2p's own example of its CBOR behaviour. Either side may
// be a peer written in Rust.
func Example() {
	ctx := context.Background()
	alice, bob := codectest.Hosts() // two hosts that are connected
	defer alice.Close()
	defer bob.Close()

	greet := reqresp.NewUnary[GreetRequest, GreetResponse](reqresp.Family{Codec: cbor.Codec{}}, "greet", 1).
		WithProtocols("/my-cbor-protocol")

	srv := reqresp.NewServer(bob, nil)
	srv.Register(greet.Serve(func(_ context.Context, _ peer.ID, req *GreetRequest) (*GreetResponse, error) {
		return &GreetResponse{"hello, " + req.Name}, nil
	}))
	if err := srv.Start(); err != nil {
		log.Fatal(err)
	}
	defer srv.Stop(ctx)

	resp, err := greet.Call(ctx, reqresp.NewClient(alice, nil), bob.ID(), &GreetRequest{"alice"})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(resp.Message)
	// Output: hello, alice
}

// A message with what Rust has no like of in Go.
func ExampleCodec() {
	type message struct {
		Payload serde.Bytes `cbor:"payload"` // Vec<u8>
		Nonce   []byte      `cbor:"nonce"`   // serde_bytes::ByteBuf
		Reply   *string     `cbor:"reply"`   // Option<String>
		Marker  serde.Unit  `cbor:"marker"`  // ()
	}
	item, err := cbor.Codec{}.AppendRequest(nil, "", &message{Payload: serde.Bytes{1, 255}, Nonce: []byte{1, 255}})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%x\n", item)
	// Output: a4677061796c6f6164820118ff656e6f6e63654201ff657265706c79f6666d61726b657280
}
