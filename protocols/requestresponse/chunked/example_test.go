package chunked_test

import (
	"context"
	"fmt"
	"log"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
	"github.com/seed-2dd5877b/reqresp/protocols/requestresponse/chunked"
	"github.com/seed-2dd5877b/reqresp/protocols/requestresponse/internal/codectest"
	"github.com/seed-2dd5877b/reqresp/protocols/requestresponse/json"
)

type Range struct {
	From int `json:"from"`
	To   int `json:"to"`
}

type Number struct {
	Number int `json:"number"`
}

// A protocol that counts. Its numbers come as chunks of JSON, and so does the reason
// why there are none.
func ExampleCodec() {
	ctx := context.Background()
	alice, bob := codectest.Hosts() // two hosts that are connected
	defer alice.Close()
	defer bob.Close()

	family := reqresp.Family{Prefix: "/example", Codec: chunked.Codec{Inner: json.Codec{}}}
	count := reqresp.NewStream[Range, Number](family, "count", 1)
	fmt.Println(count.Spec().Protocols())

	srv := reqresp.NewServer(bob, nil)
	srv.Register(count.Serve(func(_ context.Context, _ peer.ID, req *Range, send func(*Number) error) error {
		if req.From > req.To {
			return reqresp.Errorf(reqresp.CodeInvalidRequest, "cannot count from %d to %d", req.From, req.To)
		}
		for n := req.From; n <= req.To; n++ {
			if err := send(&Number{n}); err != nil {
				return err
			}
		}
		return nil
	}))
	if err := srv.Start(); err != nil {
		log.Fatal(err)
	}
	defer srv.Stop(ctx)

	client := reqresp.NewClient(alice, nil)
	for _, req := range []Range{{From: 1, To: 3}, {From: 3, To: 1}} {
		for n, err := range count.Call(ctx, client, bob.ID(), &req) {
			if err != nil {
				fmt.Println(err)
				continue
			}
			fmt.Println(n.Number)
		}
	}
	// Output:
	// [/example/count/1/chunked]
	// 1
	// 2
	// 3
	// reqresp: peer answered invalid request: "cannot count from 3 to 1"
}
