package reqresp

import "fmt"

// Support tells which sides of a protocol are offered, where that is a setting: see
// [RequestResponse]. With a [Server] and a [Client] it follows from what is
// registered and what is called. The values are rust-libp2p's ProtocolSupport.
type Support uint8

const (
	// SupportInbound serves requests of peers and makes none.
	SupportInbound Support = 1 << iota
	// SupportOutbound makes requests and serves none: the protocol is not
	// advertised.
	SupportOutbound
	// SupportFull does both.
	SupportFull = SupportInbound | SupportOutbound
)

// Inbound reports whether requests of peers are served.
func (s Support) Inbound() bool { return s&SupportInbound != 0 }

// Outbound reports whether requests are made.
func (s Support) Outbound() bool { return s&SupportOutbound != 0 }

// String returns the value's name, such as "full".
func (s Support) String() string {
	switch s {
	case SupportInbound:
		return "inbound"
	case SupportOutbound:
		return "outbound"
	case SupportFull:
		return "full"
	}
	return fmt.Sprintf("support(%d)", uint8(s))
}

func (s Support) validate() error {
	if s == 0 || s > SupportFull {
		return fmt.Errorf("%v is not inbound, outbound or full", s)
	}
	return nil
}
