package conformance

import (
	"bytes"
	"context"

	"github.com/seed-2dd5877b/reqresp/snappy"
)

// paced is raw, in its turn.
func (s *session) paced(ctx context.Context, r *Rule, wire []byte) (answer, error) {
	if err := s.pace.wait(ctx, r.Method, 1); err != nil {
		return answer{}, err
	}
	return s.raw(ctx, r, wire)
}

// notServed sends a request that must not be answered with what it asks for.
func (s *session) notServed(ctx context.Context, r *Rule, wire []byte) (string, error) {
	a, err := s.paced(ctx, r, wire)
	if err != nil {
		return "", err
	}
	if len(a.wire) > 0 && a.wire[0] == 0 {
		return "", broken("%v", a)
	}
	return a.String(), nil
}

// onlyMessage returns the SSZ of an answer that is one chunk without context bytes, of a size, and
// ends in good order.
func onlyMessage(a answer, size int) ([]byte, error) {
	if a.end != nil || len(a.wire) == 0 || a.wire[0] != 0 {
		return nil, broken("%v", a)
	}
	r := bytes.NewReader(a.wire[1:])
	n, err := snappy.ReadHeader(r, snappy.Bounds{Min: size, Max: size})
	if err != nil {
		return nil, broken("%w", err)
	}
	message, err := snappy.AppendPayload(nil, r, n)
	if err != nil {
		return nil, broken("%w", err)
	}
	if r.Len() > 0 {
		return nil, broken("%d bytes after the chunk", r.Len())
	}
	return message, nil
}
