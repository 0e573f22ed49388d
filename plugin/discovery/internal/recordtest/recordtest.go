// Package recordtest makes node records for tests.
package recordtest

import (
	"crypto/ecdsa"
	"testing"

	gcrypto "github.com/ethereum/go-ethereum/crypto"

	"github.com/ethereum/go-ethereum/p2p/enode"
	"github.com/ethereum/go-ethereum/p2p/enr"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"
)

// NewKey makes a key.
func NewKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := gcrypto.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// PeerID is the libp2p identity of a key.
func PeerID(t testing.TB, key *ecdsa.PrivateKey) peer.ID {
	t.Helper()
	private, err := crypto.UnmarshalSecp256k1PrivateKey(gcrypto.FromECDSA(key))
	if err != nil {
		t.Fatal(err)
	}
	id, err := peer.IDFromPrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// Node returns a node whose record has the entries given.
func Node(t testing.TB, key *ecdsa.PrivateKey, entries ...enr.Entry) *enode.Node {
	t.Helper()
	var r enr.Record
	for _, e := range entries {
		r.Set(e)
	}
	if err := enode.SignV4(&r, key); err != nil {
		t.Fatal(err)
	}
	n, err := enode.New(enode.ValidSchemes, &r)
	if err != nil {
		t.Fatal(err)
	}
	return n
}
