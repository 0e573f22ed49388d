package beacon

import (
	"context"
	"errors"
	"io"
	"iter"
	"math"
	"sync"
	"sync/atomic"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// A boundedRequest is a request and the most chunks that may answer it.
type boundedRequest struct {
	request any
	most    int
}

// MaxChunks implements reqresp.BoundedRequest.
func (r *boundedRequest) MaxChunks() int { return r.most }

// bounded returns a request with its bound by a protocol's table row.
func bounded(spec *reqresp.Spec, request any) *boundedRequest {
	return &boundedRequest{request, chunks(spec, request)}
}

func chunks(spec *reqresp.Spec, request any) int {
	p := spec.Codec().(*codec).protocol
	return int(min(p.Asked(request), math.MaxInt32))
}

// items returns what a request asks for as deployed servers count: chunks, and for ranges of
// sidecars the slots and the request as well.
func items(spec *reqresp.Spec, request any) int {
	n := uint64(chunks(spec, request))
	switch r := request.(type) {
	case *ssz.BlobSidecarsByRangeRequest:
		n += 1 + min(r.Count, math.MaxInt32)
	case *ssz.DataColumnSidecarsByRangeRequest:
		n += 1 + min(r.Count, math.MaxInt32)
	}
	return int(min(n, math.MaxInt32))
}

var errUsed = errors.New("beacon: sequence was used before, make the call again")

// errSeen is what a check says of an object that was yielded before, and that an answer asked for
// again has brought once more.
var errSeen = errors.New("beacon: object was received before")

// A changedError is what a check says of the first object of an answer that is not of the chain of the answers
// before it. The peer's chain may have been reorganized since, so that no rule is broken.
type changedError struct{ error }

func (e *changedError) Unwrap() error { return e.error }

// objectOf is a pointer to a type of object.
type objectOf[T any] interface {
	*T
	object
}

// stream asks a peer by the first of some protocols that it supports, and yields the objects that
// answer the requests of a plan, each checked.
func stream[T any, P objectOf[T]](
	ctx context.Context, c *Client, to peer.ID, plan plan, check func(*T) error, specs ...*reqresp.Spec,
) iter.Seq2[*T, error] {
	var used atomic.Bool
	return func(yield func(*T, error) bool) {
		if used.Swap(true) {
			// What was checked is remembered: the peer would be blamed for answering the same.
			id := specs[0].Protocols()[0]
			yield(nil, &reqresp.Failure{Peer: to, Protocol: id, Phase: reqresp.PhaseQueue, Err: errUsed})
			return
		}
		s := &streamCall[T, P]{
			client: c, to: to, plan: plan, check: check, specs: specs, yield: yield, most: math.MaxInt,
		}
		if err := s.run(ctx); err != nil {
			yield(nil, err)
		}
	}
}

// A streamCall is a call for objects, which makes one request after the other.
type streamCall[T any, P objectOf[T]] struct {
	client *Client
	to     peer.ID
	plan   plan
	check  func(*T) error
	specs  []*reqresp.Spec
	yield  func(*T, error) bool
	most   int // chunks to ask for

	// Of the request in flight:
	asked int // chunks
	got   int // objects yielded

	over bool // nothing is left to ask for, or yield has had enough
}

// run makes the requests of the plan. It fails if an exchange does, but not if yield has had enough.
func (s *streamCall[T, P]) run(ctx context.Context) error {
	late := len(s.specs) > 1
	for {
		err := s.exchange(ctx)
		switch {
		case late && isRefusedLate(err):
			late = false
			continue
		case s.over:
			return nil
		case errors.Is(err, reqresp.ErrBufferFull) && s.got > 0:
			// The chunks are larger than those before, or something else takes the memory.
			s.most = max(1, s.asked/2)
		case err != nil && s.got == 0 && isEnd(s.plan, err):
			return nil
		case err != nil:
			return err
		}
		s.plan.done(err != nil)
	}
}

// isEnd reports whether err, in place of an answer, says that there is nothing behind what came before. A peer
// that was asked for all at once would have ended its answer there.
func isEnd(plan plan, err error) bool {
	head, ok := plan.(*headCheck)
	e, answered := errors.AsType[*reqresp.Error](err)
	return ok && head.last != nil && answered && e.Code == reqresp.CodeResourceUnavailable
}

// exchange makes the next request, and yields the objects that answer it.
func (s *streamCall[T, P]) exchange(ctx context.Context) error {
	s.asked, s.got = 0, 0
	request := s.next(s.client.engine.MaxUnread(s.to))
	if s.over {
		return nil
	}
	opts := reqresp.CallOptions{Items: items(s.specs[0], request)}
	out, err := s.client.engine.With(opts).Open(ctx, s.to, s.specs...)
	if err != nil {
		return err
	}
	defer out.Close()
	unread := out.MaxUnread()
	if unread > 0 {
		request = s.next(unread) // The peer may not have been connected before.
	}
	s.asked = chunks(out.Spec(), request)
	if err := out.Send(bounded(out.Spec(), request)); err != nil {
		return err
	}
	for {
		object, err := receive[T, P](out, s.check)
		switch {
		case err == io.EOF:
			return nil
		case errors.Is(err, errSeen):
			continue
		case err != nil:
			return err
		}
		if unread > 0 {
			s.client.sizes.note(s.to, s.specs[0], max(len(P(object).chunk().Frames), 1))
		}
		s.got++
		if !s.yield(object, nil) {
			s.over = true
			return nil
		}
	}
}

// next returns the next request, for as much as may be held unread.
func (s *streamCall[T, P]) next(unread int) any {
	fitting := s.client.sizes.fitting(unread, s.to, s.specs[0])
	request := s.plan.next(min(s.most, fitting))
	s.over = request == nil
	return request
}

// callUnary asks a peer by a protocol that is answered with one object.
func callUnary[T any, P objectOf[T]](
	ctx context.Context, c *Client, to peer.ID, request any, check func(*T) error, spec *reqresp.Spec,
) (*T, error) {
	out, err := c.engine.Open(ctx, to, spec)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	if err := out.Send(request); err != nil {
		return nil, err
	}
	object, err := receive[T, P](out, check)
	if err != nil {
		return nil, err
	}
	if err := out.Receive(nil); err != io.EOF {
		return nil, err
	}
	return object, nil
}

// receive reads and checks the next object.
func receive[T any, P objectOf[T]](out *reqresp.Outbound, check func(*T) error) (*T, error) {
	object := new(T)
	if err := out.Receive(object); err != nil {
		return nil, err
	}
	err := check(object)
	changed, ok := errors.AsType[*changedError](err)
	switch {
	case errors.Is(err, errSeen):
		return nil, err
	case ok:
		return nil, &reqresp.Failure{
			Peer: out.Conn().RemotePeer(), Protocol: out.Protocol(), Phase: reqresp.PhaseResponse, Err: changed.error,
		}
	case err != nil:
		return nil, out.Reject(err)
	}
	return object, nil
}

const (
	// assumedSize is how many bytes a chunk is taken to have as long as none has come, unless its type has
	// fewer. Blocks of mainnet have about half of it.
	assumedSize = 128 << 10
	// sizeWeight is the weight of one chunk in the mean.
	sizeWeight = 1.0 / 8
	// maxSizes bounds how many means are kept.
	maxSizes = 1024
	// shareOfUnread is the part of what may be held unread that an answer is expected to take: chunks
	// differ in size, and two calls at a time share what is held for a peer.
	shareOfUnread = 4
)

type sizeKey struct {
	peer   peer.ID
	method string
}

// chunkSizes has the running mean of the chunks that a peer has sent by a method, in bytes on the wire. The
// zero value is ready.
type chunkSizes struct {
	mu    sync.Mutex
	means map[sizeKey]float64
}

// note adds a chunk.
func (c *chunkSizes) note(from peer.ID, spec *reqresp.Spec, size int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	key := sizeKey{from, spec.Name()}
	mean, ok := c.means[key]
	switch {
	case ok:
		c.means[key] = mean + sizeWeight*(float64(size)-mean)
		return
	case c.means == nil:
		c.means = make(map[sizeKey]float64)
	case len(c.means) >= maxSizes:
		for any := range c.means {
			delete(c.means, any)
			break
		}
	}
	c.means[key] = float64(size)
}

// fitting returns how many chunks to ask for where so many bytes are held unread, or all if that is 0.
func (c *chunkSizes) fitting(unread int, from peer.ID, spec *reqresp.Spec) int {
	if unread == 0 {
		return math.MaxInt
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	mean, ok := c.means[sizeKey{from, spec.Name()}]
	if !ok {
		mean = float64(min(assumedSize, spec.Limits().MaxResponse))
	}
	return int(max(1, float64(unread/shareOfUnread)/max(1, mean)))
}
