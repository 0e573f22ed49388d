package score

import "fmt"

// A Class tells how grave a penalty is. The classes and what they cost are those of deployed clients. How many of a
// class a stranger can afford is given for [Config]'s defaults and for penalties that come as fast as its cap counts
// them; slower ones decay more between them.
type Class uint8

// Classes of penalties.
const (
	// Fatal costs 100 and bans at once. It is for what no correct peer can do.
	Fatal Class = iota + 1
	// LowTolerance costs 10. The second within 20 s disconnects, or else the third within a minute. The sixth bans, in
	// the third minute.
	LowTolerance
	// MidTolerance costs 5. The fifth disconnects and the twelfth bans, at two a minute.
	MidTolerance
	// HighTolerance costs 1. The 23rd disconnects and the 84th bans, at five a minute.
	HighTolerance
	// Malformed costs 2 and has no cap. Ten at once disconnect and some twenty-five within a minute ban. It is for
	// bytes that no correct peer sends.
	Malformed

	// reward is not a penalty, but capped as one.
	reward
)

const classes = int(reward) + 1

// String returns the class's name, such as "mid tolerance".
func (c Class) String() string {
	switch c {
	case Fatal:
		return "fatal"
	case LowTolerance:
		return "low tolerance"
	case MidTolerance:
		return "mid tolerance"
	case HighTolerance:
		return "high tolerance"
	case Malformed:
		return "malformed"
	case reward:
		return "reward"
	}
	return fmt.Sprintf("class(%d)", uint8(c))
}

// What one of a class changes a score by.
var change = [classes]float64{
	Fatal:         -Max,
	LowTolerance:  -10,
	MidTolerance:  -5,
	HighTolerance: -1,
	Malformed:     -2,
	reward:        0.5,
}

// An Action is what is to be done about a peer.
type Action uint8

// Actions.
const (
	// Keep leaves the peer connected.
	Keep Action = iota
	// Disconnect says goodbye to the peer. It may come back.
	Disconnect
	// Ban says goodbye to the peer, which may not come back for some time.
	Ban
)

// String returns the action's name, such as "keep".
func (a Action) String() string {
	switch a {
	case Keep:
		return "keep"
	case Disconnect:
		return "disconnect"
	case Ban:
		return "ban"
	}
	return fmt.Sprintf("action(%d)", uint8(a))
}
