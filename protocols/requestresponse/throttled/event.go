package throttled

import (
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"

	"github.com/seed-2dd5877b/reqresp/protocols/requestresponse"
)

// An Event is what [Throttled.Events] delivers: a [Message], an [OutboundFailure], an
// [InboundFailure], a [ResponseSent], a [TooManyInboundRequests] or a [ResumeSending].
type Event interface{ isEvent() }

// A Message is a request of a peer, or a peer's response to a request of ours.
type Message[Req, Resp any] struct {
	// Peer is the other side.
	Peer peer.ID
	// Protocol is the protocol negotiated, see [ProtocolID].
	Protocol protocol.ID
	// Conn is the connection it came on.
	Conn network.Conn
	// Request is what the peer asks, nil if this is a response.
	Request *RequestMessage[Req, Resp]
	// Response is what the peer answers, nil if this is a request.
	Response *requestresponse.ResponseMessage[Resp]
}

// A RequestMessage is a peer's request. It is followed by exactly one ResponseSent or
// InboundFailure of the same ID.
type RequestMessage[Req, Resp any] struct {
	// ID is the exchange's own.
	ID requestresponse.InboundRequestID
	// Request is the receiver's to keep.
	Request Req
	// Channel takes the response.
	Channel *ResponseChannel[Resp]
}

// A ResponseChannel takes the response to one request. It is answered once, with
// [Throttled.SendResponse] or [Throttled.SendError], or given up with Close. It is safe
// for concurrent use.
type ResponseChannel[Resp any] struct {
	id    requestresponse.InboundRequestID
	from  peer.ID
	inner *innerChannel[Resp]
}

// IsOpen is that of [requestresponse.ResponseChannel].
func (c *ResponseChannel[Resp]) IsOpen() bool { return c.inner.IsOpen() }

// Close is that of [requestresponse.ResponseChannel]: it gives the request up. The peer gets
// its credit back.
func (c *ResponseChannel[Resp]) Close() { c.inner.Close() }

// An OutboundFailure is the end of a request of ours that got no response.
type OutboundFailure struct {
	requestresponse.OutboundFailure
}

// An InboundFailure is the end of a request of a peer to which the response could not
// be sent.
type InboundFailure struct{ requestresponse.InboundFailure }

// ResponseSent is the good end of a request of a peer.
type ResponseSent struct{ requestresponse.ResponseSent }

// TooManyInboundRequests tells of a peer that sent a request for which it had no
// credit. The request was dropped: its stream was closed without an answer.
type TooManyInboundRequests struct {
	// Peer is who asked.
	Peer peer.ID
}

// ResumeSending tells that requests can be sent to a peer again, after the credit for
// them had been used up.
type ResumeSending struct {
	// Peer is who can be asked.
	Peer peer.ID
}

func (Message[Req, Resp]) isEvent()     {}
func (OutboundFailure) isEvent()        {}
func (InboundFailure) isEvent()         {}
func (ResponseSent) isEvent()           {}
func (TooManyInboundRequests) isEvent() {}
func (ResumeSending) isEvent()          {}
