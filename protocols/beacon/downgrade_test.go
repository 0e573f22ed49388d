package beacon_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/protocol"

	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
)

const (
	idMetaDataV1 protocol.ID = "/eth2/beacon_chain/req/metadata/1/ssz_snappy"
	idByRangeV1  protocol.ID = "/eth2/beacon_chain/req/beacon_blocks_by_range/1/ssz_snappy"
	idIdentify   protocol.ID = "/ipfs/id/1.0.0"
)

// What a peer is known to support it may have ceased to support.
func TestDowngradedPeerIsAskedByWhatItSupports(t *testing.T) {
	tests := []struct {
		name   string
		known  []protocol.ID
		serves protocol.ID
		answer []byte
		call   func(t *testing.T, c *beacon.Client, to host.Host) error
	}{
		{"status", []protocol.ID{idStatusV2}, idStatusV1, result(0, statusV1()), func(t *testing.T, c *beacon.Client,
			to host.Host,
		) error {
			got, err := c.Status(t.Context(), to.ID(), beacon.Status{})
			if err == nil && got.HeadSlot != headSlot {
				t.Errorf("status %+v", got)
			}
			return err
		}},
		{"upgraded status", []protocol.ID{idStatusV1}, idStatusV2, result(0, statusV2()), func(t *testing.T, c *beacon.Client,
			to host.Host,
		) error {
			_, err := c.Status(t.Context(), to.ID(), beacon.Status{})
			return err
		}},
		{
			"metadata by two versions",
			[]protocol.ID{idMetaDataV3, idMetaDataV2},
			idMetaDataV1, result(0, make([]byte, 16)),
			func(t *testing.T, c *beacon.Client, to host.Host) error {
				_, err := c.MetaData(t.Context(), to.ID())
				return err
			},
		},
		{"blocks", []protocol.ID{idByRange}, idByRangeV1, nil, func(t *testing.T, c *beacon.Client, to host.Host) error {
			_, err := collect(c.BlocksByRange(t.Context(), to.ID(), 1, 1))
			return err
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			simulate(t, func(t *testing.T, client, server host.Host) {
				asked := 0
				answerRaw(t, server, tt.serves, func([]byte) []byte {
					asked++
					return tt.answer
				})
				connect(t, client, server)
				settle()
				must(0, client.Peerstore().SetProtocols(server.ID(), tt.known...))
				c := newClient(client)
				for n := range 3 {
					began := time.Now()
					if err := tt.call(t, c, server); err != nil || asked != n+1 {
						t.Errorf("call %d: %v, answered %d times", n, err, asked)
					}
					// The first is refused, negotiates and asks. What it found makes for a single round trip.
					if took := time.Since(began); n > 0 && took > 3*oneWay {
						t.Errorf("call %d took %v", n, took)
					}
				}
			})
		})
	}
}

func TestPeerThatServesNothingIsAskedTwice(t *testing.T) {
	simulate(t, func(t *testing.T, client, server host.Host) {
		connect(t, client, server)
		settle()
		must(0, client.Peerstore().SetProtocols(server.ID(), idStatusV2, idStatusV1, idByRoot))
		var phases []reqresp.Phase
		c := beacon.NewClient(client, beacon.NewFamily(devNetwork()), &beacon.ClientOptions{Trace: &reqresp.Trace{
			Done: func(x *reqresp.Exchange) {
				if f, ok := errors.AsType[*reqresp.Failure](x.Err); ok {
					phases = append(phases, f.Phase)
				}
			},
		}})
		if _, err := c.Status(t.Context(), server.ID(), beacon.Status{}); !errors.Is(err, reqresp.ErrUnsupported) {
			t.Errorf("error %v, want %v", err, reqresp.ErrUnsupported)
		}
		if want := []reqresp.Phase{reqresp.PhaseFirstByte, reqresp.PhaseNegotiate}; !slices.Equal(phases, want) {
			t.Errorf("failed in phases %v, want %v", phases, want)
		}
	})
}

// The code of a refusal says nothing of the protocol once the peer has begun to answer.
func TestPeerThatRefusesAfterABlockIsNotAskedAgain(t *testing.T) {
	simulate(t, func(t *testing.T, client, server host.Host) {
		asked := 0
		server.SetStreamHandler(idByRange, func(stream network.Stream) {
			asked++
			_, _ = stream.Write(chunks(60))
			time.Sleep(time.Second)
			_ = stream.ResetWithError(network.StreamProtocolNegotiationFailed)
		})
		connect(t, client, server)
		settle()
		blocks, err := collect(newClient(client).BlocksByRange(t.Context(), server.ID(), 60, 8))
		if err == nil || len(blocks) != 1 || asked != 1 {
			t.Errorf("%d blocks, error %v, asked %d times", len(blocks), err, asked)
		}
	})
}

// A peer that comes back with an older version, and does not identify itself, gets its handshake.
func TestHandshakeWithAPeerThatWasDowngradedMeanwhile(t *testing.T) {
	simulate(t, func(t *testing.T, client, server host.Host) {
		for _, id := range []protocol.ID{idStatusV2, idStatusV1} {
			message := statusV2()
			if id == idStatusV1 {
				message = statusV1()
			}
			answerRaw(t, server, id, func([]byte) []byte { return result(0, message) })
		}
		dialer := serve(t, client, devChain(), beacon.ServerOptions{})
		connect(t, client, server)
		settle()
		if got, ok := dialer.PeerStatus(server.ID()); !ok || got.EarliestAvailableSlot != headSlot+1 {
			t.Fatalf("recorded %+v, %v, want a status/2", got, ok)
		}
		must(0, client.Network().ClosePeer(server.ID()))
		settle()
		server.RemoveStreamHandler(idIdentify)
		server.RemoveStreamHandler(idStatusV2)
		connect(t, client, server)
		settle()
		if got, ok := dialer.PeerStatus(server.ID()); !ok || got.HeadSlot != headSlot || got.EarliestAvailableSlot != 0 {
			t.Errorf("recorded %+v, %v, want a status/1", got, ok)
		}
	})
}
