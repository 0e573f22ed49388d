//go:build race

package shape_test

// raceEnabled tells that the race detector is on. It makes sync.Pool drop values
// at random.
const raceEnabled = true
