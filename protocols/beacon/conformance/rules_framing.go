package conformance

import (
	"context"
	"fmt"

	"github.com/libp2p/go-libp2p/core/protocol"

	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
)

// framing is the demands on streams and chunks. What answers look like is looked at in a sample of
// each protocol.
func framing() []demand {
	const small = "a small request"
	return []demand{
		must("M1-close", all, tryEnd, small, "an answer, then the end of the stream").withSample(),
		must("M4-count", all, trySample(partCount, false),
			small, "no more chunks than were asked for, exactly one of what is single").withSample(),
		must("M8-last", all, trySample(partResult, false),
			small, "nothing after an error, whose message is of 256 bytes at most").withSample(),
		must("M8-codes", all, tryCodes, small, "result 0 to 3, or 128 and more").withSample(),
		must("M8-unavailable", answersWithout3, tryUnavailable,
			small, "no code 3, which is not specified here").withSample(),
		must("M9-length", all, trySample(partLength, true),
			small, "lengths within the bounds of the type").withSample(),
		should("M9-minimal", all, trySample(partMinimal, true),
			small, "lengths of no more bytes than they need").withSample(),
		must("M13-chunks", all, trySample(partPayload, true),
			small, "one object in each chunk, in snappy frames").withSample(),
		must("M14-empty", withoutBytes, trySample(partCount, false),
			"nothing but the end of the stream", "a chunk, or code 3").withSample(),
		must("S10-context", withContext, trySample(partContext, true),
			small, "each chunk with the digest of a fork that has it").withSample(),
		must("M15-version", all, tryNoVersion, "a version that there is not", "no agreement on a protocol"),
	}
}

// answersWithout3 are the protocols for which the specs do not mention code 3.
func answersWithout3(p *beacon.Protocol) bool {
	return named("status", "goodbye", "ping", "metadata", updatesByRange)(p)
}

// trySample passes if a sample has no fault in a part. With chunks it takes some to tell.
func trySample(at part, chunks bool) trier {
	return func(ctx context.Context, t *trial) (string, error) {
		got, err := t.sample(ctx)
		switch {
		case err != nil:
			return "", err
		case got.fault != nil && got.at == at:
			return "", got.fault
		case got.fault != nil:
			return "", skipped(fmt.Sprintf("the answer cannot be read: %v", got.fault))
		case got.answer.end != nil:
			return "", skipped(fmt.Sprintf("the answer is not complete: %v", got))
		case chunks && got.chunks == 0:
			return "", skipped(fmt.Sprintf("the peer has shown none: %v", got))
		}
		return got.String(), nil
	}
}

// tryEnd looks at how a sample ended.
func tryEnd(ctx context.Context, t *trial) (string, error) {
	got, err := t.sample(ctx)
	if err == nil && got.answer.end != nil {
		err = broken("%v", got.answer)
	}
	return got.String(), err
}

// tryCodes looks at the result of a sample.
func tryCodes(ctx context.Context, t *trial) (string, error) {
	got, err := t.sample(ctx)
	switch {
	case err != nil:
	case got.code > 3 && got.code < 128:
		err = broken("code %d is reserved", got.code)
	case got.fault != nil && got.at == partResult:
		err = got.fault
	}
	return got.String(), err
}

// tryUnavailable looks for a code in a sample that is valid only where the specs say so.
func tryUnavailable(ctx context.Context, t *trial) (string, error) {
	got, err := t.sample(ctx)
	return judge(got.String(), err, got.code != byte(reqresp.CodeResourceUnavailable))
}

// tryNoVersion asks for a version of a protocol that is none.
func tryNoVersion(ctx context.Context, t *trial) (string, error) {
	if err := t.pace.breathe(ctx); err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, rawTimeout)
	defer cancel()
	id := protocol.ID(fmt.Sprintf("%s/%s/%d/ssz_snappy", beacon.ProtocolPrefix, t.Method, t.Version+98))
	stream, err := t.host.NewStream(ctx, t.to, id)
	if err == nil {
		_ = stream.Reset()
		return "", broken("agreed on %s", id)
	}
	return "not supported", ctx.Err()
}
