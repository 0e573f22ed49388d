package cbor

import (
	"fmt"
	"math"

	"github.com/fxamacker/cbor/v2"

	"github.com/seed-2dd5877b/reqresp/protocols/reqresp/internal/cborhead"
)

// encMode writes what cbor4ii does and, where that is strict, what it can read.
// The field order is that of declaration, lengths are definite.
var encMode = must(cbor.EncOptions{
	// A float has the width of its type: neither value nor NaN nor infinity
	// makes it shorter.
	ShortestFloat: cbor.ShortestFloatNone,
	NaNConvert:    cbor.NaNConvertNone,
	InfConvert:    cbor.InfConvertNone,
	// There are no nil vectors and maps in Rust: null is an Option.
	NilContainers: cbor.NilContainerAsEmpty,
	// [u8; N] is an array as any other.
	ByteArray: cbor.ByteArrayToArray,
}.UserBufferEncMode())

// maxDepth is how deep arrays and maps may be nested in each other.
const maxDepth = 128

// decMode reads what encMode and cbor4ii write. Before anything is decoded it checks that
// every item claimed is there, so that the numbers of elements need no bound beside
// that of the message's size.
var decMode = must(cbor.DecOptions{
	DupMapKey:         cbor.DupMapKeyEnforcedAPF,
	FieldNameMatching: cbor.FieldNameMatchingCaseSensitive,
	MaxNestedLevels:   maxDepth,
	MaxArrayElements:  math.MaxInt32,
	MaxMapPairs:       math.MaxInt32,
	SimpleValues:      simpleValues(),
}.DecMode())

// simpleValues leaves false, true, null and undefined. The library takes others for
// integers.
func simpleValues() *cbor.SimpleValueRegistry {
	var others []func(*cbor.SimpleValueRegistry) error
	for v := range 256 {
		if v < 20 || v >= 32 { // 20 to 23 are the four, up to 31 there are none
			others = append(others, cbor.WithRejectedSimpleValue(cbor.SimpleValue(v)))
		}
	}
	return must(cbor.NewSimpleValueRegistryFromDefaults(others...))
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// The tags of integers beyond 64 bits, by which cbor4ii writes a u128 or i128.
const (
	tagPositiveBignum = 2
	tagNegativeBignum = 3
)

// checkTags refuses all tags but those of big integers in a well-formed item. The
// library takes most tags for the item that they are put on.
func checkTags(item []byte) error {
	for len(item) > 0 {
		h, rest, _ := cborhead.Cut(item)
		switch h.Major {
		case cborhead.Bytes, cborhead.Text:
			rest = rest[h.Arg:]
		case cborhead.Tag:
			if h.Arg != tagPositiveBignum && h.Arg != tagNegativeBignum {
				return fmt.Errorf("cbor: tag %d", h.Arg)
			}
		}
		item = rest
	}
	return nil
}
