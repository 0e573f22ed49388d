package beacon

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"math"

	"github.com/libp2p/go-libp2p/core/network"

	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
	"github.com/seed-2dd5877b/reqresp/snappy"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// A ref names an object that a chain holds, without its data.
type ref interface {
	layout() layout
}

// A layout is what has to be known of an object before it is fetched.
type layout struct {
	slot       ssz.Slot // decides the fork digest
	size       int      // of the SSZ, exactly
	framesSize int      // about
}

// maxChunkHeader is the most that precedes a chunk's frames: result, context
// bytes and length.
const maxChunkHeader = 1 + 4 + 4

// send serves objects as they rest in the store: nothing is decoded, and nothing is fetched before
// there is capacity for it. Frames appends those of one.
func send[R ref](
	ctx context.Context, s *Server, p *Protocol, in *reqresp.Inbound, refs iter.Seq2[R, error],
	frames func(ctx context.Context, r R, dst []byte) ([]byte, error),
) error {
	// There is one of these for each exchange, so that a chunk costs no allocation.
	var next R
	fill := func(dst []byte) ([]byte, error) {
		l := next.layout()
		dst = append(dst, resultSuccess)
		if p.Context {
			digest := p.network.DigestAt(p.network.EpochOf(l.slot))
			dst = append(dst, digest[:]...)
		}
		dst = snappy.AppendHeader(dst, l.size)
		chunk, err := frames(ctx, next, dst)
		if err != nil {
			return nil, err
		}
		if err := checkFrames(chunk, dst, l); err != nil {
			return nil, err
		}
		s.family.hooks.tell(in.Protocol(), network.DirInbound, true, l.size)
		return chunk, nil
	}
	for r, err := range refs {
		if err != nil {
			return p.ended(in, err)
		}
		cost := reqresp.Cost{Items: 1, Bytes: uint64(r.layout().framesSize) + maxChunkHeader}
		if err := in.Reserve(ctx, cost); err != nil {
			return err
		}
		next = r
		err := in.SendAppend(ctx, fill)
		if p.gone == leftOut && errors.Is(err, ErrDiscarded) {
			continue
		}
		if err != nil {
			return p.ended(in, err)
		}
	}
	return nil
}

// checkFrames finds a chain's mistakes before a peer does, which would take them for a breach of the
// protocol. The chunk is the header with the frames behind it. None of them is decoded.
func checkFrames(chunk, header []byte, l layout) error {
	if !bytes.HasPrefix(chunk, header) {
		return fmt.Errorf("beacon: chain has not appended the frames of an object of slot %d to dst", l.slot)
	}
	n, err := snappy.CheckFrames(chunk[len(header):])
	if err != nil {
		return fmt.Errorf("beacon: chain's frames of an object of slot %d: %w", l.slot, err)
	}
	if n != l.size {
		return fmt.Errorf("beacon: chain's frames of an object of slot %d hold %d bytes, its Size is %d", l.slot, n, l.size)
	}
	return nil
}

// gone is what becomes of objects that a chain discards while they are being sent. The peer is not told of an
// error of this node, as there is none.
type gone int

const (
	// isUnavailable is for answers by range and of one object: the specs let them end after the first chunk.
	// Nothing in place of it would say that there is nothing.
	isUnavailable gone = iota
	// leftOut is for answers by root, which leave out what is not held.
	leftOut
	// isEnd is for ancestries, which end where no more is held.
	isEnd
)

// ended turns a chain's error into how an answer ends.
func (p *Protocol) ended(in *reqresp.Inbound, err error) error {
	started := in.Sent().Items > 0
	switch {
	case errors.Is(err, ErrDiscarded) && (started || p.gone != isUnavailable):
		return nil
	case errors.Is(err, ErrUnavailable) && started && p.gone == isEnd:
		return nil // The chain has been pruned since.
	}
	return unavailable(err)
}

// unavailable turns a chain's error into what the peer is told if nothing has been sent.
func unavailable(err error) error {
	if errors.Is(err, ErrUnavailable) || errors.Is(err, ErrDiscarded) {
		return reqresp.Errorf(reqresp.CodeResourceUnavailable, "what was asked for is not available").WithCause(err)
	}
	return err
}

// maxItems returns the most chunks that answer a request now.
func (s *Server) maxItems(p *Protocol) uint64 {
	return p.MaxItems(s.family.network.ForkAt(s.CurrentEpoch()))
}

// checkRange refuses ranges that make no sense.
func checkRange[T ~uint64](what string, start T, count uint64) error {
	switch {
	case count == 0:
		return reqresp.Errorf(reqresp.CodeInvalidRequest, "count must not be 0")
	case uint64(start) > math.MaxUint64-(count-1):
		return reqresp.Errorf(reqresp.CodeInvalidRequest, "%s %d plus count %d overflows", what, start, count)
	}
	return nil
}

// slotsAsked refuses ranges of slots that make no sense, and cuts others to the slots whose objects the
// protocol carries. No slots may be left.
func slotsAsked(p *Protocol, start ssz.Slot, count uint64) (ssz.Slot, uint64, error) {
	if err := checkRange("start_slot", start, count); err != nil {
		return 0, 0, err
	}
	start, count = p.within(start, count)
	return start, count, nil
}

// checkAsked refuses requests for more than is allowed.
func checkAsked(what string, n, most uint64) error {
	if n > most {
		return reqresp.Errorf(reqresp.CodeInvalidRequest, "%d %s asked for, at most %d are allowed", n, what, most)
	}
	return nil
}

// atMost yields the first n of what refs yields.
func atMost[R any](refs iter.Seq2[R, error], n uint64) iter.Seq2[R, error] {
	return func(yield func(R, error) bool) {
		left := n
		if left == 0 {
			return
		}
		for r, err := range refs {
			if !yield(r, err) {
				return
			}
			// Nothing is looked for beyond the last.
			if left--; left == 0 {
				return
			}
		}
	}
}
