package json_test

import (
	"context"
	"fmt"
	"log"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
	"github.com/seed-2dd5877b/reqresp/protocols/requestresponse/internal/codectest"
	"github.com/seed-2dd5877b/reqresp/protocols/requestresponse/json"
	"github.com/seed-2dd5877b/reqresp/protocols/requestresponse/serde"
)

type GreetRequest struct {
	Name string `json:"name"`
}

type GreetResponse struct {
	Message string `json:"message"`
}

// The protocol of rust-libp2p's own example of its JSON behaviour. Either side may
// be a peer written in Rust.
func Example() {
	ctx := context.Background()
	alice, bob := codectest.Hosts() // two hosts that are connected
	defer alice.Close()
	defer bob.Close()

	greet := reqresp.NewUnary[GreetRequest, GreetResponse](reqresp.Family{Codec: json.Codec{}}, "greet", 1).
		WithProtocols("/my-json-protocol")

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
		Payload serde.Bytes `json:"payload"` // Vec<u8>
		Nonce   []byte      `json:"nonce"`   // a String of base64
		Reply   *string     `json:"reply"`   // Option<String>
		Marker  serde.Unit  `json:"marker"`  // ()
	}
	text, err := json.Codec{}.AppendRequest(nil, "", &message{Payload: serde.Bytes{1, 255}, Nonce: []byte{1, 255}})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s\n", text)
	// Output: {"payload":[1,255],"nonce":"Af8=","reply":null,"marker":null}
}
