//go:build !race

// Package race tells tests of the race detector.
package race

// Enabled reports whether the race detector is on. It makes sync.Pool drop values at random, and everything slow.
const Enabled = false
