package reqresp

import (
	"fmt"
	"iter"
	"slices"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/protocol"
)

// Register adds methods. On a server that runs they are served and announced to peers from now
// on. It panics if a method lacks its spec or handler or a protocol ID is
// already registered, as only a programming mistake can cause any of these.
func (s *Server) Register(methods ...Method) {
	s.lifecycle.Lock()
	defer s.lifecycle.Unlock()
	all := slices.Clone(s.methods)
	for _, m := range methods {
		if m.Spec == nil || m.Handler == nil {
			panic("reqresp: Register of a method without spec or handler")
		}
		for _, id := range m.Spec.Protocols {
			if serves(all, id) {
				panic(fmt.Sprintf("reqresp: protocol %s is registered twice", id))
			}
		}
		all = append(all, m)
	}
	if s.setMethods(all) {
		for _, m := range methods {
			s.announce(m)
		}
	}
}

func serves(methods []Method, id protocol.ID) bool {
	return slices.ContainsFunc(methods, func(m Method) bool { return slices.Contains(m.Spec.Protocols, id) })
}

// setMethods replaces the methods and reports whether the server runs. The lifecycle is
// locked.
func (s *Server) setMethods(methods []Method) (running bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.methods = methods
	return s.state == stateRunning
}

// Unregister removes the methods of protocols, which peers learn of. Exchanges under way go on.
// Protocols that are not registered are ignored.
func (s *Server) Unregister(specs ...*Spec) {
	s.lifecycle.Lock()
	defer s.lifecycle.Unlock()
	var kept, removed []Method
	for _, m := range s.methods {
		if slices.Contains(specs, m.Spec) {
			removed = append(removed, m)
		} else {
			kept = append(kept, m)
		}
	}
	if s.setMethods(kept) {
		for _, m := range removed {
			s.withdraw(m)
		}
	}
}

// announce has the host take streams of a method.
func (s *Server) announce(m Method) {
	handler := wrap(m.Handler, s.opts.Middleware)
	for _, id := range m.Spec.Protocols {
		s.host.SetStreamHandler(id, func(stream network.Stream) { s.serve(m.Spec, handler, stream) })
	}
}

// withdraw undoes announce.
func (s *Server) withdraw(m Method) {
	for _, id := range m.Spec.Protocols {
		s.host.RemoveStreamHandler(id)
	}
}

// Specs yields the protocols that are registered.
func (s *Server) Specs() iter.Seq[*Spec] {
	return func(yield func(*Spec) bool) {
		s.mu.Lock()
		methods := slices.Clone(s.methods)
		s.mu.Unlock()
		for _, m := range methods {
			if !yield(m.Spec) {
				return
			}
		}
	}
}
