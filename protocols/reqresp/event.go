package reqresp

import (
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
)

// An Event is what [RequestResponse.Events] delivers: a [Message], an
// [OutboundFailure], an [InboundFailure] or a [ResponseSent].
type Event interface{ isEvent() }

// A Message is a request of a peer, or a peer's response to a request of ours.
type Message[Req, Resp any] struct {
	// Peer is the other side.
	Peer peer.ID
	// Protocol is the protocol negotiated.
	Protocol protocol.ID
	// Conn is the connection it came on.
	Conn network.Conn
	// Request is what the peer asks, nil if this is a response.
	Request *RequestMessage[Req, Resp]
	// Response is what the peer answers, nil if this is a request.
	Response *ResponseMessage[Resp]
}

// A RequestMessage is a peer's request. It is followed by exactly one ResponseSent or
// InboundFailure of the same ID, unless the protocol is one-way.
type RequestMessage[Req, Resp any] struct {
	// ID is the exchange's own.
	ID InboundRequestID
	// Request is the receiver's to keep.
	Request Req
	// Channel takes the response. It is nil in a one-way protocol.
	Channel *ResponseChannel[Resp]
}

// A ResponseMessage is the good end of a request of ours. In a one-way protocol it says that the
// request was sent, see [OneWay.Send].
type ResponseMessage[Resp any] struct {
	// ID is what SendRequest returned.
	ID OutboundRequestID
	// Response is the receiver's to keep. In a one-way protocol it is zero.
	Response Resp
}

// An OutboundFailure is the end of a request of ours that got no response.
type OutboundFailure struct {
	// Peer is who was asked.
	Peer peer.ID
	// ID is what SendRequest returned.
	ID OutboundRequestID
	// Protocol is the protocol negotiated, empty if it did not come to that.
	Protocol protocol.ID
	// Conn is the connection it went on, nil if there was none.
	Conn network.Conn
	// Reason sorts Err.
	Reason Reason
	// Err is an [*Error] with Remote set if the peer answered with one, else a
	// [*Failure].
	Err error
}

// An InboundFailure is the end of a request of a peer to which the response could not be
// sent. Requests that failed before they were delivered as a Message have none.
type InboundFailure struct {
	// Peer is who asked.
	Peer peer.ID
	// ID is that of the request's Message.
	ID InboundRequestID
	// Protocol is the protocol negotiated.
	Protocol protocol.ID
	// Conn is the connection that the request came on.
	Conn network.Conn
	// Reason sorts Err.
	Reason Reason
	// Err is a [*Failure].
	Err error
}

// ResponseSent is the good end of a request of a peer: the response, or the error of
// SendError, was handed to the transport and the stream closed. That the peer has received it is not
// known.
type ResponseSent struct {
	// Peer is who asked.
	Peer peer.ID
	// ID is that of the request's Message.
	ID InboundRequestID
	// Protocol is the protocol negotiated.
	Protocol protocol.ID
	// Conn is the connection that the request came on.
	Conn network.Conn
}

func (Message[Req, Resp]) isEvent() {}
func (OutboundFailure) isEvent()    {}
func (InboundFailure) isEvent()     {}
func (ResponseSent) isEvent()       {}
