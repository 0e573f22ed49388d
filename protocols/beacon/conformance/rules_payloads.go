package conformance

import (
	"context"
	"iter"

	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

func payloadRules() []Rule {
	return []Rule{
		{
			ID: "S2-serve", Method: "execution_payload_envelopes_by_range", Version: 1, Severity: Must,
			Asked: "the slots up to its head", Expected: "envelopes in order, each with the digest of its epoch", try: tryEnvelopes,
		},
		{
			ID: "S3-known", Method: "execution_payload_envelopes_by_root", Version: 1, Severity: Must,
			Asked: "the envelope of its newest block", Expected: "none but that", try: tryEnvelope,
		},
		{
			ID: "S3-unknown", Method: "execution_payload_envelopes_by_root", Version: 1, Severity: Must,
			Asked: "the envelope of a root that is none", Expected: "no chunk and no error, or code 3", try: tryUnknownEnvelope,
		},
		{
			ID: "S8-unknown", Method: "inclusion_lists_by_indices", Version: 1, Severity: Must,
			Asked: "the lists of a committee that is none", Expected: "no chunk and no error, or code 3", try: tryUnknownLists,
		},
	}
}

func tryEnvelopes(ctx context.Context, s *session, r *Rule) (string, error) {
	head := s.theirs.HeadSlot
	start := max(s.row(r.Method, 1).ServedFrom(s.currentSlot()), s.theirs.EarliestAvailableSlot, head-min(head, sampled-1))
	if start > head {
		return "", skipped("its head is before gloas")
	}
	return asked(ctx, s, r, sampled, func() iter.Seq2[*beacon.ExecutionPayloadEnvelope, error] {
		return s.client.ExecutionPayloadEnvelopesByRange(ctx, s.to, start, uint64(head-start)+1)
	})
}

func tryEnvelope(ctx context.Context, s *session, r *Rule) (string, error) {
	head, err := s.head()
	if err != nil {
		return "", err
	}
	return asked(ctx, s, r, 1, func() iter.Seq2[*beacon.ExecutionPayloadEnvelope, error] {
		return s.client.ExecutionPayloadEnvelopesByRoot(ctx, s.to, []ssz.Root{head.Root})
	})
}

func tryUnknownEnvelope(ctx context.Context, s *session, r *Rule) (string, error) {
	return s.noneOrUnavailable(ctx, r, payload(nowhere[:]))
}

func tryUnknownLists(ctx context.Context, s *session, r *Rule) (string, error) {
	request := ssz.InclusionListsByIndicesRequest{Slot: s.currentSlot(), DependentRoot: nowhere, Indices: [2]byte{1}}
	b, err := request.MarshalSSZ()
	if err != nil {
		return "", err
	}
	return s.noneOrUnavailable(ctx, r, payload(b))
}
