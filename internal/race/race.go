//go:build race

package race

// Enabled reports whether the race detector is on. It makes sync.Pool drop values at random, and everything slow.
const Enabled = true
