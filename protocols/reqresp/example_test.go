package reqresp_test

import (
	"context"
	"fmt"
	"log"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
)

func ExampleUnary() {
	ctx := context.Background()
	alice, bob := twoHosts()
	defer alice.Close()
	defer bob.Close()

	greeting := reqresp.NewUnary[Text, Text](reqresp.Family{Prefix: "/example", Codec: textCodec{}}, "greeting", 1)

	srv := reqresp.NewServer(bob, nil)
	srv.Register(greeting.Serve(func(_ context.Context, _ peer.ID, name *Text) (*Text, error) {
		if *name == "" {
			return nil, reqresp.Errorf(reqresp.CodeInvalidRequest, "who are you?")
		}
		hello := "hello, " + *name
		return &hello, nil
	}))
	if err := srv.Start(); err != nil {
		log.Fatal(err)
	}
	defer srv.Stop(ctx)

	client := reqresp.NewClient(alice, nil)
	for _, name := range []Text{"alice", ""} {
		hello, err := greeting.Call(ctx, client, bob.ID(), &name)
		if err != nil {
			fmt.Println(err)
			continue
		}
		fmt.Println(*hello)
	}
	// Output:
	// hello, alice
	// reqresp: peer answered invalid request: "who are you?"
}

func ExampleStream() {
	ctx := context.Background()
	alice, bob := twoHosts()
	defer alice.Close()
	defer bob.Close()

	countdown := reqresp.NewStream[Count, Count](reqresp.Family{Prefix: "/example", Codec: textCodec{}}, "countdown", 1)

	srv := reqresp.NewServer(bob, nil)
	srv.Register(countdown.Serve(func(_ context.Context, _ peer.ID, from *Count, send func(*Count) error) error {
		for n := *from; n > 0; n-- {
			if err := send(&n); err != nil {
				return err
			}
		}
		return nil
	}))
	if err := srv.Start(); err != nil {
		log.Fatal(err)
	}
	defer srv.Stop(ctx)

	from := Count(10)
	for n, err := range countdown.Call(ctx, reqresp.NewClient(alice, nil), bob.ID(), &from) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(*n)
		if *n == 8 {
			break // the stream is reset
		}
	}
	// Output:
	// 10
	// 9
	// 8
}
