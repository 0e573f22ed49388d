package conformance

import (
	"context"
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// advertised is the rule that every protocol of the current fork is on offer.
const advertised = "P-offered"

// advertisedRules are one for every row of the family's table. Light client protocols are a matter of
// choice.
func advertisedRules() (rules []Rule) {
	for _, p := range beacon.NewFamily(ssz.Mainnet()).Protocols() {
		severity := Must
		if strings.HasPrefix(p.Name, "light_client") {
			severity = Should
		}
		rules = append(rules, Rule{
			ID: advertised, Method: p.Name, Version: p.Version, Severity: severity,
			Asked: "which protocols it offers", Expected: "the protocol among them, in its forks", try: tryOffered,
		})
	}
	return rules
}

func tryOffered(_ context.Context, s *session, r *Rule) (string, error) {
	row := s.row(r.Method, r.Version)
	now := s.network.EpochOf(s.currentSlot())
	fork := s.network.ForkAt(now)
	offered := s.offers(row.ID())
	switch {
	case offered:
		return "offered", nil
	case fork < row.First || fork > row.Last:
		return "", skipped(fmt.Sprintf("not of %v", fork))
	case !row.Context && strings.HasPrefix(row.Name, "beacon_blocks"):
		return "", skipped("deprecated")
	default:
		return "", broken("not offered in %v", fork)
	}
}

// nodeRules are those of framing, which small messages show best, and of the protocols for nodes.
func nodeRules() []Rule {
	return []Rule{
		{
			ID: "S1-status", Method: "status", Version: 2, Severity: Must,
			Asked: "status", Expected: "one status with the fork digest of now", try: tryStatus,
		},
		{
			ID: "S1-status", Method: "status", Version: 1, Severity: Must,
			Asked: "status", Expected: "one status with the fork digest of now", try: tryStatus,
		},
		{
			ID: "M1-close", Method: "ping", Version: 1, Severity: Must,
			Asked: "ping", Expected: "one chunk of 8 bytes, then the end of the stream", try: trySmall(8),
		},
		{
			ID: "M14-empty", Method: "metadata", Version: 3, Severity: Must,
			Asked: "metadata with no byte", Expected: "one chunk of 25 bytes", try: trySmall(25),
		},
		{
			ID: "M14-empty", Method: "metadata", Version: 2, Severity: Must,
			Asked: "metadata with no byte", Expected: "one chunk of 17 bytes", try: trySmall(17),
		},
		{
			ID: "M14-empty", Method: "metadata", Version: 1, Severity: Must,
			Asked: "metadata with no byte", Expected: "one chunk of 16 bytes", try: trySmall(16),
		},
		{
			ID: "M6-short", Method: "ping", Version: 1, Severity: Must, Rough: true,
			Asked: "a ping of 7 bytes", Expected: "code 1", try: tryMalformed(payload(make([]byte, 7))),
		},
		{
			ID: "M11-trailing", Method: "ping", Version: 1, Severity: Should, Rough: true,
			Asked: "a ping and a byte after it", Expected: "an error, or a reset", try: tryTrailing,
		},
		{
			ID: "M9-bounds", Method: "ping", Version: 1, Severity: Should, Rough: true,
			Asked: "a ping that claims 10 MiB", Expected: "an error, or a reset", try: tryClaim,
		},
		{
			ID: "M13-frames", Method: "ping", Version: 1, Severity: Must, Rough: true,
			Asked: "a ping without snappy frames", Expected: "code 1", try: tryMalformed(append([]byte{8}, make([]byte, 8)...)),
		},
	}
}

func tryStatus(ctx context.Context, s *session, r *Rule) (string, error) {
	if err := s.pace.wait(ctx, r.Method, 1); err != nil {
		return "", err
	}
	ours := ssz.StatusV1{ForkDigest: s.network.DigestAt(s.network.EpochOf(s.currentSlot()))}
	request, err := ours.MarshalSSZ()
	if err != nil {
		return "", err
	}
	size := len(request)
	if r.Version == 2 {
		request = append(request, make([]byte, 8)...)
		size += 8
	}
	a, err := s.raw(ctx, r, payload(request))
	if err != nil {
		return "", err
	}
	message, err := onlyMessage(a, size)
	if err != nil {
		return "", err
	}
	if got := ssz.ForkDigest(message); got != ours.ForkDigest {
		return "", broken("digest %v, now is %v", got, ours.ForkDigest)
	}
	return fmt.Sprintf("head slot %d", binary.LittleEndian.Uint64(message[76:])), nil
}

// trySmall asks for one message of a size. A request of 8 bytes is a ping, another is empty.
func trySmall(size int) func(context.Context, *session, *Rule) (string, error) {
	return func(ctx context.Context, s *session, r *Rule) (string, error) {
		if err := s.pace.wait(ctx, r.Method, 1); err != nil {
			return "", err
		}
		var request []byte
		if r.Method == "ping" {
			request = payload(make([]byte, 8))
		}
		a, err := s.raw(ctx, r, request)
		if err != nil {
			return "", err
		}
		message, err := onlyMessage(a, size)
		if err != nil {
			return "", err
		}
		return fmt.Sprintf("sequence number %d", binary.LittleEndian.Uint64(message)), nil
	}
}

// tryMalformed sends a request that is none, which has to be answered with InvalidRequest.
func tryMalformed(wire []byte) func(context.Context, *session, *Rule) (string, error) {
	return func(ctx context.Context, s *session, r *Rule) (string, error) {
		a, err := s.paced(ctx, r, wire)
		if err != nil {
			return "", err
		}
		if code, _, ok := a.verdict(); !ok || code != 1 {
			return "", broken("%v", a)
		}
		return a.String(), nil
	}
}

func tryTrailing(ctx context.Context, s *session, r *Rule) (string, error) {
	return s.notServed(ctx, r, append(payload(make([]byte, 8)), 0))
}

func tryClaim(ctx context.Context, s *session, r *Rule) (string, error) {
	wire := binary.AppendUvarint(nil, 10<<20)
	return s.notServed(ctx, r, append(wire, payload(make([]byte, 8))[1:]...))
}
