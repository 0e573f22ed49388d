package conformance

import (
	"context"
	"fmt"
	"slices"

	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// payloads is the demands on execution payload envelopes.
func payloads() []demand {
	byRange, byRoot := named(envelopesByRange), named(envelopesByRoot)
	return []demand{
		must("S2-serve", byRange, tryEnvelopes,
			"the slots up to its head", "envelopes in order, each with the digest of its epoch"),
		must("S2-canonical", byRange, tryCanonicalEnvelopes,
			"the slots up to its head", "only envelopes of payloads that the next blocks build on"),
		must("S2-first", byRange, tryFirstEnvelope,
			"the slots from an envelope on that it has", "that envelope first"),
		must("S2-count", byRange, tryOneEnvelope, "one slot", "no more than one envelope"),
		should("S2-unavailable", byRange, tryBeforeEarliest,
			"slots before the earliest available", "code 3, or envelopes"),
		must("S3-known", byRoot, tryKnownEnvelope, "an envelope that it has", "the envelope"),
		should("S3-unknown", byRoot, tryUnknownRoot,
			"the envelope of a root that is none", "no chunk and no error, or code 3"),
	}
}

// someEnvelopes are those of the slots up to the peer's head.
func (s *session) someEnvelopes(ctx context.Context) ([]*beacon.ExecutionPayloadEnvelope, error) {
	return atLeastOne(s.envelopes.get(func() ([]*beacon.ExecutionPayloadEnvelope, error) {
		start, count := s.recentSlots(envelopesByRange, mostShown)
		if count == 0 {
			return nil, skipped("its head is before gloas")
		}
		return s.envelopesOf(ctx, start, count)
	}))
}

func (s *session) envelopesOf(
	ctx context.Context, start ssz.Slot, count uint64,
) ([]*beacon.ExecutionPayloadEnvelope, error) {
	return collect(ctx, s, envelopesByRange, count,
		s.client.ExecutionPayloadEnvelopesByRange(ctx, s.to, start, count))
}

func tryEnvelopes(ctx context.Context, t *trial) (string, error) {
	envelopes, err := t.someEnvelopes(ctx)
	return fmt.Sprintf("%d envelopes", len(envelopes)), err
}

// tryCanonicalEnvelopes holds the envelopes against the blocks that the peer has shown. A payload that came too
// late is held by some peers, and is not the chain's.
func tryCanonicalEnvelopes(ctx context.Context, t *trial) (string, error) {
	envelopes, err := t.someEnvelopes(ctx)
	if err != nil {
		return "", err
	}
	built := 0
	for _, e := range envelopes {
		i := slices.IndexFunc(t.blocks, func(b *beacon.Block) bool { return b.Root == e.BlockRoot })
		if i < 0 || i+1 == len(t.blocks) {
			continue // The head's payload may yet be built on.
		}
		switch ok, err := t.client.BuildsOn(t.blocks[i], t.blocks[i+1]); {
		case err != nil:
			return "", broken("%w", err)
		case !ok:
			return "", broken("an envelope of slot %d, on which the block of slot %d does not build",
				e.Slot, t.blocks[i+1].Slot)
		}
		built++
	}
	if built == 0 {
		return "", skipped("the peer has shown none with the block after")
	}
	return fmt.Sprintf("%d envelopes, which the next blocks build on", built), nil
}

func tryFirstEnvelope(ctx context.Context, t *trial) (string, error) {
	shown, err := t.someEnvelopes(ctx)
	if err != nil {
		return "", err
	}
	first := shown[len(shown)/2]
	envelopes, err := t.envelopesOf(ctx, first.Slot, 4)
	if err == nil && (len(envelopes) == 0 || envelopes[0].BlockRoot != first.BlockRoot) {
		err = broken("%d envelopes, that of slot %d not first", len(envelopes), first.Slot)
	}
	return fmt.Sprintf("%d envelopes", len(envelopes)), err
}

func tryOneEnvelope(ctx context.Context, t *trial) (string, error) {
	shown, err := t.someEnvelopes(ctx)
	if err != nil {
		return "", err
	}
	envelopes, err := t.envelopesOf(ctx, shown[0].Slot, 1)
	return judge(fmt.Sprintf("%d envelopes", len(envelopes)), err, len(envelopes) == 1)
}

func tryKnownEnvelope(ctx context.Context, t *trial) (string, error) {
	shown, err := t.someEnvelopes(ctx)
	if err != nil {
		return "", err
	}
	roots := []ssz.Root{shown[0].BlockRoot}
	again, err := collect(ctx, t.session, t.Method, 1, t.client.ExecutionPayloadEnvelopesByRoot(ctx, t.to, roots))
	return t.known(ctx, shown[0].Slot, len(again), err)
}
