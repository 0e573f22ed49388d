package score

import "fmt"

// A Verdict is what is to be done about a peer.
type Verdict uint8

// Verdicts.
const (
	// Keep leaves the peer connected.
	Keep Verdict = iota
	// Disconnect says goodbye to the peer. It may come back.
	Disconnect
	// Ban says goodbye to the peer, which may not come back for some time.
	Ban
)

// String returns the verdict's name, such as "keep".
func (v Verdict) String() string {
	switch v {
	case Keep:
		return "keep"
	case Disconnect:
		return "disconnect"
	case Ban:
		return "ban"
	}
	return fmt.Sprintf("verdict(%d)", uint8(v))
}
