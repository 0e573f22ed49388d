//go:build !race

package ssz_test

// raceEnabled tells that the race detector is on.
const raceEnabled = false
