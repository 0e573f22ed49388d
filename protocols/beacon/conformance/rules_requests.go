package conformance

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/network"

	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/snappy"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// malformed is the demands on how requests are read. Their requests break a rule themselves, so who is not
// to be hostile sends few of them, by ping and one by a list of roots: Prysm counts two of those, and bans
// after six.
func malformed() []demand {
	butPing := except(all, named("ping"))
	butList := except(butPing, version(blocksByRoot, 2))
	never := rows(all)
	return []demand{
		must("M5-open", withRequest, tryOpen,
			"half a request, and no end", "no success before it is complete").withRough(all, all),
		must("M6-short", withRequest, tryBad(short, code1),
			"a request that lacks its last byte", "code 1").withRough(all, butList),
		should("M9-claim", withRequest, tryBad(claim, unserved),
			"a request that claims 10 MiB", "an error, or a reset").withRough(all, never),
		should("M9-varint", withRequest, tryBad(longVarint, unserved),
			"a request whose length has 11 bytes", "an error, or a reset").withRough(all, never),
		must("M10-compressed", withRequest, tryBad(padded, unserved),
			"a request of more bytes than max_compressed_len", "an error, or a reset").withRough(all, never),
		must("M11-trailing", withRequest, tryBad(trailing, code1),
			"a request and a byte after it", "code 1").withRough(all, butPing),
		must("M11-early", withRequest, tryBad(half, code1), "half a request", "code 1").withRough(all, never),
		must("M13-frames", withRequest, tryBad(unframed, code1),
			"a request without snappy frames", "code 1").withRough(all, never),
		must("M14-bytes", withoutBytes, tryBad(stray, code1),
			"bytes where none belong", "code 1").withRough(all, never),
	}
}

// pressure is the demands on who is asked for too much.
func pressure() []demand {
	stays := except(all, named("goodbye"))
	return []demand{
		may("M3-third", stays, tryThree,
			"three times at once", "three answers in good order, at most a penalty").withHostile(),
		must("M7-limit", stays, tryBurst,
			"eight times without a pause", "eight answers, however late: no error and no reset").withHostile(),
	}
}

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

// The ways to encode a request wrongly.

func short(message []byte) []byte { return payload(message[:len(message)-1]) }

func claim(message []byte) []byte {
	return snappy.AppendFrames(binary.AppendUvarint(nil, snappy.MaxPayloadSize), message)
}

func longVarint(message []byte) []byte {
	return snappy.AppendFrames(append(bytes.Repeat([]byte{0x80}, 10), 0), message)
}

// padded has a padding chunk before the data that takes it beyond max_compressed_len.
func padded(message []byte) []byte {
	const identifier, padding = 10, 0xfe
	n := snappy.MaxCompressedLen(len(message))
	frames := snappy.AppendFrames(nil, message)
	wire := append(snappy.AppendHeader(nil, len(message)), frames[:identifier]...)
	wire = append(wire, padding, byte(n), byte(n>>8), byte(n>>16))
	return append(append(wire, make([]byte, n)...), frames[identifier:]...)
}

func trailing(message []byte) []byte { return append(payload(message), 0) }

func half(message []byte) []byte {
	wire := payload(message)
	return wire[:len(wire)/2+1]
}

func unframed(message []byte) []byte {
	return append(snappy.AppendHeader(nil, len(message)), message...)
}

func stray([]byte) []byte { return payload(make([]byte, 8)) }

// tryBad sends a request that is encoded wrongly.
func tryBad(encode func(message []byte) []byte, good func(answer) bool) trier {
	return func(ctx context.Context, t *trial) (string, error) {
		message, _ := t.ask(ctx)
		a, err := t.raw(ctx, 1, encode(message))
		return judge(a.String(), err, good(a))
	}
}

// openTime is for how long an answer to a request without an end is waited for.
const openTime = 15 * time.Second

// tryOpen sends half a request and leaves the stream open.
func tryOpen(ctx context.Context, t *trial) (string, error) {
	message, items := t.ask(ctx)
	if err := t.pace.wait(ctx, t.Method, items); err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, openTime)
	defer cancel()
	stream, err := t.open(ctx, openTime)
	if err != nil {
		return "", err
	}
	defer func() { _ = stream.Reset() }()
	if _, err := stream.Write(half(message)); err != nil {
		return fmt.Sprintf("then %v", err), nil
	}
	var result [1]byte
	n, err := stream.Read(result[:])
	switch {
	case n == 0:
		return fmt.Sprintf("no answer, then %v", err), nil
	case result[0] == 0:
		return "", broken("an answer that begins with result 0")
	}
	return fmt.Sprintf("code %d", result[0]), nil
}

// good returns a request with which nothing is wrong, by a protocol that can be asked.
func (t *trial) good(ctx context.Context) (wire []byte, err error) {
	if err := t.old(); err != nil {
		return nil, err
	}
	message, _ := t.ask(ctx)
	return t.encode(message), nil
}

// tryThree asks three times at once, one more than MAX_CONCURRENT_REQUESTS. The answers are read at once
// too: without flow control, as in mplex, one that is not read may hold up the others.
func tryThree(ctx context.Context, t *trial) (string, error) {
	wire, err := t.good(ctx)
	if err != nil {
		return "", err
	}
	var streams [3]network.Stream
	for i := range streams {
		stream, err := t.open(ctx, burstTimeout)
		if err != nil {
			return "", err
		}
		defer func() { _ = stream.Reset() }()
		streams[i] = stream
	}
	var answers [len(streams)]answer
	var errs [len(streams)]error
	var calls sync.WaitGroup
	for i, stream := range streams {
		calls.Go(func() {
			_, _ = stream.Write(wire)
			_ = stream.CloseWrite()
			answers[i], errs[i] = readAnswer(stream)
		})
	}
	calls.Wait()
	if err := errors.Join(errs[:]...); err != nil {
		return "", err
	}
	return t.threeAnswers(answers[:])
}

// threeAnswers allows for a penalty: a refusal of one of them, or a disconnect.
func (t *trial) threeAnswers(answers []answer) (string, error) {
	if t.host.Network().Connectedness(t.to) != network.Connected {
		return "a disconnect", nil
	}
	saw := "three answers"
	for i, a := range answers {
		err := t.inGoodOrder(a)
		_, _, code := a.errorChunk()
		if refusal := code || a.end != nil; err != nil && refusal && saw == "three answers" {
			saw = fmt.Sprintf("two answers, and a penalty: %v", a)
			continue
		}
		if err != nil {
			return "", fmt.Errorf("answer %d of 3: %w", i+1, err)
		}
	}
	return saw, nil
}

// burstTimeout is how long an answer may be withheld.
const burstTimeout = 5 * time.Minute

// tryBurst asks without a pause, beyond what any server grants.
func tryBurst(ctx context.Context, t *trial) (string, error) {
	wire, err := t.good(ctx)
	if err != nil {
		return "", err
	}
	const times = 8
	begin := time.Now()
	for range times {
		a, err := t.send(ctx, wire, burstTimeout)
		if err := cmp.Or(err, t.inGoodOrder(a)); err != nil {
			return "", err
		}
	}
	return fmt.Sprintf("%d answers in %v", times, time.Since(begin).Round(time.Millisecond)), nil
}

// inGoodOrder checks that an answer is complete and is no limit on rates.
func (t *trial) inGoodOrder(a answer) error {
	if err := a.limited(); err != nil || a.end != nil {
		return broken("%v", a)
	}
	return t.takeApart(a, t.most()).fault
}

// most returns the maximum of the rule's protocol now.
func (t *trial) most() uint64 {
	return t.row.MaxItems(t.network.ForkAt(t.network.EpochOf(t.currentSlot())))
}

// noMore asks for too much, and counts what comes.
func (t *trial) noMore(ctx context.Context, request marshaler) (string, error) {
	if err := t.pace.wait(ctx, t.Method, t.most()); err != nil {
		return "", err
	}
	a, err := t.send(ctx, payload(encode(request)), burstTimeout)
	if err := cmp.Or(err, a.limited()); err != nil {
		return "", err
	}
	taken := t.takeApart(a, t.most())
	return taken.String(), taken.fault
}

func tryMoreOfRange(ctx context.Context, t *trial) (string, error) {
	first := max(t.row.ServedFrom(t.currentSlot()), t.theirs.EarliestAvailableSlot)
	if t.Method == updatesByRange {
		first = 0 // periods
	}
	return t.noMore(ctx, rangeOf(t.Method, first, t.most()+1))
}

func tryMoreAncestors(ctx context.Context, t *trial) (string, error) {
	return t.noMore(ctx, &ssz.BeaconBlocksByHeadRequest{BeaconRoot: t.theirs.HeadRoot, Count: t.most() + 1})
}

func tryMoreRoots(ctx context.Context, t *trial) (string, error) {
	a, err := t.raw(ctx, t.most(), payload(tooMany(t.Method, t.most()+1)))
	// The length of a list of columns is within the bounds: it is their number that is not.
	return judge(a.String(), err, unserved(a) && (t.Method != columnsByRoot || code1(a)))
}

// tooMany is a request for a number of objects by root.
func tooMany(method string, n uint64) (message []byte) {
	switch method {
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
