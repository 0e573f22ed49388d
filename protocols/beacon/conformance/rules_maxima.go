package conformance

import (
	"context"
	"encoding/binary"

	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// maxima is the demands on requests for more than the specs allow. A range may be answered, with no
// more than the maximum, or refused. A list that is longer is refused, and may be before it is read: its length
// is beyond the bounds of its type, for which the specs allow a reset.
func maxima() []demand {
	const asked, byRange = "more than MAX_REQUEST_*", "no more than the maximum, or an error"
	const byRoot = "an error, or a reset of what is out of bounds"
	return []demand{
		must("S2-max", named(blocksByRange, envelopesByRange), tryMoreOfRange, asked, byRange).withHostile(),
		must("S3-max", named(blocksByRoot, envelopesByRoot), tryMoreRoots, asked, byRoot).withHostile(),
		must("S5-max", named(blobsByRange, columnsByRange), tryMoreOfRange, asked, byRange).withHostile(),
		must("S5-max", named(blobsByRoot, columnsByRoot), tryMoreRoots, asked, byRoot).withHostile(),
		must("S6-max", named(updatesByRange), tryMoreOfRange, asked, byRange).withHostile(),
		must("S7-max", named(blocksByHead), tryMoreAncestors, asked, byRange).withHostile(),
	}
}

// most returns the maximum of a rule's protocol now.
func (s *session) most(r *Rule) uint64 {
	return s.row(r.Method, r.Version).MaxItems(s.network.ForkAt(s.network.EpochOf(s.currentSlot())))
}

// noMore asks for too much, and counts what comes.
func (s *session) noMore(ctx context.Context, r *Rule, request marshaler) (string, error) {
	p, most := s.row(r.Method, r.Version), s.most(r)
	if err := s.pace.wait(ctx, r.Method, most); err != nil {
		return "", err
	}
	a, err := s.send(ctx, r, payload(encode(request)), burstTimeout)
	if err != nil {
		return "", err
	}
	if err := a.limited(); err != nil {
		return "", err
	}
	t := sample{answer: a, asked: most}
	if t.read(s.network, p); t.fault != nil {
		return "", t.fault
	}
	return t.String(), nil
}

func tryMoreOfRange(ctx context.Context, s *session, r *Rule) (string, error) {
	first := s.row(r.Method, r.Version).ServedFrom(s.currentSlot())
	if r.Method == updatesByRange {
		first = 0 // periods
	} else {
		first = max(first, s.theirs.EarliestAvailableSlot)
	}
	return s.noMore(ctx, r, rangeOf(r.Method, first, s.most(r)+1))
}

func tryMoreAncestors(ctx context.Context, s *session, r *Rule) (string, error) {
	return s.noMore(ctx, r, &ssz.BeaconBlocksByHeadRequest{BeaconRoot: s.theirs.HeadRoot, Count: s.most(r) + 1})
}

func tryMoreRoots(ctx context.Context, s *session, r *Rule) (string, error) {
	if err := s.pace.wait(ctx, r.Method, s.most(r)); err != nil {
		return "", err
	}
	a, err := s.raw(ctx, r, payload(tooMany(s.row(r.Method, r.Version), s.most(r)+1)))
	if err != nil {
		return "", err
	}
	// The length of a list of columns is within the bounds: it is their number that is not.
	if !unserved(a) || r.Method == columnsByRoot && !code1(a) {
		return "", broken("%v", a)
	}
	return a.String(), nil
}

// tooMany is a request for a number of objects by root.
func tooMany(p *beacon.Protocol, n uint64) (message []byte) {
	switch p.Name {
	case blobsByRoot:
		return make([]byte, n*40)
	case columnsByRoot:
		return tooManyColumns(n)
	}
	return make([]byte, n*32)
}

// tooManyColumns asks for one column of each of many blocks: the list of blocks is what is too long.
func tooManyColumns(n uint64) (message []byte) {
	const offset, root, column = 4, 32, 8
	blocks := n/beacon.NumberOfColumns + 1
	for i := range blocks {
		message = binary.LittleEndian.AppendUint32(message, uint32(blocks*offset+i*(root+offset+column)))
	}
	for range blocks {
		message = append(message, make([]byte, root)...)
		message = binary.LittleEndian.AppendUint32(message, root+offset)
		message = append(message, make([]byte, column)...)
	}
	return message
}
