package segment

import (
	"os"
	"path/filepath"
	"sync"

	"github.com/ethereum/go-ethereum/common/lru"
)

// maxHandles is how many files are kept open for reading. More are open only while more are read at a time.
const maxHandles = 64

// handles are the files that are open for reading, those used last.
type handles struct {
	path     string
	openFile func(path string) (*os.File, error) // os.Open, but for tests

	mu      sync.Mutex
	open    lru.BasicLRU[ID, *handle]
	forgets uint64 // How often a file was forgotten.
	closed  bool
}

// A handle is an open file. Its fields are guarded by handles.mu, but for the file, which does not change.
type handle struct {
	file  *os.File
	users int
	gone  bool // It is not among the open ones any more: its last user closes it.
}

func newHandles(path string) *handles {
	return &handles{path: path, openFile: os.Open, open: lru.NewBasicLRU[ID, *handle](maxHandles)}
}

// acquire returns an open file, which stays so until release.
func (p *handles) acquire(id ID) (*handle, error) {
	p.mu.Lock()
	h, ok := p.open.Get(id)
	if ok {
		h.users++
	}
	forgets, closed := p.forgets, p.closed
	p.mu.Unlock()
	if closed {
		return nil, os.ErrClosed
	}
	if ok {
		return h, nil
	}
	f, err := p.openFile(filepath.Join(p.path, id.String()))
	if err != nil {
		return nil, err
	}
	h = &handle{file: f, users: 1}
	p.keep(id, h, forgets)
	return h, nil
}

// keep adds a file that has been opened to those that stay open, unless another reader has, or the file may have been
// removed meanwhile.
func (p *handles) keep(id ID, h *handle, forgets uint64) {
	p.mu.Lock()
	if p.closed || p.forgets != forgets || p.open.Contains(id) {
		h.gone = true
		p.mu.Unlock()
		return
	}
	var idle *handle
	if p.open.Len() == maxHandles {
		_, oldest, _ := p.open.RemoveOldest()
		idle = oldest.leave()
	}
	p.open.Add(id, h)
	p.mu.Unlock()
	idle.close()
}

// leave marks a handle as gone, and returns it if nobody uses it: the caller closes it then.
func (h *handle) leave() *handle {
	h.gone = true
	if h.users > 0 {
		return nil
	}
	return h
}

// close closes the file of a handle, if that is not nil. It has been read only.
func (h *handle) close() {
	if h != nil {
		_ = h.file.Close()
	}
}

func (p *handles) release(h *handle) {
	p.mu.Lock()
	h.users--
	last := h.gone && h.users == 0
	p.mu.Unlock()
	if last {
		h.close()
	}
}

// forget is called once a file has been removed, so that later readers do not see it.
func (p *handles) forget(id ID) {
	p.mu.Lock()
	p.forgets++
	var idle *handle
	if h, ok := p.open.Peek(id); ok {
		p.open.Remove(id)
		idle = h.leave()
	}
	p.mu.Unlock()
	idle.close()
}

func (p *handles) close() error {
	p.mu.Lock()
	p.closed = true
	var idle []*handle
	for p.open.Len() > 0 {
		_, h, _ := p.open.RemoveOldest()
		idle = append(idle, h.leave())
	}
	p.mu.Unlock()
	for _, h := range idle {
		h.close()
	}
	return nil
}
