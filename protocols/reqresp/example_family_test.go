package reqresp_test

import (
	"context"
	"fmt"
	"log"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
)

// Both versions of greet have the same types and are one descriptor. Those of add
// differ.
var (
	calculator = reqresp.Family{Prefix: "/calculator", Codec: textCodec{}}

	greet = reqresp.NewUnary[Text, Text](calculator, "greet", 2, 1)
	addV2 = reqresp.NewUnary[Text, Text](calculator, "add", 2)
	addV1 = reqresp.NewUnary[Count, Text](calculator, "add", 1)
)

// callAdd negotiates first, as the versions differ in type, and then makes the request
// for the version that won.
func callAdd(ctx context.Context, c *reqresp.Client, to peer.ID) (*Text, error) {
	out, err := c.Open(ctx, to, addV2.Spec(), addV1.Spec())
	if err != nil {
		return nil, err
	}
	defer out.Close()
	if out.Spec() == addV2.Spec() {
		return addV2.Exchange(out, new(Text("2+3")))
	}
	return addV1.Exchange(out, new(Count(5)))
}

func ExampleFamily() {
	ctx := context.Background()
	alice, bob := twoHosts()
	defer alice.Close()
	defer bob.Close()

	// Bob is of an older version.
	greetV1 := reqresp.NewUnary[Text, Text](calculator, "greet", 1)
	srv := reqresp.NewServer(bob, nil)
	srv.Register(
		greetV1.Serve(func(_ context.Context, _ peer.ID, req *Text) (*Text, error) {
			return new("hello, " + *req), nil
		}),
		addV1.Serve(func(_ context.Context, _ peer.ID, n *Count) (*Text, error) {
			return new(Text(fmt.Sprintf("%d it is", *n))), nil
		}),
	)
	if err := srv.Start(); err != nil {
		log.Fatal(err)
	}
	defer srv.Stop(ctx)

	client := reqresp.NewClient(alice, &reqresp.ClientOptions{Trace: &reqresp.Trace{
		Done: func(x *reqresp.Exchange) {
			fmt.Println(x.Protocol, reqresp.ReasonOf(x.Err))
		},
	}})
	hello, err := greet.Call(ctx, client, bob.ID(), new(Text("bob")))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(*hello)
	sum, err := callAdd(ctx, client, bob.ID())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(*sum)
	// Output:
	// /calculator/greet/1/text success
	// hello, bob
	// /calculator/add/1/text success
	// 5 it is
}
