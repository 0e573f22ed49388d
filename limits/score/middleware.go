package score

import (
	"context"
	"errors"
	"fmt"

	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
)

// Middleware returns a middleware that penalises what peers do wrong as they
// ask: requests that are malformed or invalid, and answers that they do not read.
// A request that breaks off, or an answer that is given up, is no fault.
//
// Of peers that are banned nothing is read: their exchanges fail with an error that wraps [ErrBanned] and
// reqresp.ErrRefused. Where the host has a [Book.Gater], they hardly come that far.
func (b *Book) Middleware() reqresp.Middleware {
	return func(next reqresp.HandlerFunc) reqresp.HandlerFunc {
		return func(ctx context.Context, in *reqresp.Inbound) error {
			if b.Verdict(in.Peer()) == Ban {
				return fmt.Errorf("%w: %w", ErrBanned, reqresp.ErrRefused)
			}
			err := next(ctx, in)
			if reason := inboundFault(ctx, err); reason != "" {
				b.Penalize(in.Peer(), MidTolerance, reason+": "+in.Spec().Name)
			}
			return err
		}
	}
}

// inboundFault returns what a peer did wrong, nothing if it is not to blame.
func inboundFault(ctx context.Context, err error) string {
	e, ok := errors.AsType[*reqresp.Error](err)
	if !ok {
		// What follows a request cancels the exchange.
		e, ok = errors.AsType[*reqresp.Error](context.Cause(ctx))
	}
	if ok {
		if e.Code == reqresp.CodeInvalidRequest && !e.Remote {
			return "invalid request"
		}
		return ""
	}
	// If the whole exchange took too long, it may be us who were slow.
	if errors.Is(err, reqresp.ErrTimeout) && ctx.Err() == nil {
		return "answer not read in time"
	}
	return ""
}
