package plugin

import (
	"fmt"
	"runtime"
	"slices"
	"sync"
	"weak"

	"github.com/ethereum/go-ethereum/node"

	"github.com/seed-2dd5877b/reqresp/plugin/api"
)

// register registers a service with a node. Two of one name would share their files and hide each
// other's RPC API, which the node does not notice.
func register(stack *node.Node, s *Service) (err error) {
	if !claim(stack, s.cfg.Name) {
		return fmt.Errorf("plugin: the node has a service named %q, or one whose RPC would have the same name, already: give this one another Config.Name", s.cfg.Name)
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

// claims are the names of the services on each node.
var claims struct {
	sync.Mutex
	names map[weak.Pointer[node.Node]][]string
}

// claim reports whether a name, as those of the RPC namespaces that come of it, was free on a node, and takes it for as long as the node lives.
func claim(stack *node.Node, name string) bool {
	claims.Lock()
	defer claims.Unlock()
	key := weak.Make(stack)
	names, ok := claims.names[key]
	taken := func(n string) bool { return n == name || n+api.AdminSuffix == name || n == name+api.AdminSuffix }
	if slices.ContainsFunc(names, taken) {
		return false
	}
	if claims.names == nil {
		claims.names = make(map[weak.Pointer[node.Node]][]string)
	}
	claims.names[key] = append(names, name)
	if !ok {
		runtime.AddCleanup(stack, unclaim, key)
	}
	return true
}

func unclaim(key weak.Pointer[node.Node]) {
	claims.Lock()
	defer claims.Unlock()
	delete(claims.names, key)
}
