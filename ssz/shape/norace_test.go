//go:build !race

package shape_test

// raceEnabled tells that the race detector is on.
const raceEnabled = false
