package conformance

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/protocol"

	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/snappy"
)

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
	return func(ctx context.Context, s *session, r *Rule) (string, error) {
		message, _ := s.ask(ctx, s.row(r.Method, r.Version))
		return s.expect(ctx, r, encode(message), good)
	}
}

// openTime is for how long an answer to a request without an end is waited for.
const openTime = 15 * time.Second

// tryOpen sends half a request and leaves the stream open.
func tryOpen(ctx context.Context, s *session, r *Rule) (string, error) {
	p := s.row(r.Method, r.Version)
	message, items := s.ask(ctx, p)
	if err := s.pace.wait(ctx, r.Method, items); err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, openTime)
	defer cancel()
	stream, err := s.open(ctx, r, openTime)
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

// good is a request with which nothing is wrong, by a protocol that can be asked.
func (s *session) good(ctx context.Context, r *Rule) (p *beacon.Protocol, wire []byte, err error) {
	if err := s.old(r); err != nil {
		return nil, nil, err
	}
	p = s.row(r.Method, r.Version)
	message, _ := s.ask(ctx, p)
	return p, wireOf(p, message), nil
}

// tryThree asks three times at once, one more than MAX_CONCURRENT_REQUESTS. The answers are read at once
// too: without flow control, as in mplex, one that is not read may hold up the others.
func tryThree(ctx context.Context, s *session, r *Rule) (string, error) {
	p, wire, err := s.good(ctx, r)
	if err != nil {
		return "", err
	}
	var streams [3]network.Stream
	for i := range streams {
		stream, err := s.open(ctx, r, burstTimeout)
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
	return s.threeAnswers(p, answers[:])
}

// threeAnswers allows for a penalty: a refusal of one of them, or a disconnect.
func (s *session) threeAnswers(p *beacon.Protocol, answers []answer) (string, error) {
	if s.host.Network().Connectedness(s.to) != network.Connected {
		return "a disconnect", nil
	}
	saw := "three answers"
	for i, a := range answers {
		err := s.inGoodOrder(p, a)
		_, _, code := a.verdict()
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
func tryBurst(ctx context.Context, s *session, r *Rule) (string, error) {
	p, wire, err := s.good(ctx, r)
	if err != nil {
		return "", err
	}
	const times = 8
	begin := time.Now()
	for range times {
		a, err := s.send(ctx, r, wire, burstTimeout)
		if err != nil {
			return "", err
		}
		if err := s.inGoodOrder(p, a); err != nil {
			return "", err
		}
	}
	return fmt.Sprintf("%d answers in %v", times, time.Since(begin).Round(time.Millisecond)), nil
}

// inGoodOrder checks that an answer is complete and is no limit on rates.
func (s *session) inGoodOrder(p *beacon.Protocol, a answer) error {
	if err := a.limited(); err != nil || a.end != nil {
		return broken("%v", a)
	}
	t := sample{answer: a, asked: p.MaxItems(s.network.ForkAt(s.network.EpochOf(s.currentSlot())))}
	t.read(s.network, p)
	return t.fault
}

// tryNoVersion asks for a version of a protocol that is none.
func tryNoVersion(ctx context.Context, s *session, r *Rule) (string, error) {
	if err := s.pace.breathe(ctx); err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, rawTimeout)
	defer cancel()
	id := protocol.ID(fmt.Sprintf("%s/%s/%d/ssz_snappy", beacon.ProtocolPrefix, r.Method, r.Version+98))
	stream, err := s.host.NewStream(ctx, s.to, id)
	if err == nil {
		_ = stream.Reset()
		return "", broken("agreed on %s", id)
	}
	if ctx.Err() != nil {
		return "", ctx.Err()
	}
	return "not supported", nil
}
