package rustpeer

import (
	"encoding/json"
	"fmt"
)

// Kind is what an event is about.
type Kind string

// The kinds of events. The first five are those of the Rust module, the next two those of its throttled one.
const (
	// KindRequest: a peer sent a request.
	KindRequest Kind = "request"
	// KindResponse: a request that was sent has its response.
	KindResponse Kind = "response"
	// KindResponseSent: a request that was received has been answered.
	KindResponseSent Kind = "response-sent"
	// KindInboundFailure: a request that was received will not be answered.
	KindInboundFailure Kind = "inbound-failure"
	// KindOutboundFailure: a request that was sent will get no response.
	KindOutboundFailure Kind = "outbound-failure"

	// KindResumeSending: a peer granted credit after there had been none left.
	KindResumeSending Kind = "resume-sending"
	// KindTooManyInboundRequests: a peer sent a request without credit. It was dropped.
	KindTooManyInboundRequests Kind = "too-many-inbound-requests"

	// KindConnected: there is one more connection to a peer.
	KindConnected Kind = "connected"
	// KindDisconnected: there is one connection less to a peer.
	KindDisconnected Kind = "disconnected"

	// KindNotSupported: a peer does not support gossipsub. A [Gossip] peer leaves it.
	KindNotSupported Kind = "gossipsub-not-supported"
	// KindSubscribed: a peer has subscribed to a topic.
	KindSubscribed Kind = "subscribed"
	// KindSlowPeer: a peer does not take what it is sent by gossipsub.
	KindSlowPeer Kind = "slow-peer"
	// KindKept: a connection of a [Gossip] peer has been open for a minute.
	KindKept Kind = "kept"
)

// An Event is something that happened to a peer, as its libp2p reported it.
type Event struct {
	Kind Kind `json:"event"`
	// Peer is the other one.
	Peer string `json:"peer"`
	// Connection tells the connections of a [Current] or [Gossip] peer apart. [Throttled] does not report it.
	Connection string `json:"connection"`
	// Protocol is the protocol's short name, such as "cbor". Empty unless it is about a request.
	Protocol string `json:"protocol"`
	// ID is the request's. Those received and those sent are counted apart, and so are the protocols.
	ID uint64 `json:"id"`
	// Message is what was received, as the protocol writes it in JSON: see the package documentation.
	Message json.RawMessage `json:"message"`
	// Failure is the failure's name in Rust, such as "ConnectionClosed".
	Failure string `json:"failure"`
	// Detail is all that Rust tells of the failure, for people.
	Detail string `json:"detail"`
	// Topic is what a peer has subscribed to.
	Topic string `json:"topic"`
}

// String is for the messages of tests.
func (e Event) String() string {
	return fmt.Sprintf("%s %s %d %s%s%s %s", e.Kind, e.Protocol, e.ID, e.Failure, e.Message, e.Topic, e.Detail)
}
