package ssz

import (
	"encoding/binary"
	"fmt"

	fastssz "github.com/ferranbt/fastssz"

	"github.com/seed-2dd5877b/reqresp/ssz/shape"
)

var (
	shapePing    = shape.Uint(8).Named("Ping")
	shapeGoodbye = shape.Uint(8).Named("Goodbye")
)

// Ping is the message of ping/1 in both directions: the sequence number of the sender's metadata.
type Ping uint64

// Shape returns the shape of the message.
func (*Ping) Shape() *Shape { return shapePing }

// SizeSSZ returns 8.
func (*Ping) SizeSSZ() int { return 8 }

// MarshalSSZ returns the encoding of the message.
func (p *Ping) MarshalSSZ() ([]byte, error) { return p.MarshalSSZTo(nil) }

// MarshalSSZTo appends the encoding of the message to dst.
func (p *Ping) MarshalSSZTo(dst []byte) ([]byte, error) {
	return binary.LittleEndian.AppendUint64(dst, uint64(*p)), nil
}

// UnmarshalSSZ decodes b into p. The error is a [*CheckError].
func (p *Ping) UnmarshalSSZ(b []byte) error {
	if err := shapePing.Check(b); err != nil {
		return err
	}
	*p = Ping(binary.LittleEndian.Uint64(b))
	return nil
}

// HashTreeRoot returns the hash tree root of the message.
func (p *Ping) HashTreeRoot() ([32]byte, error) { return fastssz.HashWithDefaultHasher(p) }

// HashTreeRootWith hashes the message with a hasher.
func (p *Ping) HashTreeRootWith(hh fastssz.HashWalker) error {
	hh.PutUint64(uint64(*p))
	return nil
}

// GetTree returns the Merkle tree of the message.
func (p *Ping) GetTree() (*fastssz.Node, error) { return fastssz.ProofTree(p) }

// Goodbye is the message of goodbye/1 in both directions: the reason for disconnecting.
type Goodbye uint64

// Shape returns the shape of the message.
func (*Goodbye) Shape() *Shape { return shapeGoodbye }

// SizeSSZ returns 8.
func (*Goodbye) SizeSSZ() int { return 8 }

// MarshalSSZ returns the encoding of the message.
func (g *Goodbye) MarshalSSZ() ([]byte, error) { return g.MarshalSSZTo(nil) }

// MarshalSSZTo appends the encoding of the message to dst.
func (g *Goodbye) MarshalSSZTo(dst []byte) ([]byte, error) {
	return binary.LittleEndian.AppendUint64(dst, uint64(*g)), nil
}

// UnmarshalSSZ decodes b into g. The error is a [*CheckError].
func (g *Goodbye) UnmarshalSSZ(b []byte) error {
	if err := shapeGoodbye.Check(b); err != nil {
		return err
	}
	*g = Goodbye(binary.LittleEndian.Uint64(b))
	return nil
}

// HashTreeRoot returns the hash tree root of the message.
func (g *Goodbye) HashTreeRoot() ([32]byte, error) { return fastssz.HashWithDefaultHasher(g) }

// HashTreeRootWith hashes the message with a hasher.
func (g *Goodbye) HashTreeRootWith(hh fastssz.HashWalker) error {
	hh.PutUint64(uint64(*g))
	return nil
}

// GetTree returns the Merkle tree of the message.
func (g *Goodbye) GetTree() (*fastssz.Node, error) { return fastssz.ProofTree(g) }

// BeaconBlocksByRootRequest asks for the blocks with the given block roots. How many it may hold
// depends on the fork: [Network.BeaconBlocksByRootShape] has the shape to check before decoding.
// For the same reason it has no hash tree root.
type BeaconBlocksByRootRequest []Root

func byRootShape(limit uint64) *Shape {
	return shape.List(shape.ByteVector(32), limit).Named("BeaconBlocksByRootRequest")
}

// SizeSSZ returns the number of bytes of the encoding.
func (r *BeaconBlocksByRootRequest) SizeSSZ() int { return len(*r) * len(Root{}) }

// MarshalSSZ returns the encoding of the request.
func (r *BeaconBlocksByRootRequest) MarshalSSZ() ([]byte, error) { return fastssz.MarshalSSZ(r) }

// MarshalSSZTo appends the encoding of the request to dst.
func (r *BeaconBlocksByRootRequest) MarshalSSZTo(dst []byte) ([]byte, error) {
	for i := range *r {
		dst = append(dst, (*r)[i][:]...)
	}
	return dst, nil
}

// UnmarshalSSZ replaces the roots by those in b, and keeps no reference to b. The error wraps
// [ErrSize].
func (r *BeaconBlocksByRootRequest) UnmarshalSSZ(b []byte) error {
	if len(b)%len(Root{}) != 0 {
		return &CheckError{
			Type:   "BeaconBlocksByRootRequest",
			Reason: fmt.Errorf("%w: %d bytes, want roots of %d", ErrSize, len(b), len(Root{})),
		}
	}
	roots := make([]Root, len(b)/len(Root{}))
	for i := range roots {
		copy(roots[i][:], b[i*len(Root{}):])
	}
	*r = roots
	return nil
}
