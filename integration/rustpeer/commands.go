package rustpeer

import (
	"context"
	"errors"
	"time"
)

// ErrNoCredit says that a [Throttled] peer may send no request to a peer until that grants more.
var ErrNoCredit = errors.New("rustpeer: no credit left")

// Listen makes the peer listen on a multiaddress, such as /ip4/127.0.0.1/tcp/0 or, for a [Current] one,
// /ip4/127.0.0.1/udp/0/quic-v1. It returns the address with the actual port and a /p2p/ part.
func (p *Peer) Listen(ctx context.Context, addr string) (string, error) {
	var listening struct {
		Addr string `json:"addr"`
	}
	err := p.do(ctx, "listen", command{"addr": addr}, &listening)
	return listening.Addr, err
}

// Dial connects to a peer's multiaddress, /p2p/ part included.
func (p *Peer) Dial(ctx context.Context, addr string) error {
	return p.do(ctx, "dial", command{"addr": addr}, nil)
}

// Disconnect begins to close all connections to another peer. Each that is closed is an event.
func (p *Peer) Disconnect(ctx context.Context, other string) error {
	return p.do(ctx, "disconnect", command{"peer": other}, nil)
}

// Request is a request to send.
type Request struct {
	// Protocol is the short name of the protocol, such as "cbor".
	Protocol string
	// Peer is the other peer's identity. It is dialed unless it is connected.
	Peer string
	// Addrs are multiaddresses for dialing it. None are needed where it is connected.
	Addrs []string
	// Message is the request, which [encoding/json] turns into what the protocol reads: see the package
	// documentation.
	Message any
}

// Send begins to send a request. It returns the ID that the events about the request carry. The error
// of a [Throttled] peer is [ErrNoCredit] if the other one has to grant credit first.
func (p *Peer) Send(ctx context.Context, r Request) (id uint64, err error) {
	var sent struct {
		ID      uint64 `json:"id"`
		Refused bool   `json:"refused"`
	}
	c := command{"protocol": r.Protocol, "peer": r.Peer, "request": r.Message}
	if r.Addrs != nil {
		c["addrs"] = r.Addrs
	}
	err = p.do(ctx, "send", c, &sent)
	if sent.Refused {
		err = ErrNoCredit
	}
	return sent.ID, err
}

// Answer answers a request that is held: see [Options.Hold]. It fails if nobody waits for the response any more.
func (p *Peer) Answer(ctx context.Context, protocol string, id uint64) error {
	return p.do(ctx, "answer", command{"protocol": protocol, "request": id}, nil)
}

// Drop drops the response channel of a request that is held: see [Options.Hold].
func (p *Peer) Drop(ctx context.Context, protocol string, id uint64) error {
	return p.do(ctx, "drop", command{"protocol": protocol, "request": id}, nil)
}

// CanSend reports whether a [Throttled] peer has credit for a request to another one, or believes so for a peer that it
// is not connected to.
func (p *Peer) CanSend(ctx context.Context, other string) (bool, error) {
	var can bool
	err := p.do(ctx, "can-send", command{"peer": other}, &can)
	return can, err
}

// SetReceiveLimit sets how many requests a [Throttled] peer grants at a time to peers it does not know yet, at
// least 1. The default is 1.
func (p *Peer) SetReceiveLimit(ctx context.Context, limit uint16) error {
	return p.do(ctx, "set-receive-limit", command{"limit": limit}, nil)
}

// OverrideReceiveLimit sets how many requests a [Throttled] peer grants at a time to one peer, from its next
// grant on.
func (p *Peer) OverrideReceiveLimit(ctx context.Context, other string, limit uint16) error {
	return p.do(ctx, "override-receive-limit", command{"peer": other, "limit": limit}, nil)
}

// RemoveOverride undoes OverrideReceiveLimit.
func (p *Peer) RemoveOverride(ctx context.Context, other string) error {
	return p.do(ctx, "remove-override", command{"peer": other}, nil)
}

// Work is a number of equal requests on the protocol bytes.
type Work struct {
	// Requests is how many there are, and Concurrent how many of them are under way at a time.
	Requests, Concurrent int
	// RequestSize and ResponseSize are those of the messages in bytes, without their length prefixes. A request has at
	// least 8 bytes. No message has more than 16 MiB.
	RequestSize, ResponseSize int
}

// Measurement is how long some [Work] took.
type Measurement struct {
	Elapsed time.Duration
	// Requests were answered, with so many Bytes.
	Requests, Bytes int
}

// Measure has a [Current] peer do some work, with another one that it is connected to. It fails if one request does, or
// if the peer is already measuring.
func (p *Peer) Measure(ctx context.Context, other string, w Work) (Measurement, error) {
	var result struct {
		Seconds  float64 `json:"seconds"`
		Requests int     `json:"requests"`
		Bytes    int     `json:"bytes"`
	}
	err := p.do(ctx, "measure", command{
		"peer":       other,
		"requests":   w.Requests,
		"concurrent": w.Concurrent,
		"sizes":      Sizes{Request: w.RequestSize, Response: w.ResponseSize},
	}, &result)
	elapsed := time.Duration(result.Seconds * float64(time.Second))
	return Measurement{Elapsed: elapsed, Requests: result.Requests, Bytes: result.Bytes}, err
}

// Sizes is a request of the protocol bytes, as a test writes it.
type Sizes struct {
	// Request is the size of the request in bytes, from 8 to 16 MiB.
	Request int `json:"request"`
	// Response is the size of the response that is asked for, in bytes. A responder sends 16 MiB at most.
	Response int `json:"response"`
}
