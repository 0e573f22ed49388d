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

// A sample is a peer's answer to one small request, taken apart. One is asked for of each protocol,
// which then tells of all rules of framing.
type sample struct {
	answer answer
	asked  uint64
	chunks int // successful ones
	code   byte
	fault  error // the first, nil if there is none
	at     part
	err    error // there is no answer
}

// sampleOf asks for a sample, or returns the one that was asked for before.
func (s *session) sampleOf(ctx context.Context, r *Rule) (*sample, error) {
	p := s.row(r.Method, r.Version)
	taken, ok := s.samples[p.ID()]
	if !ok {
		taken = s.takeSample(ctx, r, p)
		s.samples[p.ID()] = taken
	}
	return taken, taken.err
}

func (s *session) takeSample(ctx context.Context, r *Rule, p *beacon.Protocol) *sample {
	message, items := s.ask(ctx, p)
	if err := s.pace.wait(ctx, r.Method, items); err != nil {
		return &sample{err: err}
	}
	a, err := s.raw(ctx, r, wireOf(p, message))
	if p.Name == "goodbye" && err == nil && (len(a.wire) == 0 || a.end != nil) {
		err = skipped(fmt.Sprintf("the peer hung up at once, as many do: %v", a))
	}
	taken := &sample{answer: a, asked: items, err: err}
	if err == nil {
		taken.read(s.network, p)
	}
	return taken
}

// wireOf encodes a request.
func wireOf(p *beacon.Protocol, message []byte) []byte {
	if p.Request == "" {
		return nil
	}
	return payload(message)
}

// read takes the answer apart, up to the first fault. That it breaks off is no fault of a part.
func (t *sample) read(n *ssz.Network, p *beacon.Protocol) {
	r := bytes.NewReader(t.answer.wire)
	for r.Len() > 0 {
		t.at, t.fault = t.readChunk(n, p, r)
		if t.answer.end != nil && r.Len() == 0 && isEnd(t.fault) {
			t.fault = nil
		}
		if t.fault != nil {
			return
		}
	}
	if t.answer.end == nil {
		t.at, t.fault = partCount, t.checkCount(p)
	}
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
		return partResult, readErrorMessage(r)
	}
	t.chunks++
	fork := p.First
	if p.Context {
		var digest ssz.ForkDigest
		if _, err := io.ReadFull(r, digest[:]); err != nil {
			return partContext, broken("context bytes: %w", err)
		}
		var ok bool
		if fork, ok = forkOf(n, p, digest); !ok {
			return partContext, broken("context bytes %v are no digest of an object's", digest)
		}
	}
	return readPayload(p, fork, r)
}

// forkOf returns the fork whose type a digest stands for.
func forkOf(n *ssz.Network, p *beacon.Protocol, digest ssz.ForkDigest) (ssz.Fork, bool) {
	fork, ok := n.ForkOf(digest)
	return fork, ok && p.ResponseType(fork) != nil
}

func readPayload(p *beacon.Protocol, fork ssz.Fork, r *bytes.Reader) (part, error) {
	least, most := p.SizeBounds(fork)
	n, err := snappy.ReadHeader(r, snappy.Bounds{Min: least, Max: most})
	switch {
	case errors.Is(err, snappy.ErrVarintNotMinimal):
		return partMinimal, broken("%w", err)
	case err != nil:
		return partLength, broken("%w", err)
	}
	message, err := snappy.AppendPayload(nil, r, n)
	if err != nil {
		return partPayload, broken("%w", err)
	}
	if err := p.ResponseType(fork).Shape().Check(message); err != nil {
		return partPayload, broken("%w", err)
	}
	return partPayload, nil
}

// readErrorMessage checks what follows a result that is not success.
func readErrorMessage(r *bytes.Reader) error {
	n, err := snappy.ReadHeader(r, snappy.Bounds{Max: 256})
	if err == nil {
		_, err = snappy.AppendPayload(nil, r, n)
	}
	if err != nil {
		return broken("error message: %w", err)
	}
	return nil
}

// trySample passes if a sample has no fault in a part. With chunks it takes some to tell.
func trySample(at part, chunks bool) trier {
	return func(ctx context.Context, s *session, r *Rule) (string, error) {
		t, err := s.sampleOf(ctx, r)
		switch {
		case err != nil:
			return "", err
		case t.fault != nil && t.at == at:
			return "", t.fault
		case t.fault != nil:
			return "", skipped(fmt.Sprintf("the answer cannot be read: %v", t.fault))
		case t.answer.end != nil:
			return "", skipped(fmt.Sprintf("the answer is not complete: %v", t))
		case chunks && t.chunks == 0:
			return "", skipped(fmt.Sprintf("the peer has shown none: %v", t))
		}
		return t.String(), nil
	}
}

// tryEnd looks at how a sample ended.
func tryEnd(ctx context.Context, s *session, r *Rule) (string, error) {
	t, err := s.sampleOf(ctx, r)
	if err == nil && t.answer.end != nil {
		err = broken("%v", t.answer)
	}
	if err != nil {
		return "", err
	}
	return t.String(), nil
}

// String tells what was seen.
func (t *sample) String() string {
	if t.chunks > 0 {
		return fmt.Sprintf("%d chunks, %d bytes", t.chunks, len(t.answer.wire))
	}
	return t.answer.String()
}

// tryCodes looks at the result of a sample.
func tryCodes(ctx context.Context, s *session, r *Rule) (string, error) {
	t, err := s.sampleOf(ctx, r)
	switch {
	case err != nil:
		return "", err
	case t.code > 3 && t.code < 128:
		return "", broken("code %d is reserved", t.code)
	case t.fault != nil && t.at == partResult:
		return "", t.fault
	}
	return t.String(), nil
}

// tryUnavailable looks for a code in a sample that is valid only where the specs say so.
func tryUnavailable(ctx context.Context, s *session, r *Rule) (string, error) {
	t, err := s.sampleOf(ctx, r)
	if err != nil {
		return "", err
	}
	if t.code == byte(reqresp.CodeResourceUnavailable) {
		return "", broken("%v", t.answer)
	}
	return t.String(), nil
}
