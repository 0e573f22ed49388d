package plugin

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"weak"

	"github.com/ethereum/go-ethereum/node"

	"github.com/seed-2dd5877b/reqresp/plugin/api"
)

// register registers a service with a node. Two of one name would share their files and hide each
// other's RPC API, two on the node's key would be one peer, which the node does not notice.
func register(stack *node.Node, s *Service) (err error) {
	if err := claim(stack, s.cfg.Name, s.cfg.ShareNodeKey); err != nil {
		return err
	}
	defer func() {
		// A node that was started takes no more services, and panics.
		if p := recover(); p != nil {
			err = fmt.Errorf("plugin: New comes too late: %v", p)
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
		return fmt.Errorf("plugin: the node has a service named %q, or one whose RPC would have the same name, already: give this one another Config.Name", name)
	case c.key && nodeKey:
		return errors.New("plugin: another service of the node shares its key already: leave Config.ShareNodeKey unset, or both would be the same peer")
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
