package beacon

import (
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/protocol"
)

// A Payload is the SSZ of one message, whose size the wire does not show: there it is
// compressed. Requests without content and errors have none.
type Payload struct {
	// Protocol is the protocol ID negotiated.
	Protocol protocol.ID
	// Direction is that of the exchange: inbound if a peer asks.
	Direction network.Direction
	// Response tells a response chunk from a request.
	Response bool
	// Bytes is the size of the SSZ encoding.
	Bytes int
}

// tell calls the hook for payloads, if there is one and there was a message.
func (h *hooks) tell(id protocol.ID, dir network.Direction, response bool, bytes int) {
	if h.payloads != nil && bytes > 0 {
		h.payloads(Payload{Protocol: id, Direction: dir, Response: response, Bytes: bytes})
	}
}
