package conformance

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
	"github.com/seed-2dd5877b/reqresp/snappy"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// A part is what of an answer can be at fault.
type part uint8

const (
	partResult  part = iota // the result bytes and the errors
	partContext             // the context bytes
	partLength              // the lengths
	partMinimal             // how many bytes the lengths take
	partPayload             // the frames and the SSZ in them
	partCount               // how many chunks there are
)

// A sample is an answer to one request, taken apart. One small request is made for each protocol, whose sample then
// shows whether all rules of framing are kept.
type sample struct {
	answer  answer
	asked   uint64
	chunks  int    // successful ones
	message []byte // the SSZ of the last of them
	code    byte
	fault   error // the first, nil if there is none
	at      part
	err     error             // there is no answer
	digests [2]ssz.ForkDigest // in force when it was asked for, and when it had come
}

// sample asks for a sample of the rule's protocol, or returns the one that was asked for before.
func (t *trial) sample(ctx context.Context) (*sample, error) {
	taken, ok := t.samples[t.row.ID()]
	if !ok {
		taken = t.takeSample(ctx)
		t.samples[t.row.ID()] = taken
	}
	return taken, taken.err
}

func (t *trial) takeSample(ctx context.Context) *sample {
	before := t.digest()
	message, items := t.ask(ctx)
	a, err := t.raw(ctx, items, t.encode(message))
	if t.Method == "goodbye" && err == nil && (len(a.wire) == 0 || a.end != nil) {
		err = skipped(fmt.Sprintf("the peer hung up at once, as many do: %v", a))
	}
	if err != nil {
		return &sample{answer: a, err: err}
	}
	got := t.takeApart(a, items)
	got.digests = [2]ssz.ForkDigest{before, t.digest()}
	return got
}

// encode encodes a request of the rule's protocol.
func (t *trial) encode(message []byte) []byte {
	if t.row.Request == "" {
		return nil
	}
	return payload(message)
}

// takeApart takes an answer to a request for some items apart, up to the first fault. That it breaks off is no fault
// of a part.
func (t *trial) takeApart(a answer, asked uint64) *sample {
	got := &sample{answer: a, asked: asked}
	r := bytes.NewReader(a.wire)
	for r.Len() > 0 {
		got.at, got.fault = got.readChunk(t.network, t.row, r)
		if a.end != nil && r.Len() == 0 && isEnd(got.fault) {
			got.fault = nil
		}
		if got.fault != nil {
			return got
		}
	}
	if a.end == nil {
		got.at, got.fault = partCount, got.checkCount(t.row)
	}
	return got
}

func isEnd(err error) bool { return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) }

func (t *sample) checkCount(p *beacon.Protocol) error {
	switch unary := p.Spec().Kind() == reqresp.KindUnary; {
	case unary && t.chunks == 0 && t.code == 0:
		return broken("no chunk, want one")
	case unary && t.chunks > 1, uint64(t.chunks) > t.asked:
		return broken("%d chunks, at most %d were asked for", t.chunks, t.asked)
	}
	return nil
}

func (t *sample) readChunk(n *ssz.Network, p *beacon.Protocol, r *bytes.Reader) (part, error) {
	if t.code != 0 {
		return partResult, broken("%d bytes after an error", r.Len())
	}
	result, _ := r.ReadByte()
	if result != 0 {
		t.code = result
		if _, err := readErrorMessage(r); err != nil {
			return partResult, broken("error message: %w", err)
		}
		return partResult, nil
	}
	t.chunks++
	fork := p.First
	if p.Context {
		var digest ssz.ForkDigest
		if _, err := io.ReadFull(r, digest[:]); err != nil {
			return partContext, broken("context bytes: %w", err)
		}
		var ok bool
		if fork, ok = n.ForkOf(digest); !ok || p.ResponseType(fork) == nil {
			return partContext, broken("context bytes %v are no digest of an object's", digest)
		}
	}
	return t.readPayload(p, fork, r)
}

func (t *sample) readPayload(p *beacon.Protocol, fork ssz.Fork, r *bytes.Reader) (part, error) {
	least, most := p.SizeBounds(fork)
	n, err := snappy.ReadHeader(r, snappy.Bounds{Min: least, Max: most})
	switch {
	case errors.Is(err, snappy.ErrVarintNotMinimal):
		return partMinimal, broken("%w", err)
	case err != nil:
		return partLength, broken("%w", err)
	}
	t.message, err = snappy.AppendPayload(t.message[:0], r, n)
	if err == nil {
		err = p.ResponseType(fork).Shape().Check(t.message)
	}
	if err != nil {
		return partPayload, broken("%w", err)
	}
	return partPayload, nil
}

// String tells what was seen.
func (t *sample) String() string {
	if t.chunks > 0 {
		return fmt.Sprintf("%d chunks, %d bytes", t.chunks, len(t.answer.wire))
	}
	return t.answer.String()
}
