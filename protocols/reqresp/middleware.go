package reqresp

import (
	"context"
	"slices"
)

// A HandlerFunc serves one exchange. It reads the request with
// [Inbound.Receive], answers with [Inbound.Send], and returns nil for success, an
// [*Error] to tell the peer a verdict, or any other error, which the peer learns
// of as a bare [CodeServerError]. The server ends the stream.
type HandlerFunc func(ctx context.Context, in *Inbound) error

// A Middleware wraps the whole of an exchange, before any byte of the request
// is read. It may refuse, observe or bound it. The first in a list is the
// outermost:
//
//	Middleware{a, b}:  a( b( handler ) )
type Middleware func(next HandlerFunc) HandlerFunc

func wrap(h HandlerFunc, list []Middleware) HandlerFunc {
	for _, m := range slices.Backward(list) {
		h = m(h)
	}
	return h
}

// A Method is a protocol together with the function that serves it. Descriptors
// make them, see [Unary.Serve] and [Stream.Serve]; a handler that wants to
// fetch its answer chunk by chunk into the engine's buffers is written as a
// [HandlerFunc] of its own.
type Method struct {
	// Spec describes the protocol. It is required.
	Spec *Spec
	// Handler serves it. It is required.
	Handler HandlerFunc
}
