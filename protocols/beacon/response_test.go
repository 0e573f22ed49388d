package beacon_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/protocol"

	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
	"github.com/seed-2dd5877b/reqresp/snappy"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// A hostileResponse answers a request for the blocks of slots 60 to 67, or for
// the roots of those of 60, 61 and 61 again.
type hostileResponse struct {
	name string
	wire []byte
	good []ssz.Slot // what is yielded before the error
	want []error    // all that the error wraps, besides reqresp.ErrViolation
}

func hostileByRange() []hostileResponse {
	electra, fulu := devBlock(63).Digest, devBlock(64).Digest
	b60 := devBlock(60).SSZ
	forged := with(devBlock(61).SSZ, 100+48, devBlock(61).SSZ[100+48]^1) // another state root
	return []hostileResponse{
		{"unknown digest", chunkOf(ssz.ForkDigest{1, 2, 3, 4}, b60), nil, []error{beacon.ErrUnknownDigest}},
		{"digest of the next fork", chunkOf(fulu, devBlock(63).SSZ), nil, []error{beacon.ErrWrongDigest}},
		{
			"digest of the fork before", join(chunks(60), chunkOf(electra, devBlock(64).SSZ)), slotRange(60, 60),
			[]error{beacon.ErrWrongDigest},
		},
		{
			"digest of other blob parameters", chunkOf(devNetwork().DigestAt(412672), devBlock(64).SSZ), nil,
			[]error{beacon.ErrWrongDigest},
		},
		{"slot before the range", chunks(59), nil, []error{beacon.ErrOutOfRange}},
		{"slot after the range", chunks(68), nil, []error{beacon.ErrOutOfRange}},
		{
			"slot after the range later", join(chunks(slotRange(60, 67)[:7]...), chunks(68)), slotRange(60, 66),
			[]error{beacon.ErrOutOfRange},
		},
		{"descending", chunks(61, 60), slotRange(61, 61), []error{beacon.ErrSlotOrder}},
		{"repeated", chunks(60, 61, 61), slotRange(60, 61), []error{beacon.ErrSlotOrder}},
		{"slot left out", chunks(60, 62), slotRange(60, 60), []error{beacon.ErrNotLinked}},
		{
			"forged block", join(chunks(60), chunkOf(electra, forged), chunks(62)), slotRange(60, 61),
			[]error{beacon.ErrNotLinked},
		},
		{
			"more than asked for", join(chunks(slotRange(60, 67)...), chunks(68)), slotRange(60, 67),
			[]error{reqresp.ErrTooManyChunks},
		},
		{
			"garbage after the last", join(chunks(slotRange(60, 67)...), unhex("00")), slotRange(60, 67),
			[]error{reqresp.ErrTooManyChunks},
		},
		{
			"message not where it must be", chunkOf(electra, with(b60, 0, 101)), nil,
			[]error{beacon.ErrMalformed, ssz.ErrOffset},
		},
		{"offset into nowhere", chunkOf(electra, with(b60, 100+80, 0xff)), nil, []error{beacon.ErrMalformed, ssz.ErrOffset}},
		{"trailing byte in the block", chunkOf(electra, join(b60, []byte{1})), nil, []error{beacon.ErrMalformed}},
		{"too short for a block", chunkOf(electra, b60[:200]), nil, []error{snappy.ErrTooSmall}},
		{"empty block", chunkOf(electra, nil), nil, []error{snappy.ErrTooSmall}},
		{
			"over MAX_PAYLOAD_SIZE", join([]byte{0}, electra[:], binary.AppendUvarint(nil, 10<<20+1)), nil,
			[]error{snappy.ErrTooLarge},
		},
		{"length not minimal", join([]byte{0}, electra[:], unhex("ff8000")), nil, []error{snappy.ErrVarintNotMinimal}},
		{
			"length overflow", join([]byte{0}, electra[:], bytes.Repeat([]byte{0xff}, 11)), nil,
			[]error{snappy.ErrVarintOverflow},
		},
		{"no frames", join(chunk(devBlock(60))[:7], b60), nil, []error{snappy.ErrNoStreamIdentifier}},
		{"wrong checksum", with(chunk(devBlock(60)), 7+14, 0), nil, []error{snappy.ErrChecksum}},
		{"frames of too much", join(chunk(devBlock(60))[:7], frames(join(b60, b60))), nil, []error{snappy.ErrLengthExceeded}},
		{"long error message", result(2, bytes.Repeat([]byte("x"), 257)), nil, []error{snappy.ErrTooLarge}},
		{
			"chunk after an error", join(chunks(60), result(2, []byte("no")), chunks(61)), slotRange(60, 60),
			[]error{reqresp.ErrAfterError},
		},
		{"byte after an error", join(result(2, []byte("no")), []byte{0}), nil, []error{reqresp.ErrAfterError}},
		{
			"error message of bad frames", join([]byte{2, 5}, []byte("hello, world")), nil,
			[]error{snappy.ErrNoStreamIdentifier},
		},
	}
}

func truncatedByRange() []hostileResponse {
	whole := join(chunks(60), chunks(61))
	cut := func(n int) []byte { return whole[:len(chunks(60))+n] }
	early := []error{io.ErrUnexpectedEOF}
	return []hostileResponse{
		{"after the result", cut(1), slotRange(60, 60), early},
		{"in the context bytes", cut(3), slotRange(60, 60), early},
		{"after the context bytes", cut(5), slotRange(60, 60), early},
		{"in the length", cut(6), slotRange(60, 60), early},
		{"after the length", cut(7), slotRange(60, 60), early},
		{"in a frame", cut(500), slotRange(60, 60), early},
		{"before the last byte", whole[:len(whole)-1], slotRange(60, 60), early},
		{"in an error message", result(2, []byte("hello"))[:9], nil, early},
	}
}

func hostileByRoot() []hostileResponse {
	return []hostileResponse{
		{"not asked for", chunks(60, 62), slotRange(60, 60), []error{beacon.ErrUnexpectedRoot}},
		{"the same again", chunks(60, 60), slotRange(60, 60), []error{beacon.ErrUnexpectedRoot}},
		{"once more than asked for", chunks(61, 61, 61), []ssz.Slot{61, 61}, []error{beacon.ErrUnexpectedRoot}},
		{"more than asked for", chunks(60, 61, 61, 61), []ssz.Slot{60, 61, 61}, []error{reqresp.ErrTooManyChunks}},
		{"wrong digest", chunkOf(devBlock(64).Digest, devBlock(60).SSZ), nil, []error{beacon.ErrWrongDigest}},
		{"unknown digest", chunkOf(ssz.ForkDigest{}, devBlock(60).SSZ), nil, []error{beacon.ErrUnknownDigest}},
	}
}

// askByRange and askByRoot make the requests that the responses are to.
func askByRange(t *testing.T, c *beacon.Client, to host.Host) ([]*beacon.Block, error) {
	return collect(c.BlocksByRange(t.Context(), to.ID(), 60, 8))
}

func askByRoot(t *testing.T, c *beacon.Client, to host.Host) ([]*beacon.Block, error) {
	return collect(c.BlocksByRoot(t.Context(), to.ID(), rootsOf(60, 61, 61)))
}

func TestViolationsAreToldApart(t *testing.T) {
	for _, tt := range []struct {
		name  string
		id    protocol.ID
		ask   func(*testing.T, *beacon.Client, host.Host) ([]*beacon.Block, error)
		cases []hostileResponse
		ended bool
	}{
		{"by range", idByRange, askByRange, hostileByRange(), false},
		{"by root", idByRoot, askByRoot, hostileByRoot(), false},
		{"truncated", idByRange, askByRange, truncatedByRange(), true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			simulate(t, func(t *testing.T, client, server host.Host) {
				c := newClient(client)
				for _, hostile := range tt.cases {
					seen := respondRaw(t, server, tt.id, hostile.wire, tt.ended)
					blocks, err := tt.ask(t, c, server)
					hostile.check(t, blocks, err)
					if err := <-seen; !tt.ended && !errors.Is(err, resetWith(network.StreamProtocolViolation)) {
						t.Errorf("%s: the responder saw %v", hostile.name, err)
					}
				}
			})
		})
	}
}

func (h hostileResponse) check(t *testing.T, blocks []*beacon.Block, err error) {
	t.Helper()
	if _, ok := errors.AsType[*reqresp.Failure](err); !ok || !errors.Is(err, reqresp.ErrViolation) {
		t.Errorf("%s: got %v, want a violation", h.name, err)
	}
	for _, sentinel := range violations {
		if want := slices.Contains(h.want, sentinel); errors.Is(err, sentinel) != want {
			t.Errorf("%s: got %v, which wraps %v: %v", h.name, err, sentinel, !want)
		}
	}
	for _, want := range h.want {
		if !errors.Is(err, want) {
			t.Errorf("%s: got %v, which does not wrap %v", h.name, err, want)
		}
	}
	if got := slotsOf(blocks); !slices.Equal(got, h.good) {
		t.Errorf("%s: got blocks %d, want %d", h.name, got, h.good)
	}
}

// violations are the breaches that callers tell apart. No two go together.
var violations = []error{
	beacon.ErrUnknownDigest, beacon.ErrWrongDigest, beacon.ErrOutOfRange, beacon.ErrSlotOrder, beacon.ErrNotLinked,
	beacon.ErrUnexpectedRoot, beacon.ErrMalformed, reqresp.ErrTooManyChunks, reqresp.ErrNoResponse, reqresp.ErrAfterError,
}

func resetWith(code network.StreamErrorCode) error {
	return &network.StreamError{ErrorCode: code, Remote: true}
}

// respondRaw answers the next requests with some bytes. Unless the stream is to be ended, it
// then writes one byte a minute until that fails, and tells why.
func respondRaw(t testing.TB, h host.Host, id protocol.ID, wire []byte, ended bool) <-chan error {
	seen := make(chan error, 1)
	h.SetStreamHandler(id, func(stream network.Stream) {
		_, err := io.Copy(io.Discard, stream)
		if err == nil {
			_, err = stream.Write(wire)
		}
		if ended {
			_ = stream.Close()
			seen <- err
			return
		}
		for err == nil {
			time.Sleep(time.Minute)
			_, err = stream.Write([]byte{0})
		}
		seen <- err
	})
	t.Cleanup(func() { h.RemoveStreamHandler(id) })
	return seen
}

func TestPartialResponsesAreNoViolation(t *testing.T) {
	simulate(t, func(t *testing.T, client, server host.Host) {
		c := newClient(client)
		for _, slots := range [][]ssz.Slot{nil, {60}, {67}, {60, 61}, slotRange(60, 66), slotRange(60, 67)} {
			answerRaw(t, server, idByRange, func([]byte) []byte { return chunks(slots...) })
			blocks, err := askByRange(t, c, server)
			if err != nil || !slices.Equal(slotsOf(blocks), slots) {
				t.Errorf("by range: got %d, %v, want %d", slotsOf(blocks), err, slots)
			}
		}
		for _, slots := range [][]ssz.Slot{nil, {61}, {61, 60}, {61, 60, 61}} {
			answerRaw(t, server, idByRoot, func([]byte) []byte { return chunks(slots...) })
			blocks, err := askByRoot(t, c, server)
			if err != nil || !slices.Equal(slotsOf(blocks), slots) {
				t.Errorf("by root: got %d, %v, want %d", slotsOf(blocks), err, slots)
			}
		}
	})
}

func TestVerdictsEndResponses(t *testing.T) {
	long := strings.Repeat("x", 256)
	tests := []struct {
		name string
		wire []byte
		good []ssz.Slot
		want reqresp.Error
	}{
		{"first", result(3, []byte("no")), nil, reqresp.Error{Code: 3, Message: "no"}},
		{"later", join(chunks(60, 61), result(2, []byte("no"))), slotRange(60, 61), reqresp.Error{Code: 2, Message: "no"}},
		{
			"after all that was asked for", join(chunks(slotRange(60, 67)...), result(2, []byte("no"))), slotRange(60, 67),
			reqresp.Error{Code: 2, Message: "no"},
		},
		{"reserved code", result(4, []byte("no")), nil, reqresp.Error{Code: 4, Message: "no"}},
		{"client's own code", result(255, []byte("no")), nil, reqresp.Error{Code: 255, Message: "no"}},
		{"longest message", result(1, []byte(long)), nil, reqresp.Error{Code: 1, Message: long}},
		{"any bytes", result(1, []byte("\xff\x00")), nil, reqresp.Error{Code: 1, Message: "\xff\x00"}},
		{"empty message", result(1, nil), nil, reqresp.Error{Code: 1}},
		{"no message", []byte{1}, nil, reqresp.Error{Code: 1}},
	}
	simulate(t, func(t *testing.T, client, server host.Host) {
		c := newClient(client)
		for _, tt := range tests {
			answerRaw(t, server, idByRange, func([]byte) []byte { return tt.wire })
			blocks, err := askByRange(t, c, server)
			e, ok := errors.AsType[*reqresp.Error](err)
			if !ok || !e.Remote || e.Code != tt.want.Code || e.Message != tt.want.Message {
				t.Errorf("%s: got %v, want %v", tt.name, err, &tt.want)
			}
			if !slices.Equal(slotsOf(blocks), tt.good) {
				t.Errorf("%s: got blocks %d, want %d", tt.name, slotsOf(blocks), tt.good)
			}
		}
	})
}
