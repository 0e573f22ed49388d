package ssz

import (
	"fmt"
	"slices"
	"strings"
)

// A Fork is a version of the consensus protocol. Forks compare in the order of their activation.
type Fork uint8

// The forks, oldest first.
const (
	Phase0 Fork = iota
	Altair
	Bellatrix
	Capella
	Deneb
	Electra
	Fulu
	Gloas
	Heze
)

var forkNames = [...]string{
	"phase0", "altair", "bellatrix", "capella", "deneb", "electra", "fulu", "gloas", "heze",
}

// String returns the name of the fork in lower case, or "fork_N" for a value that is no fork.
func (f Fork) String() string {
	if int(f) >= len(forkNames) {
		return fmt.Sprintf("fork_%d", uint8(f))
	}
	return forkNames[f]
}

// ParseFork returns the fork of a name in any case. Its error wraps [ErrFork].
func ParseFork(name string) (Fork, error) {
	i := slices.Index(forkNames[:], strings.ToLower(name))
	if i < 0 {
		return 0, fmt.Errorf("%w: %q: want one of %s", ErrFork, name, strings.Join(forkNames[:], ", "))
	}
	return Fork(i), nil
}
