package reqresp

import (
	"context"
	"sync"
)

// A ResponseChannel takes the response to one request. It is answered once, with
// [RequestResponse.SendResponse] or [RequestResponse.SendError], or given up with
// Close. It is safe for concurrent use.
type ResponseChannel[Resp any] struct {
	answered chan struct{} // closed with the first answer

	mu     sync.Mutex
	open   bool
	answer answer[Resp]
}

// An answer is a response, a verdict, or nothing.
type answer[Resp any] struct {
	resp    *Resp
	verdict *Error
}

func newResponseChannel[Resp any]() *ResponseChannel[Resp] {
	return &ResponseChannel[Resp]{answered: make(chan struct{}), open: true}
}

// IsOpen reports whether somebody still waits for a response: the channel was neither
// answered nor closed, and the exchange has not timed out or lost its connection.
func (c *ResponseChannel[Resp]) IsOpen() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.open
}

// Close gives the request up: its stream is closed without an answer, and an
// InboundFailure with ReasonOmission follows. A channel that is neither answered nor
// closed is held until the protocol's total timeout. On a channel that is not open it does nothing.
func (c *ResponseChannel[Resp]) Close() { c.put(answer[Resp]{}) }

// put answers the channel, and reports whether it was open.
func (c *ResponseChannel[Resp]) put(a answer[Resp]) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.open {
		return false
	}
	c.open = false
	c.answer = a
	close(c.answered)
	return true
}

// wait returns the answer, or the cause of ctx once that ends. Either closes the channel.
func (c *ResponseChannel[Resp]) wait(ctx context.Context) (answer[Resp], error) {
	select {
	case <-c.answered:
	case <-ctx.Done():
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.open {
		c.open = false
		return answer[Resp]{}, context.Cause(ctx)
	}
	return c.answer, nil
}
