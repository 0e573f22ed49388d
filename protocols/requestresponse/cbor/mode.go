package cbor

import (
	"math"

	"github.com/fxamacker/cbor/v2"
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

// decMode reads what encMode and cbor4ii write. Before anything is decoded it checks that
// every item claimed is there, so that the numbers of elements need no bound beside
// that of the message's size. See also check.
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
