package conformance

import (
	"context"
	"fmt"
	"iter"

	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// payloads is the demands on execution payload envelopes.
func payloads() []demand {
	byRange, byRoot := named(envelopesByRange), named(envelopesByRoot)
	return []demand{
		{
			id: "S2-serve", severity: Must, of: byRange,
			asked: "the slots up to its head", expected: "envelopes in order, each with the digest of its epoch", try: tryEnvelopes,
		},
		{
			id: "S2-canonical", severity: Must, of: byRange,
			asked: "the slots up to its head", expected: "no envelope on whose payload the chain was not built", try: tryCanonical,
		},
		{
			id: "S2-first", severity: Must, of: byRange,
			asked: "the slots from an envelope on that it has", expected: "that envelope first", try: tryFirstEnvelope,
		},
		{
			id: "S2-count", severity: Must, of: byRange,
			asked: "one slot", expected: "no more than one envelope", try: tryOneEnvelope,
		},
		{
			id: "S2-unavailable", severity: Should, of: byRange,
			asked: "slots before the earliest available", expected: "code 3, or envelopes", try: tryBeforeEarliest,
		},
		{
			id: "S3-known", severity: Must, of: byRoot,
			asked: "an envelope that it has", expected: "the envelope", try: tryKnownEnvelope,
		},
		{
			id: "S3-unknown", severity: Should, of: byRoot,
			asked: "the envelope of a root that is none", expected: "no chunk and no error, or code 3", try: tryUnknownRoot,
		},
	}
}

// someEnvelopes are those of the slots up to the peer's head.
func (s *session) someEnvelopes(ctx context.Context) ([]*beacon.ExecutionPayloadEnvelope, error) {
	envelopes, err := s.envelopes.get(func() ([]*beacon.ExecutionPayloadEnvelope, error) {
		start, count := s.recentSlots(envelopesByRange, sampled)
		if count == 0 {
			return nil, skipped("its head is before gloas")
		}
		return s.envelopesOf(ctx, start, count)
	})
	if err == nil && len(envelopes) == 0 {
		err = skipped("the peer has shown none")
	}
	return envelopes, err
}

func (s *session) envelopesOf(ctx context.Context, start ssz.Slot, count uint64) ([]*beacon.ExecutionPayloadEnvelope, error) {
	return collect(ctx, s, envelopesByRange, count, func() iter.Seq2[*beacon.ExecutionPayloadEnvelope, error] {
		return s.client.ExecutionPayloadEnvelopesByRange(ctx, s.to, start, count)
	})
}

func tryEnvelopes(ctx context.Context, s *session, _ *Rule) (string, error) {
	envelopes, err := s.someEnvelopes(ctx)
	return fmt.Sprintf("%d envelopes", len(envelopes)), err
}

// tryCanonical holds the envelopes against the blocks that came after theirs.
func tryCanonical(ctx context.Context, s *session, _ *Rule) (string, error) {
	envelopes, err := s.someEnvelopes(ctx)
	if err != nil {
		return "", err
	}
	at := make(map[ssz.Root]int)
	for i, b := range s.blocks {
		at[b.Root] = i
	}
	judged := 0
	for _, e := range envelopes {
		i, ok := at[e.BlockRoot]
		if !ok || i+1 == len(s.blocks) {
			continue
		}
		built, known := s.builtOn(s.blocks[i], s.blocks[i+1])
		if known && !built {
			return "", broken("the envelope of slot %d, on whose payload slot %d does not build", e.Slot, s.blocks[i+1].Slot)
		}
		if known {
			judged++
		}
	}
	if judged == 0 {
		return "", skipped("it has shown no envelope and the block after")
	}
	return fmt.Sprintf("%d envelopes that the chain was built on", judged), nil
}

func tryFirstEnvelope(ctx context.Context, s *session, _ *Rule) (string, error) {
	shown, err := s.someEnvelopes(ctx)
	if err != nil {
		return "", err
	}
	first := shown[len(shown)/2]
	envelopes, err := s.envelopesOf(ctx, first.Slot, 4)
	if err == nil && (len(envelopes) == 0 || envelopes[0].BlockRoot != first.BlockRoot) {
		err = broken("%d envelopes, that of slot %d not first", len(envelopes), first.Slot)
	}
	return fmt.Sprintf("%d envelopes", len(envelopes)), err
}

func tryOneEnvelope(ctx context.Context, s *session, _ *Rule) (string, error) {
	shown, err := s.someEnvelopes(ctx)
	if err != nil {
		return "", err
	}
	envelopes, err := s.envelopesOf(ctx, shown[0].Slot, 1)
	if err == nil && len(envelopes) != 1 {
		err = broken("%d envelopes", len(envelopes))
	}
	return fmt.Sprintf("%d envelopes", len(envelopes)), err
}

func tryKnownEnvelope(ctx context.Context, s *session, r *Rule) (string, error) {
	shown, err := s.someEnvelopes(ctx)
	if err != nil {
		return "", err
	}
	again, err := collect(ctx, s, r.Method, 1, func() iter.Seq2[*beacon.ExecutionPayloadEnvelope, error] {
		return s.client.ExecutionPayloadEnvelopesByRoot(ctx, s.to, []ssz.Root{shown[0].BlockRoot})
	})
	return s.known(ctx, r, shown[0].Slot, len(again), err)
}
