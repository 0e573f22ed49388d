package requestresponse

import (
	"context"
	"strconv"
	"sync"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"

	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
)

// An OutboundRequestID tells one request of ours from all others. IDs begin at 1
// and increase. They are local and never sent: see [reqresp.Info].
type OutboundRequestID uint64

// String returns the number.
func (id OutboundRequestID) String() string { return strconv.FormatUint(uint64(id), 10) }

// An InboundRequestID tells one request of a peer from all others. IDs begin at
// 1 and increase. They are local and never sent. A request of a peer and one of ours may have the
// same number.
type InboundRequestID uint64

// String returns the number.
func (id InboundRequestID) String() string { return strconv.FormatUint(uint64(id), 10) }

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
// request was sent, see [reqresp.OneWay].
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
	Reason reqresp.Reason
	// Err is a [*reqresp.Error] with Remote set if the peer answered with one, else a
	// [*reqresp.Failure].
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
	Reason reqresp.Reason
	// Err is a [*reqresp.Failure].
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

// An eventQueue delivers events to one consumer, in order. Producers wait for room.
type eventQueue struct {
	queue     chan Event
	abandoned chan struct{}
	once      sync.Once
}

func newEventQueue(size int) *eventQueue {
	return &eventQueue{queue: make(chan Event, size), abandoned: make(chan struct{})}
}

// offer does not wait, and reports whether there was room for an event.
func (q *eventQueue) offer(e Event) bool {
	select {
	case q.queue <- e:
		return true
	default:
		return false
	}
}

// put waits for room for an event until ctx ends, whose cause it returns then, or the
// queue is abandoned.
func (q *eventQueue) put(ctx context.Context, e Event) error {
	if q.offer(e) {
		return nil
	}
	select {
	case q.queue <- e:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-q.abandoned:
		return reqresp.ErrClosed
	}
}

// putLast waits for room for the last event of an exchange, for as long as it takes.
func (q *eventQueue) putLast(e Event) { _ = q.put(context.Background(), e) }

// abandon unblocks all producers that wait.
func (q *eventQueue) abandon() { q.once.Do(func() { close(q.abandoned) }) }

// close ends the queue, once there is no producer any more.
func (q *eventQueue) close() { close(q.queue) }
