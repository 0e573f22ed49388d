package plugin

import (
	"crypto/ecdsa"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	gcrypto "github.com/ethereum/go-ethereum/crypto"
	"github.com/libp2p/go-libp2p/core/crypto"

	"github.com/seed-2dd5877b/reqresp/internal/atomicfile"
)

// identityFile is where a service keeps its peer identity, as hex, like go-ethereum's own
// nodekey beside it.
func identityFile(name string) string { return name + "-nodekey" }

// identity returns the key of the service's own host. Deployed clients hang up
// on keys that are not secp256k1.
func identity(env environment, cfg *Config) (*ecdsa.PrivateKey, error) {
	if cfg.ShareNodeKey {
		return env.nodeKey(), nil
	}
	path := env.path(identityFile(cfg.Name))
	if path == "" {
		return gcrypto.GenerateKey()
	}
	key, err := gcrypto.LoadECDSA(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return newIdentityKey(path)
	case err != nil:
		// A new key in its place would be another peer: leave the choice to the user.
		return nil, fmt.Errorf("plugin: peer identity %s is not a key: restore it, or remove it for a new identity: %w", path, err)
	}
	return key, nil
}

// peerKey is an identity as libp2p has it.
func peerKey(key *ecdsa.PrivateKey) (crypto.PrivKey, error) {
	return crypto.UnmarshalSecp256k1PrivateKey(gcrypto.FromECDSA(key))
}

func newIdentityKey(path string) (*ecdsa.PrivateKey, error) {
	key, err := gcrypto.GenerateKey()
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("plugin: keeping the peer identity: %w", err)
	}
	if err := atomicfile.Write(path, []byte(hex.EncodeToString(gcrypto.FromECDSA(key)))); err != nil {
		return nil, fmt.Errorf("plugin: keeping the peer identity: %w", err)
	}
	return key, nil
}
