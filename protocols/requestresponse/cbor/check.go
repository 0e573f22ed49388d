package cbor

import (
	"errors"
	"fmt"
	"math"

	"github.com/seed-2dd5877b/reqresp/protocols/requestresponse/internal/cborhead"
)

// maxDepth is how deep arrays and maps may be nested in each other, as in cbor4ii.
const maxDepth = 256

// maxIndefinite is how many arrays, maps and strings of indefinite length may be
// nested in each other. The library counts the elements of each before it decodes them,
// so that every level costs a pass over all that is in it.
const maxIndefinite = 16

// The tags of integers beyond 64 bits, by which cbor4ii writes a u128 or i128.
const (
	tagPositiveBignum = 2
	tagNegativeBignum = 3
)

var (
	errTooDeep        = fmt.Errorf("cbor: nested more than %d deep", maxDepth)
	errTooManyUnknown = errors.New("cbor: too many items of indefinite length nested in each other")
)

// unknown stands for the number of items left in one of indefinite length.
const unknown = math.MaxUint64

// check refuses, in one pass over the item that data begins with, what the library
// bounds too loosely or takes for something else. An item that is cut off or not
// well-formed is left for the library to refuse.
func check(data []byte) error {
	open := make([]uint64, 0, maxDepth) // items left in those that data is within
	indefinite := 0
	for {
		h, rest, err := cborhead.Cut(data)
		if err != nil {
			return nil
		}
		data = rest
		left := uint64(0) // items that belong to this one
		switch {
		case h.IsBreak():
			if len(open) == 0 || open[len(open)-1] != unknown {
				return nil
			}
			open = open[:len(open)-1]
			indefinite--
		case h.Indefinite:
			left = unknown
			indefinite++
		case h.Major == cborhead.Tag:
			if h.Arg != tagPositiveBignum && h.Arg != tagNegativeBignum {
				return fmt.Errorf("cbor: tag %d", h.Arg)
			}
			continue
		case h.Major == cborhead.Bytes || h.Major == cborhead.Text:
			if h.Arg > uint64(len(data)) {
				return nil
			}
			data = data[h.Arg:]
		case h.Major == cborhead.Array:
			left = h.Arg
		case h.Major == cborhead.Map:
			if h.Arg > uint64(len(data)) {
				return nil
			}
			left = 2 * h.Arg
		}
		switch {
		case left > 0 && len(open) == maxDepth:
			return errTooDeep
		case indefinite > maxIndefinite:
			return errTooManyUnknown
		case left > 0:
			open = append(open, left)
		default:
			open = closeItem(open)
		}
		if len(open) == 0 {
			return nil
		}
	}
}

// closeItem takes away an item that has ended, and those that end with it.
func closeItem(open []uint64) []uint64 {
	for len(open) > 0 && open[len(open)-1] != unknown {
		open[len(open)-1]--
		if open[len(open)-1] > 0 {
			break
		}
		open = open[:len(open)-1]
	}
	return open
}
