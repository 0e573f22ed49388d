package throttled_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
	"github.com/seed-2dd5877b/reqresp/protocols/requestresponse/throttled"
)

// twoHosts returns two hosts on loopback, the first connected to the second.
func twoHosts() (a, b host.Host) {
	a, err := libp2p.New(libp2p.ListenAddrStrings("/ip4/127.0.0.1/tcp/0"))
	if err != nil {
		log.Fatal(err)
	}
	b, err = libp2p.New(libp2p.ListenAddrStrings("/ip4/127.0.0.1/tcp/0"))
	if err != nil {
		log.Fatal(err)
	}
	if err := a.Connect(context.Background(), peer.AddrInfo{ID: b.ID(), Addrs: b.Addrs()}); err != nil {
		log.Fatal(err)
	}
	return a, b
}

func Example() {
	ctx := context.Background()
	alice, bob := twoHosts()
	defer alice.Close()
	defer bob.Close()
	ping := reqresp.NewUnary[Text, Text](reqresp.Family{Prefix: "/example", Codec: textCodec{}}, "ping", 1)

	answerer := throttled.New(bob, nil, ping)
	answerer.SetReceiveLimit(10)
	asker := throttled.New(alice, nil, ping)
	for _, th := range []*throttled.Throttled[Text, Text]{answerer, asker} {
		if err := th.Start(); err != nil {
			log.Fatal(err)
		}
	}
	go answerAll(answerer)

	// Ten requests are sent as fast as bob's credit allows.
	for sent, answered := 0, 0; answered < 10; {
		for sent < 10 {
			_, err := asker.SendRequest(ctx, bob.ID(), "ping")
			if errors.Is(err, throttled.ErrNoCredit) {
				break // until there is more
			}
			if err != nil {
				log.Fatal(err)
			}
			sent++
		}
		switch event := (<-asker.Events()).(type) {
		case throttled.Message[Text, Text]:
			answered++
		case throttled.OutboundFailure:
			log.Fatal(event.Err)
		case throttled.ResumeSending:
			fmt.Println("more credit")
		}
	}
	fmt.Println("ten answers")
	_ = asker.Stop(ctx)
	_ = answerer.Stop(ctx)
	// Output:
	// more credit
	// ten answers
}

// answerAll answers what it is asked until it is stopped.
func answerAll(th *throttled.Throttled[Text, Text]) {
	for event := range th.Events() {
		switch event := event.(type) {
		case throttled.Message[Text, Text]:
			if _, err := th.SendResponse(event.Request.Channel, "pong"); err != nil {
				fmt.Println(err)
			}
		case throttled.TooManyInboundRequests:
			fmt.Println("too many requests from", event.Peer)
		}
	}
}
