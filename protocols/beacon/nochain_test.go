package beacon_test

import (
	"bytes"
	"context"
	"errors"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"

	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon/beacontest"
	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// takePart starts what the README shows for a program that only asks.
func takePart(t *testing.T, h host.Host) *beacon.Server {
	t.Helper()
	return serve(t, h, beacon.NoChain, beacon.ServerOptions{})
}

// A watchful peer asks as deployed clients do: for status, ping and metadata at 16 to 25 s, and then by a ping every
// 20 s. It returns the reason of the goodbye that it says to a peer which does not answer, after 50 s at most, or 0
// if all was answered for so long.
func watch(ctx context.Context, c *beacon.Client, to host.Host, forLong time.Duration) beacon.GoodbyeReason {
	begin := time.Now()
	silent := func(ask func(context.Context) error) bool {
		ctx, cancel := context.WithTimeout(ctx, 25*time.Second)
		defer cancel()
		return ask(ctx) != nil
	}
	ping := func(ctx context.Context) error { _, err := c.Ping(ctx, to.ID(), 1); return err }
	status := func(ctx context.Context) error {
		digest := devNetwork().DigestAt(devNetwork().EpochOf(headSlot))
		_, err := c.Status(ctx, to.ID(), beacon.Status{ForkDigest: digest, HeadSlot: headSlot})
		return err
	}
	metadata := func(ctx context.Context) error { _, err := c.MetaData(ctx, to.ID()); return err }
	time.Sleep(16 * time.Second)
	for _, ask := range []func(context.Context) error{status, ping, metadata} {
		if silent(ask) {
			_ = c.Goodbye(ctx, to.ID(), beacon.GoodbyeBadScore)
			return beacon.GoodbyeBadScore
		}
		time.Sleep(4 * time.Second)
	}
	for time.Since(begin) < forLong {
		if silent(ping) {
			_ = c.Goodbye(ctx, to.ID(), beacon.GoodbyeBadScore)
			return beacon.GoodbyeBadScore
		}
		time.Sleep(20 * time.Second)
	}
	return 0
}

// A program that only asks answers whatever peers want to know of it, for as long as it runs.
func TestServerWithoutAChainAnswersWatchfulPeers(t *testing.T) {
	simulate(t, func(t *testing.T, client, server host.Host) {
		program := takePart(t, client)
		asks := newClient(server)
		connect(t, client, server)
		if reason := watch(t.Context(), asks, client, 5*time.Minute); reason != 0 {
			t.Errorf("the peer says goodbye: %v", reason)
		}
		if !connected(client, server) || program.Client() == nil {
			t.Error("not connected any more")
		}
	})
}

// The control: with a client alone there is nobody to answer.
func TestClientAloneIsLeftByWatchfulPeers(t *testing.T) {
	simulate(t, func(t *testing.T, client, server host.Host) {
		_ = newClient(client)
		asks := newClient(server)
		connect(t, client, server)
		if reason := watch(t.Context(), asks, client, time.Minute); reason != beacon.GoodbyeBadScore {
			t.Errorf("the peer says goodbye: %v", reason)
		}
	})
}

// offersOf returns the protocols of the domain that a server of a chain offers at a slot.
func offersOf(t *testing.T, chain beacon.Chain, at ssz.Slot) (ids []protocol.ID) {
	t.Helper()
	simulate(t, func(t *testing.T, client, server host.Host) {
		late := devNetwork().TimeAt(at)
		serve(t, server, chain, beacon.ServerOptions{Now: func() time.Time { return late }})
		connect(t, client, server)
		settle()
		for _, id := range must(client.Peerstore().GetProtocols(server.ID())) {
			if bytes.HasPrefix([]byte(id), []byte(beacon.ProtocolPrefix)) {
				ids = append(ids, id)
			}
		}
		slices.Sort(ids)
	})
	return ids
}

// A peer holds it against a node that it refuses a protocol of the fork: it offers them all, at every fork.
func TestServerWithoutAChainOffersWhatAnyServerDoes(t *testing.T) {
	const columns = beacon.ProtocolPrefix + "/data_column_sidecars_by_"
	for at, least := range map[ssz.Slot][]protocol.ID{
		firstSlot: {idGoodbye, idMetaDataV2, idPing, idStatusV1, idByRange, idByRoot},
		1000: {
			idGoodbye, idMetaDataV3, idPing, idStatusV2, idByRange, idByRoot,
			columns + "range/1/ssz_snappy", columns + "root/1/ssz_snappy",
		},
	} {
		got, want := offersOf(t, beacon.NoChain, at), offersOf(t, beacontest.BlocksOnly{Chain: devChain()}, at)
		if !slices.Equal(got, want) {
			t.Errorf("slot %d: offers %q, want %q", at, got, want)
		}
		for _, id := range least {
			if !slices.Contains(got, id) {
				t.Errorf("slot %d: does not offer %s", at, id)
			}
		}
	}
}

// Requests by range are told that nothing is available, those by root get nothing.
func TestServerWithoutAChainAnswersThatItHoldsNothing(t *testing.T) {
	late := devNetwork().TimeAt(1000)
	simulate(t, func(t *testing.T, client, server host.Host) {
		now := func() time.Time { return late }
		serve(t, client, beacon.NoChain, beacon.ServerOptions{Now: now})
		c := newClient(server)
		ctx, to := t.Context(), client.ID()
		roots := []ssz.Root{{1}}
		columns := []uint64{0, 1, 2, 3}
		isUnavailable := func(err error) bool {
			e, ok := errors.AsType[*reqresp.Error](err)
			return ok && e.Remote && e.Code == reqresp.CodeResourceUnavailable
		}
		column := func(d *beacon.DataColumnSidecar) []byte { return d.SSZ }
		block := func(b *beacon.Block) []byte { return b.SSZ }
		if got, err := drain(c.BlocksByRange(ctx, to, 990, 8), block); len(got) > 0 || !isUnavailable(err) {
			t.Errorf("blocks by range: %d, %v", len(got), err)
		}
		if got, err := drain(c.DataColumnSidecarsByRange(ctx, to, 990, 8, columns), column); len(got) > 0 ||
			!isUnavailable(err) {
			t.Errorf("columns by range: %d, %v", len(got), err)
		}
		if got, err := drain(c.BlocksByRoot(ctx, to, roots), block); len(got) > 0 || err != nil {
			t.Errorf("blocks by root: %d, %v", len(got), err)
		}
		ids := []ssz.DataColumnsByRootIdentifier{{BlockRoot: roots[0], Columns: columns}}
		if got, err := drain(c.DataColumnSidecarsByRoot(ctx, to, ids), column); len(got) > 0 || err != nil {
			t.Errorf("columns by root: %d, %v", len(got), err)
		}
	})
}

// Each peer is told its own view of the chain, of which no block is held, and with our fork digest.
func TestServerWithoutAChainTellsPeersTheirOwnView(t *testing.T) {
	digest := devNetwork().DigestAt(devNetwork().EpochOf(headSlot))
	theirs := beacon.Status{
		ForkDigest: digest, FinalizedRoot: ssz.Root{1}, FinalizedEpoch: 2, HeadRoot: ssz.Root{3}, HeadSlot: 99,
		EarliestAvailableSlot: 4,
	}
	mirrored := theirs
	mirrored.EarliestAvailableSlot = 100
	last := theirs
	last.HeadSlot = math.MaxUint64
	lastMirrored := last
	lastMirrored.EarliestAvailableSlot = math.MaxUint64
	other := theirs
	other.ForkDigest = ssz.ForkDigest{9}
	simulate(t, func(t *testing.T, client, server host.Host) {
		program := takePart(t, client)
		c := newClient(server)
		for _, tt := range []struct{ told, want beacon.Status }{{theirs, mirrored}, {last, lastMirrored}, {other, mirrored}} {
			if got, err := c.Status(t.Context(), client.ID(), tt.told); err != nil || got != tt.want {
				t.Errorf("told %+v: got %+v, %v, want %+v", tt.told, got, err, tt.want)
			}
		}
		want := beacon.Status{ForkDigest: digest, EarliestAvailableSlot: 1}
		if got, err := program.Status(t.Context()); err != nil || got != want {
			t.Errorf("its own status is %+v, %v, want %+v", got, err, want)
		}
	})
}

// A handshake tells a peer of which nothing is known a head at slot 0, and later what it has told itself.
func TestHandshakesWithoutAChain(t *testing.T) {
	simulate(t, func(t *testing.T, client, server host.Host) {
		var told []beacon.Status
		trace := &beacon.PeerTrace{Status: func(_ peer.ID, _, theirs beacon.Status) { told = append(told, theirs) }}
		listener := serve(t, server, devChain(), beacon.ServerOptions{PeerTrace: trace})
		program := takePart(t, client)
		theirs := must(listener.Status(t.Context()))
		for range 2 {
			if got, err := program.Handshake(t.Context(), server.ID()); err != nil || got != theirs {
				t.Errorf("the peer tells %+v, %v, want %+v", got, err, theirs)
			}
			settle()
		}
		mirrored := theirs
		mirrored.EarliestAvailableSlot = theirs.HeadSlot + 1
		want := []beacon.Status{{ForkDigest: theirs.ForkDigest, EarliestAvailableSlot: 1}, mirrored}
		if !slices.Equal(told, want) {
			t.Errorf("the peer was told %+v, want %+v", told, want)
		}
	})
}
