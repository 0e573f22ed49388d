//go:build !race

package snappy_test

// raceEnabled tells that the race detector is on.
const raceEnabled = false
