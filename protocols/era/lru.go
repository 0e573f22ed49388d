package era

import "container/list"

// An lru is a map that knows in which order its values have been used. The zero lru is empty.
type lru[K comparable, V any] struct {
	values map[K]*list.Element
	order  list.List // of lruItems, the one used last in front
}

type lruItem[K comparable, V any] struct {
	key   K
	value V
}

func (l *lru[K, V]) len() int { return len(l.values) }

// get returns the value of a key, which is now the one used last.
func (l *lru[K, V]) get(key K) (value V, ok bool) {
	e, ok := l.values[key]
	if !ok {
		return value, false
	}
	l.order.MoveToFront(e)
	return e.Value.(lruItem[K, V]).value, true
}

// put sets the value of a key, which is now the one used last.
func (l *lru[K, V]) put(key K, value V) {
	l.remove(key)
	if l.values == nil {
		l.values = make(map[K]*list.Element)
	}
	l.values[key] = l.order.PushFront(lruItem[K, V]{key, value})
}

func (l *lru[K, V]) remove(key K) {
	if e, ok := l.values[key]; ok {
		l.order.Remove(e)
		delete(l.values, key)
	}
}

// takeOldest removes and returns, among the values that may go, the one that has not been used for longest.
func (l *lru[K, V]) takeOldest(may func(V) bool) (value V, ok bool) {
	for e := l.order.Back(); e != nil; e = e.Prev() {
		if item := e.Value.(lruItem[K, V]); may(item.value) {
			l.remove(item.key)
			return item.value, true
		}
	}
	return value, false
}
