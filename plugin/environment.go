package plugin

import (
	"crypto/ecdsa"
	"fmt"
	"os"
	"path/filepath"

	"github.com/ethereum/go-ethereum/ethdb"
	"github.com/ethereum/go-ethereum/node"
	"github.com/gofrs/flock"
)

// An environment is what a service needs of whatever it runs in.
type environment interface {
	// path returns where a file of the service is kept, or nothing if none is.
	path(name string) string
	// openDatabase opens a database of that name, which is in memory where no files are kept.
	openDatabase(name string) (ethdb.Database, error)
	// nodeKey returns the key of the node.
	nodeKey() *ecdsa.PrivateKey
	// lock keeps other services of that name away from the files, until what it returns is
	// called.
	lock(name string) (release func() error, err error)
}

// onNode is the environment of a service on a go-ethereum node.
type onNode struct{ stack *node.Node }

func (n onNode) path(name string) string {
	if n.stack.DataDir() == "" {
		return ""
	}
	return n.stack.ResolvePath(name)
}

// openDatabase does without the node's own databases, which come with a freezer that nothing here uses: damage to
// its files would keep the node from starting.
func (n onNode) openDatabase(name string) (ethdb.Database, error) {
	if _, err := n.stack.RPCHandler(); err != nil {
		return nil, err // The node is closed.
	}
	return openDatabase(n.path(name), n.stack.Config().DBEngine)
}

func (n onNode) nodeKey() *ecdsa.PrivateKey { return n.stack.Config().NodeKey() }

// lock has nothing to do: the node has locked its directory, and New has claimed the name.
func (n onNode) lock(string) (func() error, error) { return func() error { return nil }, nil }

// inDirectory is the environment of a service without a node: a directory, or nothing.
type inDirectory string

func (d inDirectory) path(name string) string {
	if d == "" {
		return ""
	}
	return filepath.Join(string(d), name)
}

func (d inDirectory) openDatabase(name string) (ethdb.Database, error) {
	return openDatabase(d.path(name), "")
}

// nodeKey is not asked for: Config.ShareNodeKey is refused without a node.
func (inDirectory) nodeKey() *ecdsa.PrivateKey { return nil }

func (d inDirectory) lock(name string) (func() error, error) {
	if d == "" {
		return func() error { return nil }, nil
	}
	if err := os.MkdirAll(string(d), 0o700); err != nil {
		return nil, fmt.Errorf("plugin: data directory: %w", err)
	}
	l := flock.New(d.path(name + ".lock"))
	switch locked, err := l.TryLock(); {
	case err != nil:
		return nil, fmt.Errorf("plugin: locking the data directory: %w", err)
	case !locked:
		return nil, fmt.Errorf("plugin: %s is in use by another service named %q", string(d), name)
	}
	return l.Unlock, nil
}
