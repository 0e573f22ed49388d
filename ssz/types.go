package ssz

import (
	"encoding/hex"
	"fmt"
	"math"
	"strings"
)

// A Slot numbers the slots of a chain, beginning with 0 at genesis.
type Slot uint64

// An Epoch numbers the epochs of a chain, beginning with 0 at genesis.
type Epoch uint64

// FarFutureEpoch is FAR_FUTURE_EPOCH of the consensus specs: the epoch of a fork that is not
// scheduled.
const FarFutureEpoch Epoch = math.MaxUint64

// A Root is a hash tree root.
type Root [32]byte

// String returns the root in hexadecimal, with the prefix 0x.
func (r Root) String() string { return formatHex(r[:]) }

// MarshalText returns the form of String.
func (r Root) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText reads 64 hexadecimal digits; the prefix 0x is optional.
func (r *Root) UnmarshalText(text []byte) error { return parseHex(r[:], "root", string(text)) }

// A Version is a fork version.
type Version [4]byte

// String returns the version in hexadecimal, with the prefix 0x.
func (v Version) String() string { return formatHex(v[:]) }

// MarshalText returns the form of String.
func (v Version) MarshalText() ([]byte, error) { return []byte(v.String()), nil }

// UnmarshalText reads 8 hexadecimal digits; the prefix 0x is optional.
func (v *Version) UnmarshalText(text []byte) error {
	return parseHex(v[:], "fork version", string(text))
}

// A ForkDigest names a period of a network's schedule on the wire. From Fulu on it changes with
// the blob parameters too, not with the fork alone.
type ForkDigest [4]byte

// String returns the digest in hexadecimal, with the prefix 0x.
func (d ForkDigest) String() string { return formatHex(d[:]) }

// MarshalText returns the form of String.
func (d ForkDigest) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads 8 hexadecimal digits; the prefix 0x is optional.
func (d *ForkDigest) UnmarshalText(text []byte) error {
	return parseHex(d[:], "fork digest", string(text))
}

func formatHex(b []byte) string { return "0x" + hex.EncodeToString(b) }

// parseHex fills dst from text, and leaves dst as it was if text is malformed.
func parseHex(dst []byte, what, text string) error {
	digits := strings.TrimPrefix(text, "0x")
	b, err := hex.DecodeString(digits)
	if err != nil || len(b) != len(dst) {
		return fmt.Errorf("%w: %s %q: want %d hexadecimal digits after 0x", ErrHex, what, text, 2*len(dst))
	}
	copy(dst, b)
	return nil
}
