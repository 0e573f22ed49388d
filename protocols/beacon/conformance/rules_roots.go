package conformance

import (
	"context"
	"fmt"

	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

func tryRoot(ctx context.Context, s *session, r *Rule) (string, error) {
	head, err := s.head()
	if err != nil {
		return "", err
	}
	blocks, err := s.byRoot(ctx, r, head.Root)
	if err != nil {
		return "", err
	}
	if len(blocks) != 1 {
		return "", broken("%s", slots(blocks))
	}
	return slots(blocks), nil
}

// nowhere is the root of no block.
var nowhere = ssz.Root{0xde, 0xad, 0xbe, 0xef}

func tryUnknownRoot(ctx context.Context, s *session, r *Rule) (string, error) {
	return s.noneOrUnavailable(ctx, r, payload(nowhere[:]))
}

// servedHead returns the peer's head, whose ancestry it has to serve unless it is older than blocks are kept.
func (s *session) servedHead(r *Rule) (*beacon.Block, error) {
	head, err := s.head()
	if err == nil && head.Slot < s.row(r.Method, r.Version).ServedFrom(s.currentSlot()) {
		return nil, skipped(fmt.Sprintf("its head, of slot %d, is before its serve range", head.Slot))
	}
	return head, err
}

func tryAncestry(ctx context.Context, s *session, r *Rule) (string, error) {
	head, err := s.servedHead(r)
	if err != nil {
		return "", err
	}
	blocks, err := s.byHead(ctx, r, head.Root, 3)
	if err != nil {
		return "", err
	}
	if len(blocks) == 0 {
		return "", broken("no blocks, slot %d was asked for", head.Slot)
	}
	return slots(blocks), nil
}

func tryOneAncestor(ctx context.Context, s *session, r *Rule) (string, error) {
	head, err := s.servedHead(r)
	if err != nil {
		return "", err
	}
	blocks, err := s.byHead(ctx, r, head.Root, 1)
	if err == nil && len(blocks) != 1 {
		err = broken("%s", slots(blocks))
	}
	return slots(blocks), err
}

func tryUnknownHead(ctx context.Context, s *session, r *Rule) (string, error) {
	request := ssz.BeaconBlocksByHeadRequest{BeaconRoot: nowhere, Count: 3}
	b, err := request.MarshalSSZ()
	if err != nil {
		return "", err
	}
	return s.noneOrUnavailable(ctx, r, payload(b))
}

// noneOrUnavailable asks for what there is not, which is answered with nothing or with code 3.
func (s *session) noneOrUnavailable(ctx context.Context, r *Rule, wire []byte) (string, error) {
	a, err := s.paced(ctx, r, wire)
	if err != nil {
		return "", err
	}
	if len(a.wire) == 0 && a.end == nil {
		return "no chunk", nil
	}
	if code, _, ok := a.verdict(); !ok || code != byte(reqresp.CodeResourceUnavailable) {
		return "", broken("%v", a)
	}
	return a.String(), nil
}
