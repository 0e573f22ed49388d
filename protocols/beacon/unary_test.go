package beacon_test

import (
	"errors"
	"io"
	"slices"
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

func TestMalformedAnswersAreViolations(t *testing.T) {
	status := func(t *testing.T, c *beacon.Client, to host.Host) error {
		_, err := c.Status(t.Context(), to.ID(), beacon.Status{})
		return err
	}
	ping := func(t *testing.T, c *beacon.Client, to host.Host) error {
		_, err := c.Ping(t.Context(), to.ID(), 1)
		return err
	}
	metaData := func(t *testing.T, c *beacon.Client, to host.Host) error {
		_, err := c.MetaData(t.Context(), to.ID())
		return err
	}
	goodbye := func(t *testing.T, c *beacon.Client, to host.Host) error {
		return c.Goodbye(t.Context(), to.ID(), beacon.GoodbyeBanned)
	}
	tests := []struct {
		name string
		id   protocol.ID
		call func(*testing.T, *beacon.Client, host.Host) error
		wire []byte
		want error
	}{
		{"no status", idStatusV2, status, nil, reqresp.ErrNoResponse},
		{"status/1 for status/2", idStatusV2, status, result(0, statusV1()), snappy.ErrTooSmall},
		{"long status", idStatusV2, status, result(0, join(statusV2(), uints(0))), snappy.ErrTooLarge},
		{"two statuses", idStatusV2, status, join(result(0, statusV2()), result(0, statusV2())), reqresp.ErrTooManyChunks},
		{"half a status", idStatusV2, status, result(0, statusV2())[:40], io.ErrUnexpectedEOF},
		{"context bytes", idPing, ping, join([]byte{0, 1, 2, 3, 4}, ping9), snappy.ErrTooSmall},
		{"no pong", idPing, ping, nil, reqresp.ErrNoResponse},
		{"trailing byte", idPing, ping, join(success(ping9), []byte{0}), reqresp.ErrTooManyChunks},
		{"metadata/2 for metadata/3", idMetaDataV3, metaData, success(metaData2), snappy.ErrTooSmall},
		{"metadata/3 for metadata/2", idMetaDataV2, metaData, success(metaData3), snappy.ErrTooLarge},
		{
			"bits of no subnet", idMetaDataV3, metaData, result(0, with(join(uints(9, 0), []byte{0}, uints(4)), 16, 0x10)),
			ssz.ErrPadding,
		},
		{"no goodbye", idGoodbye, goodbye, nil, reqresp.ErrNoResponse},
	}
	simulate(t, func(t *testing.T, client, server host.Host) {
		c := newClient(client)
		for _, tt := range tests {
			answerRaw(t, server, tt.id, func([]byte) []byte { return tt.wire })
			connect(t, client, server)
			err := tt.call(t, c, server)
			if !errors.Is(err, reqresp.ErrViolation) || !errors.Is(err, tt.want) {
				t.Errorf("%s: got %v, want a violation and %v", tt.name, err, tt.want)
			}
			forgetProtocol(client, server, tt.id)
		}
	})
}

// forgetProtocol undoes answerRaw, also in what the client knows of its peer.
func forgetProtocol(client, server host.Host, id protocol.ID) {
	must(0, client.Network().ClosePeer(server.ID()))
	server.RemoveStreamHandler(id)
	must(0, client.Peerstore().SetProtocols(server.ID()))
}

// The timeouts of a response are errors, but no violations.
func TestStalledResponsesTimeOut(t *testing.T) {
	electra := devBlock(60).Digest
	tests := []struct {
		name  string
		wire  []byte
		phase reqresp.Phase
		after time.Duration
	}{
		{"nothing", nil, reqresp.PhaseFirstByte, reqresp.DefaultFirstByteTimeout},
		{"half of a chunk", chunks(60)[:500], reqresp.PhaseResponse, reqresp.DefaultProgressTimeout},
		{"one chunk", chunks(60), reqresp.PhaseResponse, reqresp.DefaultProgressTimeout},
		{
			"claim of 10 MiB", join([]byte{0}, electra[:], unhex("80808005"), []byte("\xff\x06\x00\x00sNaPpY")),
			reqresp.PhaseResponse, reqresp.DefaultProgressTimeout,
		},
		{"half of an error", result(2, []byte("hello"))[:10], reqresp.PhaseResponse, reqresp.DefaultProgressTimeout},
	}
	simulate(t, func(t *testing.T, client, server host.Host) {
		c := newClient(client)
		for _, tt := range tests {
			seen := respondRaw(t, server, idByRange, tt.wire, false)
			connect(t, client, server)
			start := time.Now()
			_, err := askByRange(t, c, server)
			f, ok := errors.AsType[*reqresp.Failure](err)
			if !ok || f.Phase != tt.phase || !errors.Is(err, reqresp.ErrTimeout) || errors.Is(err, reqresp.ErrViolation) {
				t.Errorf("%s: got %v, want a timeout in phase %v", tt.name, err, tt.phase)
			}
			if took := time.Since(start); took < tt.after || took > tt.after+time.Second {
				t.Errorf("%s: timed out after %v, want %v", tt.name, took, tt.after)
			}
			if err := <-seen; !errors.Is(err, resetWith(network.StreamGarbageCollected)) {
				t.Errorf("%s: the responder saw %v", tt.name, err)
			}
		}
	})
}

func TestBreakingOutOfBlocksStopsThePeer(t *testing.T) {
	simulate(t, func(t *testing.T, client, server host.Host) {
		seen := respondRaw(t, server, idByRange, chunks(60, 61, 62), false)
		var got []ssz.Slot
		for block, err := range newClient(client).BlocksByRange(t.Context(), server.ID(), 60, 8) {
			if err != nil {
				t.Fatal(err)
			}
			if got = append(got, block.Slot); len(got) == 2 {
				break
			}
		}
		if !slices.Equal(got, slotRange(60, 61)) {
			t.Errorf("got %d", got)
		}
		if err := <-seen; !errors.Is(err, resetWith(network.StreamGarbageCollected)) {
			t.Errorf("the responder saw %v", err)
		}
	})
}
