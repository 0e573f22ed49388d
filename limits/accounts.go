package limits

import "iter"

const (
	// slabSize is how many accounts are allocated at a time.
	slabSize = 32
	// firstSlots is the size of a table that is not empty.
	firstSlots = 64
)

// accounts is a shard's table of accounts. It is a hash table with open addressing: a
// slot has half of a hash, and in which slab the account is. Those of 100,000 peers
// fit into the cache, so that finding a peer that was not seen for long takes one read
// of the main memory: of the account. The zero table is empty.
//
// What is removed is used again, but not given back: a table is as large as it ever
// was, which the bound on peers bounds.
type accounts struct {
	slots []uint64 // a tag and a place plus one; zero if empty. A power of two of them
	n     int      // of slots that are not empty
	slabs []*[slabSize]account
	free  []uint32 // places without an account
}

// tagOf returns the part of a hash that slots have, and begin to be searched from. The
// shard was chosen by another.
func tagOf(hash uint64) uint32 { return uint32(hash >> 32) }

func slotOf(tag, place uint32) uint64 { return uint64(tag)<<32 | uint64(place+1) }

func split(slot uint64) (tag, place uint32) { return uint32(slot >> 32), uint32(slot) - 1 }

func (t *accounts) at(place uint32) *account { return &t.slabs[place/slabSize][place%slabSize] }

// find returns the account of a peer for a method, nil if there is none.
func (t *accounts) find(k key, m *method) *account {
	if t.n == 0 {
		return nil
	}
	mask := uint32(len(t.slots) - 1)
	want := tagOf(k.hash ^ m.salt)
	for i := want & mask; t.slots[i] != 0; i = (i + 1) & mask {
		if tag, place := split(t.slots[i]); tag == want {
			if a := t.at(place); a.check == k.check && a.method == m {
				return a
			}
		}
	}
	return nil
}

// add returns a new account of a peer that has none for the method.
func (t *accounts) add(k key, m *method) *account {
	if 8*(t.n+1) > 7*len(t.slots) {
		t.grow()
	}
	if len(t.free) == 0 {
		t.allocate()
	}
	last := len(t.free) - 1
	place := t.free[last]
	t.free = t.free[:last]
	t.insert(slotOf(tagOf(k.hash^m.salt), place))
	t.n++
	a := t.at(place)
	a.check, a.method, a.place = k.check, m, place
	return a
}

// remove removes an account of a peer, which is nobody's then.
func (t *accounts) remove(k key, a *account) {
	mask := uint32(len(t.slots) - 1)
	tag := tagOf(k.hash ^ a.method.salt)
	gone := slotOf(tag, a.place)
	i := tag & mask
	for t.slots[i] != gone {
		i = (i + 1) & mask
	}
	// Whatever was pushed on by what is in its way moves up.
	for j := (i + 1) & mask; t.slots[j] != 0; j = (j + 1) & mask {
		if home, _ := split(t.slots[j]); (j-home)&mask >= (j-i)&mask {
			t.slots[i] = t.slots[j]
			i = j
		}
	}
	t.slots[i] = 0
	t.n--
	t.free = append(t.free, a.place)
	*a = account{}
}

// all yields every account. None is added or removed meanwhile.
func (t *accounts) all() iter.Seq[*account] {
	return func(yield func(*account) bool) {
		for _, slot := range t.slots {
			if slot == 0 {
				continue
			}
			if _, place := split(slot); !yield(t.at(place)) {
				return
			}
		}
	}
}

func (t *accounts) insert(slot uint64) {
	mask := uint32(len(t.slots) - 1)
	tag, _ := split(slot)
	i := tag & mask
	for t.slots[i] != 0 {
		i = (i + 1) & mask
	}
	t.slots[i] = slot
}

func (t *accounts) grow() {
	old := t.slots
	t.slots = make([]uint64, max(2*len(old), firstSlots))
	for _, slot := range old {
		if slot != 0 {
			t.insert(slot)
		}
	}
}

func (t *accounts) allocate() {
	first := uint32(len(t.slabs)) * slabSize
	t.slabs = append(t.slabs, new([slabSize]account))
	for i := range uint32(slabSize) {
		t.free = append(t.free, first+slabSize-1-i)
	}
}
