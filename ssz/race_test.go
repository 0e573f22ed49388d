//go:build race

package ssz_test

// raceEnabled tells that the race detector is on. It makes sync.Pool drop values
// at random.
const raceEnabled = true
