package signature

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/seed-2dd5877b/reqresp/protocols/beacon/internal/bls"
	"github.com/seed-2dd5877b/reqresp/protocols/era"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

var (
	// ErrState is returned when what is read is not a beacon state of the network.
	ErrState = errors.New("signature: bad beacon state")
	// ErrKeys is returned when bytes are not whole public keys.
	ErrKeys = errors.New("signature: bad public keys")
)

// Keys are the public keys of a network's validators by their index. They are immutable, and may be used concurrently.
type Keys struct{ b []byte }

// NewKeys returns the keys that Bytes of other Keys returned. It keeps b, which must not be changed any more. The error
// wraps ErrKeys if b has a part of a key at its end.
func NewKeys(b []byte) (*Keys, error) {
	if len(b)%bls.PublicKeySize != 0 {
		return nil, fmt.Errorf("%w: %d bytes, want a multiple of %d", ErrKeys, len(b), bls.PublicKeySize)
	}
	return &Keys{b}, nil
}

// Bytes returns the compressed keys, one after the other, for a file beside a store: 48 bytes for each validator, which
// is about 60 MiB on mainnet. They must not be changed.
func (k *Keys) Bytes() []byte { return k.b }

// Len returns how many validators there are.
func (k *Keys) Len() int { return len(k.b) / bls.PublicKeySize }

// of returns the compressed key of a validator. It reports false if the validator is not known.
func (k *Keys) of(index uint64) (*[bls.PublicKeySize]byte, bool) {
	if k == nil || index >= uint64(k.Len()) {
		return nil, false
	}
	return (*[bls.PublicKeySize]byte)(k.b[index*bls.PublicKeySize:]), true
}

// The beginning of a state in every fork: genesis_time, genesis_validators_root and slot.
const (
	genesisRootAt = 8
	slotAt        = 8 + 32
	peekSize      = 8 + 32 + 8
)

// validatorSize is that of an encoded Validator, which begins with its public key in every fork.
const validatorSize = bls.PublicKeySize + 32 + 8 + 1 + 4*8

// ReadKeys reads the keys from an encoded BeaconState of any fork, as it streams by, and no further than its
// validators. The memory it takes grows with what was read.
//
// The state is not hashed: whether it is the chain's is for the caller to know. What is wrong with it wraps ErrState,
// also if it is of another network; other errors are the reader's.
func ReadKeys(n *ssz.Network, state io.Reader) (*Keys, error) {
	r := bufio.NewReaderSize(state, 1<<16)
	fork, err := peekFork(n, r)
	if err != nil {
		return nil, err
	}
	shape, err := era.StateShape(n, fork)
	if err != nil {
		return nil, err
	}
	// The fixed part, which has the offsets. No state is shorter than its type allows.
	least, _ := shape.Bounds()
	head := make([]byte, least)
	if _, err := io.ReadFull(r, head); err != nil {
		return nil, truncated(err)
	}
	at, size, err := shape.Find(bytes.NewReader(head), math.MaxUint32, "validators")
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrState, err)
	}
	if size%validatorSize != 0 {
		return nil, fmt.Errorf("%w: %d bytes of validators, want a multiple of %d", ErrState, size, validatorSize)
	}
	// What of the validators is in the head already, or else what is before them.
	rest := io.MultiReader(bytes.NewReader(head[min(at, int64(least)):]), r)
	if _, err := io.CopyN(io.Discard, rest, max(0, at-int64(least))); err != nil {
		return nil, truncated(err)
	}
	return readValidators(rest, size/validatorSize)
}

// peekFork returns the fork of a state that begins in r.
func peekFork(n *ssz.Network, r *bufio.Reader) (ssz.Fork, error) {
	b, err := r.Peek(peekSize)
	if err != nil {
		return 0, truncated(err)
	}
	if root := ssz.Root(b[genesisRootAt:]); root != n.GenesisValidatorsRoot() {
		return 0, fmt.Errorf("%w: genesis validators root %v, want %v", ErrState, root, n.GenesisValidatorsRoot())
	}
	return n.ForkAt(n.EpochOf(ssz.Slot(binary.LittleEndian.Uint64(b[slotAt:])))), nil
}

func readValidators(r io.Reader, count int64) (*Keys, error) {
	k := new(Keys)
	var validator [validatorSize]byte
	for range count {
		if _, err := io.ReadFull(r, validator[:]); err != nil {
			return nil, truncated(err)
		}
		k.b = append(k.b, validator[:bls.PublicKeySize]...)
	}
	return k, nil
}

// truncated returns the error of a read that had to succeed.
func truncated(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("%w: %w", ErrState, io.ErrUnexpectedEOF)
	}
	return err
}
