//go:build race

package beacon_test

// raceEnabled tells that the race detector, which makes pools drop things at random,
// is on.
const raceEnabled = true
