package era

import (
	"context"
	"os"
	"sync"
)

// handles are the open files of a directory: a bounded number of those used last.
type handles struct {
	busy chan struct{} // has one element for each read in progress; its capacity is the most open files

	mu     sync.Mutex
	open   lru[string, *handle]
	closed bool
}

// A handle is a file that is open, or about to be opened by whoever uses it first.
type handle struct {
	path  string
	users int // is guarded by handles.mu

	once    sync.Once
	evicted *handle // is closed before the file is opened
	file    *os.File
	err     error
}

func newHandles(most int) *handles {
	return &handles{busy: make(chan struct{}, most)}
}

// acquire returns an open file, which cannot be closed before release. It blocks while as many reads are in progress as
// files may be open.
func (p *handles) acquire(ctx context.Context, path string) (*handle, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	select {
	case p.busy <- struct{}{}:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	h := p.use(path)
	if h == nil {
		<-p.busy
		return nil, os.ErrClosed
	}
	h.once.Do(func() {
		if h.evicted != nil {
			h.evicted.close()
			h.evicted = nil
		}
		h.file, h.err = os.Open(path)
	})
	if h.err != nil {
		defer p.release(h)
		return nil, h.err
	}
	return h, nil
}

// use returns the handle of a path, and counts its user. It returns nil if the handles are closed. Where as many files
// are open as may be, one of them is idle: each read in progress uses one, and this one none yet.
func (p *handles) use(path string) *handle {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil
	}
	h, ok := p.open.get(path)
	if !ok {
		h = &handle{path: path}
		if p.open.len() == cap(p.busy) {
			h.evicted, _ = p.open.takeOldest(func(h *handle) bool { return h.users == 0 })
		}
		p.open.put(path, h)
	}
	h.users++
	return h
}

// release ends the use of a handle. One whose file cannot be opened is forgotten, so that the next use tries again.
func (p *handles) release(h *handle) {
	p.mu.Lock()
	h.users--
	if current, _ := p.open.get(h.path); h.err != nil && current == h {
		p.open.remove(h.path)
	}
	p.mu.Unlock()
	<-p.busy
}

// close waits for the reads in progress and closes all files. Later reads fail.
func (p *handles) close() {
	p.mu.Lock()
	again := p.closed
	p.closed = true
	p.mu.Unlock()
	if again {
		return
	}
	for range cap(p.busy) {
		p.busy <- struct{}{}
	}
	for p.open.len() > 0 {
		h, _ := p.open.takeOldest(func(*handle) bool { return true })
		h.close()
	}
	for range cap(p.busy) {
		<-p.busy
	}
}

func (h *handle) close() {
	if h.file != nil {
		_ = h.file.Close() // it has been read only
	}
}

// A pooledFile is the source of a file that is open while it is read, and some time after.
type pooledFile struct {
	handles *handles
	path    string
	size    int64
}

func (f pooledFile) Size() int64 { return f.size }

func (f pooledFile) ReadAt(ctx context.Context, p []byte, off int64) (int, error) {
	h, err := f.handles.acquire(ctx, f.path)
	if err != nil {
		return 0, err
	}
	defer f.handles.release(h)
	return h.file.ReadAt(p, off)
}
