package ssz

import (
	"encoding/binary"

	fastssz "github.com/ferranbt/fastssz"

	"github.com/seed-2dd5877b/reqresp/ssz/shape"
)

var (
	shapePing    = shape.Uint(8).Named("Ping")
	shapeGoodbye = shape.Uint(8).Named("Goodbye")

	shapeLightClientBootstrapRequest = shape.ByteVector(32).Named("LightClientBootstrapRequest")
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

// LightClientBootstrapRequest is the request of light_client_bootstrap/1: the root of a block.
type LightClientBootstrapRequest Root

// Shape returns the shape of the message.
func (*LightClientBootstrapRequest) Shape() *Shape { return shapeLightClientBootstrapRequest }

// SizeSSZ returns 32.
func (*LightClientBootstrapRequest) SizeSSZ() int { return len(Root{}) }

// MarshalSSZ returns the encoding of the message.
func (r *LightClientBootstrapRequest) MarshalSSZ() ([]byte, error) { return r.MarshalSSZTo(nil) }

// MarshalSSZTo appends the encoding of the message to dst.
func (r *LightClientBootstrapRequest) MarshalSSZTo(dst []byte) ([]byte, error) {
	return append(dst, r[:]...), nil
}

// UnmarshalSSZ decodes b into r. The error is a [*CheckError].
func (r *LightClientBootstrapRequest) UnmarshalSSZ(b []byte) error {
	if err := shapeLightClientBootstrapRequest.Check(b); err != nil {
		return err
	}
	copy(r[:], b)
	return nil
}

// HashTreeRoot returns the hash tree root of the message, which is the block's.
func (r *LightClientBootstrapRequest) HashTreeRoot() ([32]byte, error) { return [32]byte(*r), nil }

// HashTreeRootWith hashes the message with a hasher.
func (r *LightClientBootstrapRequest) HashTreeRootWith(hh fastssz.HashWalker) error {
	hh.PutBytes(r[:])
	return nil
}

// GetTree returns the Merkle tree of the message.
func (r *LightClientBootstrapRequest) GetTree() (*fastssz.Node, error) { return fastssz.ProofTree(r) }
