package requestresponse_test

import (
	"context"
	"fmt"
	"log"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
	"github.com/seed-2dd5877b/reqresp/protocols/requestresponse"
)

func ExampleRequestResponse() {
	ctx := context.Background()
	alice, bob := twoHosts()
	defer alice.Close()
	defer bob.Close()
	ping := reqresp.NewUnary[Text, Text](reqresp.Family{Prefix: "/example", Codec: textCodec{}}, "ping", 1)

	asker := requestresponse.New(alice, nil, requestresponse.Unary(ping, requestresponse.SupportOutbound))
	answerer := requestresponse.New(bob, nil, requestresponse.Unary(ping, requestresponse.SupportInbound))
	for _, rr := range []*requestresponse.RequestResponse[Text, Text]{asker, answerer} {
		if err := rr.Start(); err != nil {
			log.Fatal(err)
		}
	}
	if _, err := asker.SendRequest(ctx, bob.ID(), "ping"); err != nil {
		log.Fatal(err)
	}

	// The central loop of a program.
	for done := 0; done < 2; {
		select {
		case event := <-answerer.Events():
			switch event := event.(type) {
			case requestresponse.Message[Text, Text]:
				fmt.Println("bob is asked", event.Request.Request)
				if _, err := answerer.SendResponse(event.Request.Channel, "pong"); err != nil {
					log.Fatal(err)
				}
			case requestresponse.ResponseSent, requestresponse.InboundFailure:
				done++
			}
		case event := <-asker.Events():
			switch event := event.(type) {
			case requestresponse.Message[Text, Text]:
				fmt.Println("alice is answered", event.Response.Response)
			case requestresponse.OutboundFailure:
				fmt.Println(event.Reason, event.Err)
			}
			done++
		}
	}
	_ = asker.Stop(ctx)
	_ = answerer.Stop(ctx)
	// Output:
	// bob is asked ping
	// alice is answered pong
}

func ExampleOneWay() {
	ctx := context.Background()
	alice, bob := twoHosts()
	defer alice.Close()
	defer bob.Close()
	notice := reqresp.NewOneWay[Text](reqresp.Family{Prefix: "/example", Codec: textCodec{}}, "notice", 1)

	got := make(chan Text)
	srv := reqresp.NewServer(bob, nil)
	srv.Register(notice.Serve(func(_ context.Context, _ peer.ID, text *Text) error {
		got <- *text
		return nil
	}))
	if err := srv.Start(); err != nil {
		log.Fatal(err)
	}
	defer srv.Stop(ctx)

	if err := notice.Send(ctx, reqresp.NewClient(alice, nil), bob.ID(), new(Text("back at noon"))); err != nil {
		log.Fatal(err)
	}
	fmt.Println(<-got)
	// Output: back at noon
}
