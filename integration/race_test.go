//go:build race

package integration_test

// raceEnabled tells that the race detector is on. It makes a simulation of a hundred hosts
// ten times as slow.
const raceEnabled = true
