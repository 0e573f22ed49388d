// Package requestresponse runs request/response protocols in event style, for programs with one central
// loop. It keeps the vocabulary and the semantics of rust-libp2p's request_response, and works with its peers:
//
//	var Ping = reqresp.NewUnary[Text, Text](family, "ping", 1)
//
//	rr := requestresponse.New(host, nil, requestresponse.Unary(Ping, requestresponse.SupportFull))
//	rr.Start()
//	id, err := rr.SendRequest(ctx, peer, "hello")
//
// Requests are sent without waiting, and whatever happens is an [Event]. The package is a thin face over a
// [reqresp.Server] and a [reqresp.Client], which are the better choice in other programs.
//
// The packages below it are for peers on rust-libp2p, too: json and cbor have the codecs that its
// request_response has, serde has Go types for the JSON and CBOR of Rust's serde, chunked makes codecs for
// streams of chunks and for errors with a text, and throttled is the protocol of its throttled module.
package requestresponse
