package score

import "fmt"

// A Class tells how grave a penalty is, by how many are tolerated. The classes
// and what they cost are those of deployed clients.
type Class uint8

// Classes of penalties.
const (
	// Fatal bans at once. It is for what no correct peer can do.
	Fatal Class = iota + 1
	// LowTolerance is tolerated about five times.
	LowTolerance
	// MidTolerance is tolerated about ten times.
	MidTolerance
	// HighTolerance is tolerated about fifty times.
	HighTolerance

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
	reward:        0.5,
}
