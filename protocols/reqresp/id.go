package reqresp

import "strconv"

// An OutboundRequestID tells one call of a [Client] from all others. IDs begin at 1
// and increase; they are local and never sent.
type OutboundRequestID uint64

// String returns the number.
func (id OutboundRequestID) String() string { return strconv.FormatUint(uint64(id), 10) }

// An InboundRequestID tells one exchange of a [Server] from all others. IDs begin at
// 1 and increase; they are local and never sent. An inbound and an outbound exchange may have the
// same number.
type InboundRequestID uint64

// String returns the number.
func (id InboundRequestID) String() string { return strconv.FormatUint(uint64(id), 10) }
