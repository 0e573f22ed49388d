package bls_test

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"math/big"
	"testing"

	blsu "github.com/protolambda/bls12-381-util"

	"github.com/seed-2dd5877b/reqresp/protocols/beacon/internal/bls"
)

// A signer is a key pair that follows from a number.
type signer struct {
	secret blsu.SecretKey
	public [bls.PublicKeySize]byte
	key    bls.PublicKey
}

func newSigner(t testing.TB, n byte) *signer {
	t.Helper()
	s := new(signer)
	if err := s.secret.Deserialize(&[32]byte{31: n}); err != nil {
		t.Fatal(err)
	}
	point, err := blsu.SkToPk(&s.secret)
	if err != nil {
		t.Fatal(err)
	}
	s.public = point.Serialize()
	if s.key, err = bls.ParsePublicKey(&s.public); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *signer) sign(message [32]byte) *[bls.SignatureSize]byte {
	signature := blsu.Sign(&s.secret, message[:]).Serialize()
	return &signature
}

// sum returns the aggregate of signatures.
func sum(t testing.TB, signatures ...*[bls.SignatureSize]byte) *[bls.SignatureSize]byte {
	t.Helper()
	points := make([]*blsu.Signature, len(signatures))
	for i, b := range signatures {
		points[i] = new(blsu.Signature)
		if err := points[i].Deserialize(b); err != nil {
			t.Fatal(err)
		}
	}
	total, err := blsu.Aggregate(points)
	if err != nil {
		t.Fatal(err)
	}
	b := total.Serialize()
	return &b
}

// prime is that of the field that the curve is over.
var prime, _ = new(big.Int).SetString("1a0111ea397fe69a4b1ba7b6434bacd764774b84f38512bf6730d2a0f6b0f624"+
	"1eabfffeb153ffffb9feffffffffaaab", 16)

// onCurve reports whether x³+4 is a square, so that there are points of G1's curve with this x.
func onCurve(x int64) bool {
	y2 := new(big.Int).Exp(big.NewInt(x), big.NewInt(3), prime)
	return big.Jacobi(y2.Add(y2, big.NewInt(4)), prime) == 1
}

// onTwist reports the same of x³+4(1+i), which is a square if its norm is one.
func onTwist(x int64) bool {
	re := new(big.Int).Exp(big.NewInt(x), big.NewInt(3), prime)
	re.Add(re, big.NewInt(4))
	norm := re.Mul(re, re)
	return big.Jacobi(norm.Add(norm, big.NewInt(16)), prime) == 1
}

// TestPointsOutsideTheSubgroupAreRefused takes points with small x, of which none is in the subgroup.
func TestPointsOutsideTheSubgroupAreRefused(t *testing.T) {
	message := sha256.Sum256(nil)
	key := newSigner(t, 1).key
	var keys, signatures int
	for x := int64(1); x < 30; x++ {
		if onCurve(x) {
			keys++
			_, err := bls.ParsePublicKey(&[bls.PublicKeySize]byte{0: 0x80, 47: byte(x)})
			if !errors.Is(err, bls.ErrPublicKey) {
				t.Errorf("key with x = %d: %v", x, err)
			}
		}
		if onTwist(x) {
			signatures++
			signature := &[bls.SignatureSize]byte{0: 0x80, 95: byte(x)}
			err := bls.FastAggregateVerify([]bls.PublicKey{key}, message, signature)
			if !errors.Is(err, bls.ErrSignature) {
				t.Errorf("signature with x = %d: %v", x, err)
			}
		}
	}
	if keys < 5 || signatures < 5 {
		t.Errorf("tried %d keys and %d signatures, want several of each", keys, signatures)
	}
}

func TestMalformedPublicKeysAreRefused(t *testing.T) {
	valid := newSigner(t, 1).public
	above := prime.FillBytes(make([]byte, bls.PublicKeySize)) // x is not below the prime
	above[0] |= 0x80
	for name, key := range map[string][bls.PublicKeySize]byte{
		"zero":                      {},
		"infinity":                  {0: 0xc0},
		"infinity with a sign":      {0: 0xe0},
		"infinity with a bit":       {0: 0xc0, 47: 1},
		"infinity not compressed":   {0: 0x40},
		"x that is the prime":       [bls.PublicKeySize]byte(above),
		"valid without its flag":    changed(valid, 0, 0x80),
		"valid with another last x": changed(valid, 47, 0xff),
	} {
		if _, err := bls.ParsePublicKey(&key); !errors.Is(err, bls.ErrPublicKey) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func changed(b [bls.PublicKeySize]byte, i int, bits byte) [bls.PublicKeySize]byte {
	b[i] ^= bits
	return b
}

func TestFastAggregateVerify(t *testing.T) {
	a, b, c := newSigner(t, 1), newSigner(t, 2), newSigner(t, 3)
	message, other := sha256.Sum256([]byte("a")), sha256.Sum256([]byte("b"))
	both, infinity := sum(t, a.sign(message), b.sign(message)), &[bls.SignatureSize]byte{0: 0xc0}
	for name, test := range map[string]struct {
		keys      []bls.PublicKey
		message   [32]byte
		signature *[bls.SignatureSize]byte
		want      error
	}{
		"two keys":                        {[]bls.PublicKey{a.key, b.key}, message, both, nil},
		"one key":                         {[]bls.PublicKey{a.key}, message, a.sign(message), nil},
		"a key missing":                   {[]bls.PublicKey{a.key}, message, both, bls.ErrSignature},
		"a key too many":                  {[]bls.PublicKey{a.key, b.key, c.key}, message, both, bls.ErrSignature},
		"another message":                 {[]bls.PublicKey{a.key, b.key}, other, both, bls.ErrSignature},
		"no keys":                         {nil, message, both, bls.ErrSignature},
		"no keys and infinity":            {nil, message, infinity, bls.ErrSignature},
		"infinity":                        {[]bls.PublicKey{a.key}, message, infinity, bls.ErrSignature},
		"zero":                            {[]bls.PublicKey{a.key}, message, &[bls.SignatureSize]byte{}, bls.ErrSignature},
		"keys that cancel, and infinity":  {cancelling(t), message, infinity, bls.ErrSignature},
		"keys that cancel, and a's":       {cancelling(t), message, a.sign(message), bls.ErrSignature},
		"the negative of the signature's": {[]bls.PublicKey{a.key}, message, negative(a.sign(message)), bls.ErrSignature},
	} {
		if err := bls.FastAggregateVerify(test.keys, test.message, test.signature); !errors.Is(err, test.want) {
			t.Errorf("%s: %v, want %v", name, err, test.want)
		}
	}
}

// cancelling returns two keys whose sum is the point at infinity.
func cancelling(t *testing.T) []bls.PublicKey {
	t.Helper()
	one := newSigner(t, 1)
	opposite := one.public
	opposite[0] ^= 0x20
	key, err := bls.ParsePublicKey(&opposite)
	if err != nil {
		t.Fatal(err)
	}
	return []bls.PublicKey{one.key, key}
}

func negative(signature *[bls.SignatureSize]byte) *[bls.SignatureSize]byte {
	signature[0] ^= 0x20
	return signature
}

// TestVerifyAgreesWithThePublishedVector has a vector of the specs' tests: sign_case_zero of a key and the message of
// zeros.
func TestVerifyAgreesWithThePublishedVector(t *testing.T) {
	public := unhex(t, "a491d1b0ecd9bb917989f0e74f0dea0422eac4a873e5e2644f368dffb9a6e20fd6e10c1b77654d067c0618f6e5a7f79a")
	signature := unhex(t, "b6ed936746e01f8ecf281f020953fbf1f01debd5657c4a383940b020b26507f6076334f91e2366c96e9ab279fb5158"+
		"090352ea1c5b0c9274504f4f0e7053af24802e51e4568d164fe986834f41e55c8e850ce1f98458c0cfc9ab380b55285a55")
	key, err := bls.ParsePublicKey((*[bls.PublicKeySize]byte)(public))
	if err != nil {
		t.Fatal(err)
	}
	err = bls.FastAggregateVerify([]bls.PublicKey{key}, [32]byte{}, (*[bls.SignatureSize]byte)(signature))
	if err != nil {
		t.Error(err)
	}
}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestVerifyBatch(t *testing.T) {
	batch := newBatch(t, 9)
	if err := bls.VerifyBatch(batch); err != nil {
		t.Errorf("valid batch: %v", err)
	}
	if err := bls.VerifyBatch(nil); err != nil {
		t.Errorf("empty batch: %v", err)
	}
	for name, change := range map[string]func([]bls.Signed){
		"another message":  func(b []bls.Signed) { b[4].Message[0]++ },
		"another key":      func(b []bls.Signed) { b[4].Key = b[5].Key },
		"infinity":         func(b []bls.Signed) { b[0].Signature = &[bls.SignatureSize]byte{0: 0xc0} },
		"not a point":      func(b []bls.Signed) { b[8].Signature = &[bls.SignatureSize]byte{} },
		"two interchanged": func(b []bls.Signed) { b[2].Signature, b[3].Signature = b[3].Signature, b[2].Signature },
		"errors that cancel": func(b []bls.Signed) {
			// The sum of both signatures stays what it was.
			b[2].Signature = sum(t, b[2].Signature, b[4].Signature)
			b[3].Signature = difference(t, b[3].Signature, b[4].Signature)
		},
	} {
		wrong := newBatch(t, 9)
		change(wrong)
		if err := bls.VerifyBatch(wrong); !errors.Is(err, bls.ErrSignature) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func difference(t *testing.T, a, b *[bls.SignatureSize]byte) *[bls.SignatureSize]byte {
	t.Helper()
	c := *b
	return sum(t, a, negative(&c))
}

func newBatch(t testing.TB, n int) (batch []bls.Signed) {
	t.Helper()
	for i := range n {
		s, message := newSigner(t, byte(i+1)), sha256.Sum256([]byte{byte(i)})
		batch = append(batch, bls.Signed{Key: s.key, Message: message, Signature: s.sign(message)})
	}
	return batch
}

func BenchmarkParsePublicKey(b *testing.B) {
	key := newSigner(b, 1).public
	for b.Loop() {
		if _, err := bls.ParsePublicKey(&key); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkFastAggregateVerify512(b *testing.B) {
	message := sha256.Sum256(nil)
	var keys []bls.PublicKey
	var signatures []*[bls.SignatureSize]byte
	for i := range 512 {
		s := newSigner(b, byte(i%200+1))
		keys, signatures = append(keys, s.key), append(signatures, s.sign(message))
	}
	signature := sum(b, signatures...)
	for b.Loop() {
		if err := bls.FastAggregateVerify(keys, message, signature); err != nil {
			b.Fatal(err)
		}
	}
}
