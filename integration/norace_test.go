//go:build !race

package integration_test

// raceEnabled tells that the race detector is on.
const raceEnabled = false
