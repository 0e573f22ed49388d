package plugin

import (
	"crypto/ecdsa"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"time"
	"weak"

	"github.com/ethereum/go-ethereum/ethdb"
	"github.com/ethereum/go-ethereum/node"
	"github.com/gofrs/flock"

	"github.com/seed-2dd5877b/reqresp/plugin/api"
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

// register registers a service with a node. Two of one name would share their files and hide each
// other's RPC API, two on the node's key would be one peer, which the node does not notice.
func register(stack *node.Node, s *Service) (err error) {
	if err := claim(stack, s.cfg.Name, s.cfg.ShareNodeKey); err != nil {
		return err
	}
	defer func() {
		// A node that was started takes no more services, and panics.
		if p := recover(); p != nil {
			err = fmt.Errorf("plugin: New must be called before the node is started: %v", p)
		}
	}()
	stack.RegisterAPIs(s.APIs())
	stack.RegisterLifecycle(s)
	return nil
}

// claims are what the services on each node have taken.
var claims struct {
	sync.Mutex
	byNode map[weak.Pointer[node.Node]]*claimed
}

type claimed struct {
	names []string
	key   bool
}

// claim takes a name, and those of the RPC namespaces that come of it, and the node's key if that is to be shared,
// for as long as the node lives. It fails if one of them is taken.
func claim(stack *node.Node, name string, nodeKey bool) error {
	claims.Lock()
	defer claims.Unlock()
	at := weak.Make(stack)
	c := claims.byNode[at]
	if c == nil {
		c = new(claimed)
	}
	taken := func(n string) bool { return n == name || n+api.AdminSuffix == name || n == name+api.AdminSuffix }
	switch {
	case slices.ContainsFunc(c.names, taken):
		return fmt.Errorf("plugin: the node has a service named %q, or one whose RPC would have the same name, "+
			"already: give this one another Config.Name", name)
	case c.key && nodeKey:
		return errors.New("plugin: another service of the node shares its key already: leave Config.ShareNodeKey " +
			"unset, or both would be the same peer")
	}
	c.names, c.key = append(c.names, name), c.key || nodeKey
	if claims.byNode == nil {
		claims.byNode = make(map[weak.Pointer[node.Node]]*claimed)
	}
	if claims.byNode[at] == nil {
		claims.byNode[at] = c
		runtime.AddCleanup(stack, unclaim, at)
	}
	return nil
}

func unclaim(at weak.Pointer[node.Node]) {
	claims.Lock()
	defer claims.Unlock()
	delete(claims.byNode, at)
}

// every calls a function at an interval, until what it returns is called, which waits for the last call.
func every(interval time.Duration, do func()) (stop func() error) {
	end := make(chan struct{})
	var done sync.WaitGroup
	done.Go(func() {
		tick := time.NewTicker(interval)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				do()
			case <-end:
				return
			}
		}
	})
	return func() error {
		close(end)
		done.Wait()
		return nil
	}
}
