package beaconapi

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"math"
	"net/url"

	"github.com/seed-2dd5877b/reqresp/ssz"
)

// A Head is the head of a node's chain.
type Head struct {
	Slot ssz.Slot
	Root ssz.Root // of the block
}

// maxEvent is the most bytes of an event's data, and of a line.
const maxEvent = bufio.MaxScanTokenSize

// Heads yields the head of the node's chain whenever it changes, until ctx ends or the loop is left. An error is the
// last pair: the caller calls Heads again, in a while. It is io.ErrUnexpectedEOF if the node ends the answer, and
// ErrStalled if it has sent nothing for two minutes.
func (c *Client) Heads(ctx context.Context) iter.Seq2[Head, error] {
	return func(yield func(Head, error) bool) {
		query := url.Values{"topics": {"head"}}
		_, b, err := c.get(ctx, typeEvent, math.MaxInt64-1, query, "/eth/v1/events")
		if err != nil {
			yield(Head{}, err)
			return
		}
		defer b.Close()
		for data, err := range events(b, "head") {
			var head Head
			if err == nil {
				head, err = decodeHead(data)
			}
			if !yield(head, err) || err != nil {
				return
			}
		}
	}
}

func decodeHead(data []byte) (Head, error) {
	var event struct {
		Slot  uint64   `json:"slot,string"`
		Block ssz.Root `json:"block"`
	}
	if err := json.Unmarshal(data, &event); err != nil {
		return Head{}, fmt.Errorf("%w: head event: %w", ErrMalformed, err)
	}
	if event.Block == (ssz.Root{}) {
		return Head{}, fmt.Errorf("%w: head event without a block", ErrMalformed)
	}
	return Head{ssz.Slot(event.Slot), event.Block}, nil
}

// events yields the data of server-sent events of a topic. It is valid until the next event.
func events(r io.Reader, topic string) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		lines := bufio.NewScanner(r)
		var of string
		var data []byte
		for lines.Scan() {
			name, value, _ := bytes.Cut(lines.Bytes(), []byte(":"))
			value = bytes.TrimPrefix(value, []byte(" "))
			switch string(name) {
			case "event":
				of = string(value)
			case "data":
				data = append(append(data, value...), '\n')
			case "": // an empty line ends an event; others that begin with a colon are comments
				if len(lines.Bytes()) > 0 {
					continue
				}
				if of == topic && !yield(data, nil) {
					return
				}
				of, data = "", data[:0]
			}
			if len(data) > maxEvent {
				yield(nil, fmt.Errorf("%w: event of more than %d bytes", ErrTooLarge, maxEvent))
				return
			}
		}
		yield(nil, endOf(lines.Err()))
	}
}

// endOf returns the error of events that have ended.
func endOf(err error) error {
	switch err {
	case nil:
		return io.ErrUnexpectedEOF
	case bufio.ErrTooLong:
		return fmt.Errorf("%w: event of more than %d bytes", ErrTooLarge, maxEvent)
	}
	return err
}
