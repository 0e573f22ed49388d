package ssz

import (
	"math"

	fastssz "github.com/ferranbt/fastssz"

	"github.com/seed-2dd5877b/reqresp/ssz/shape"
)

// BeaconBlocksByRootRequest asks for the blocks with the given block roots.
//
// How many elements a request may hold that is a list depends on the network and the fork:
// [Network.ShapeOf] has the shape to check before decoding, and to hash by. For the same reason
// such a request has no hash tree root of its own.
type BeaconBlocksByRootRequest []Root

// SizeSSZ returns the number of bytes of the encoding.
func (r *BeaconBlocksByRootRequest) SizeSSZ() int { return len(*r) * len(Root{}) }

// MarshalSSZ returns the encoding of the request.
func (r *BeaconBlocksByRootRequest) MarshalSSZ() ([]byte, error) { return fastssz.MarshalSSZ(r) }

// MarshalSSZTo appends the encoding of the request to dst.
func (r *BeaconBlocksByRootRequest) MarshalSSZTo(dst []byte) ([]byte, error) {
	return appendRoots(dst, *r), nil
}

// UnmarshalSSZ replaces the roots by those in b, and keeps no reference to b. The error is a
// [*CheckError].
func (r *BeaconBlocksByRootRequest) UnmarshalSSZ(b []byte) (err error) {
	*r, err = decodeRoots(*r, b, "BeaconBlocksByRootRequest")
	return err
}

// ExecutionPayloadEnvelopesByRootRequest asks for the payloads of the blocks with the given block
// roots. See [BeaconBlocksByRootRequest] for its limit and its root.
type ExecutionPayloadEnvelopesByRootRequest []Root

// SizeSSZ returns the number of bytes of the encoding.
func (r *ExecutionPayloadEnvelopesByRootRequest) SizeSSZ() int { return len(*r) * len(Root{}) }

// MarshalSSZ returns the encoding of the request.
func (r *ExecutionPayloadEnvelopesByRootRequest) MarshalSSZ() ([]byte, error) {
	return fastssz.MarshalSSZ(r)
}

// MarshalSSZTo appends the encoding of the request to dst.
func (r *ExecutionPayloadEnvelopesByRootRequest) MarshalSSZTo(dst []byte) ([]byte, error) {
	return appendRoots(dst, *r), nil
}

// UnmarshalSSZ replaces the roots by those in b, and keeps no reference to b. The error is a
// [*CheckError].
func (r *ExecutionPayloadEnvelopesByRootRequest) UnmarshalSSZ(b []byte) (err error) {
	*r, err = decodeRoots(*r, b, "ExecutionPayloadEnvelopesByRootRequest")
	return err
}

func appendRoots(dst []byte, roots []Root) []byte {
	for i := range roots {
		dst = append(dst, roots[i][:]...)
	}
	return dst
}

// decodeRoots returns old if b is malformed.
func decodeRoots(old []Root, b []byte, name string) ([]Root, error) {
	if err := shape.List(shape.ByteVector(32), math.MaxUint64).Named(name).Check(b); err != nil {
		return old, err
	}
	roots := make([]Root, len(b)/len(Root{}))
	for i := range roots {
		copy(roots[i][:], b[i*len(Root{}):])
	}
	return roots, nil
}
