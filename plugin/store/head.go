package store

import "github.com/seed-2dd5877b/reqresp/ssz"

// Head returns the slot and the root of the last block. It reports false if the store is empty.
func (s *Store) Head() (slot ssz.Slot, root ssz.Root, ok bool) {
	head := s.view.Load().Head
	if head == nil {
		return 0, ssz.Root{}, false
	}
	return head.Slot, head.Root, true
}
