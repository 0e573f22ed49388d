// Package bls verifies BLS signatures as the consensus specs use them: public keys in G1, signatures in G2, with
// proof of possession. It is the one package that knows the BLS library.
package bls

import (
	"errors"

	blsu "github.com/protolambda/bls12-381-util"
)

// The sizes of compressed points, in bytes.
const (
	PublicKeySize = 48
	SignatureSize = 96
)

var (
	// ErrPublicKey is returned when bytes are not a valid public key: not a point of the curve and of its subgroup,
	// or the point at infinity.
	ErrPublicKey = errors.New("bls: invalid public key")
	// ErrSignature is returned when bytes are not a point of the curve and of its subgroup, or when the signature is
	// not that of the message by the keys.
	ErrSignature = errors.New("bls: invalid signature")
)

// infinity begins the encoding of the point at infinity, whose other bits are zero.
const infinity = 0xc0

// A PublicKey is a point that has passed KeyValidate of the specs. It is immutable.
type PublicKey struct{ point *blsu.Pubkey }

// ParsePublicKey is KeyValidate of the specs: it decompresses a public key and checks that it is of the subgroup and
// not the point at infinity. That takes about 60 µs. The error is ErrPublicKey.
func ParsePublicKey(b *[PublicKeySize]byte) (PublicKey, error) {
	point := new(blsu.Pubkey)
	if b[0] == infinity || point.Deserialize(b) != nil {
		return PublicKey{}, ErrPublicKey
	}
	return PublicKey{point}, nil
}

// FastAggregateVerify reports whether a signature is the aggregate of all keys' signatures of a message: nil, or
// ErrSignature, also if there are no keys. It takes about a millisecond.
func FastAggregateVerify(keys []PublicKey, message [32]byte, signature *[SignatureSize]byte) error {
	points := make([]*blsu.Pubkey, len(keys))
	for i, key := range keys {
		points[i] = key.point
	}
	var s blsu.Signature
	if s.Deserialize(signature) != nil || !blsu.FastAggregateVerify(points, message[:], &s) {
		return ErrSignature
	}
	return nil
}

// A Signed is a message, a key and what is said to be the signature of the message by the key.
type Signed struct {
	Key       PublicKey
	Message   [32]byte
	Signature *[SignatureSize]byte
}

// VerifyBatch reports whether all signatures are valid, with one final exponentiation for all of them: nil, or
// ErrSignature. Each signature has a random factor, so that invalid ones do not make up for each other. An empty
// batch is valid.
func VerifyBatch(batch []Signed) error {
	check := blsu.NewAggregateCheck()
	for _, signed := range batch {
		var s blsu.Signature
		if s.Deserialize(signed.Signature) != nil || check.Verify(signed.Key.point, signed.Message[:], &s) != nil {
			return ErrSignature
		}
	}
	if len(batch) > 0 && check.Check() != nil {
		return ErrSignature
	}
	return nil
}
