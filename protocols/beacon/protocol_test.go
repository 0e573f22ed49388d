package beacon_test

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/protocol"

	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon/beacontest"
	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// theTable is what the consensus specs say of every protocol, by hand: its name and version, the
// forks in which it is on offer, the chunks, the context bytes, the most items before Deneb, in
// Deneb and from Electra on, and the largest request.
const theTable = `
status/2                               fulu..heze      1  -    1 1 1              92
status/1                               phase0..electra 1  -    1 1 1              84
goodbye/1                              phase0..heze    1  -    1 1 1              8
ping/1                                 phase0..heze    1  -    1 1 1              8
metadata/3                             fulu..heze      1  -    1 1 1              1
metadata/2                             altair..electra 1  -    1 1 1              1
metadata/1                             phase0..phase0  1  -    1 1 1              1
beacon_blocks_by_range/2               phase0..heze    n  ctx  1024 128 128       24
beacon_blocks_by_range/1               phase0..heze    n  -    1024 128 128       24
beacon_blocks_by_root/2                phase0..heze    n  ctx  1024 128 128       32768
beacon_blocks_by_root/1                phase0..heze    n  -    1024 128 128       32768
beacon_blocks_by_head/1                fulu..heze      n  ctx  1024 128 128       40
blob_sidecars_by_range/1               deneb..electra  n  ctx  768 768 1152       16
blob_sidecars_by_root/1                deneb..electra  n  ctx  768 768 1152       46080
data_column_sidecars_by_range/1        fulu..heze      n  ctx  16384 16384 16384  1044
data_column_sidecars_by_root/1         fulu..heze      n  ctx  16384 16384 16384  136192
light_client_bootstrap/1               altair..heze    1  ctx  1 1 1              32
light_client_updates_by_range/1        altair..heze    n  ctx  128 128 128        16
light_client_finality_update/1         altair..heze    1  ctx  1 1 1              1
light_client_optimistic_update/1       altair..heze    1  ctx  1 1 1              1
execution_payload_envelopes_by_range/1 gloas..heze     n  ctx  128 128 128        16
execution_payload_envelopes_by_root/1  gloas..heze     n  ctx  128 128 128        4096
inclusion_lists_by_indices/1           heze..heze      n  ctx  16 16 16           42
`

// gnosisTable is the same for Gnosis, whose blocks have fewer blobs. Its configuration states 768 sidecars for Deneb.
var gnosisTable = strings.NewReplacer("768 768 1152       16", "768 768 256 16", "768 768 1152       46080",
	"768 768 256 30720").Replace(theTable)

func TestTheTable(t *testing.T) {
	t.Parallel()
	gnosis := must(ssz.BuiltInNamed("gnosis")).Network()
	for _, n := range []*ssz.Network{ssz.Mainnet(), devNetwork(), gnosis} {
		table := theTable
		if n == gnosis {
			table = gnosisTable
		}
		var got strings.Builder
		for _, p := range beacon.NewFamily(n).Protocols() {
			chunks, context := "n", "-"
			if p.Spec().Kind() == reqresp.KindUnary {
				chunks = "1"
			}
			if p.Context {
				context = "ctx"
			}
			fmt.Fprintf(&got, "%s/%d %v..%v %s %s %d %d %d %d\n", p.Name, p.Version, p.First, p.Last, chunks, context,
				p.MaxItems(ssz.Capella), p.MaxItems(ssz.Deneb), p.MaxItems(ssz.Electra), p.Spec().Limits().MaxRequest)
		}
		if got, want := strings.Fields(got.String()), strings.Fields(table); !slices.Equal(got, want) {
			t.Errorf("%v: got %q\nwant %q", n.Preset(), got, want)
		}
	}
}

func TestProtocolIDs(t *testing.T) {
	t.Parallel()
	f := beacon.NewFamily(devNetwork())
	seen := make(map[protocol.ID]bool)
	for i, p := range f.Protocols() {
		want := protocol.ID(fmt.Sprintf("/eth2/beacon_chain/req/%s/%d/ssz_snappy", p.Name, p.Version))
		if p.ID() != want || len(p.Spec().Protocols()) != 1 || seen[want] || f.Specs()[i] != p.Spec() {
			t.Errorf("got %q, want %q, once", p.Spec().Protocols(), want)
		}
		seen[want] = true
		if row, ok := f.Protocol(p.Name, p.Version); !ok || row.Spec() != p.Spec() {
			t.Errorf("%s is not found", want)
		}
	}
	if _, ok := f.Protocol("status", 9); ok {
		t.Error("a protocol was found that there is not")
	}
}

func TestRowsAreTheCallers(t *testing.T) {
	t.Parallel()
	f := beacon.NewFamily(devNetwork())
	for _, p := range f.Protocols() {
		p.Name, p.Last = "", 0
	}
	row(f, "beacon_blocks_by_range", 2).Context = false
	if p := row(f, "beacon_blocks_by_range", 2); p.Last != ssz.Heze || !p.Context {
		t.Errorf("the family's row is %+v", p)
	}
}

func row(f *beacon.Family, name string, version int) *beacon.Protocol {
	p, ok := f.Protocol(name, version)
	if !ok {
		panic("no protocol " + name)
	}
	return p
}

func TestSizeBoundsByFork(t *testing.T) {
	t.Parallel()
	f := beacon.NewFamily(ssz.Mainnet())
	const all = 10 << 20
	for _, tt := range []struct {
		name        string
		version     int
		fork        ssz.Fork
		least, most int
	}{
		{"status", 1, ssz.Phase0, 84, 84},
		{"status", 2, ssz.Electra, 92, 92},
		{"beacon_blocks_by_head", 1, ssz.Phase0, 404, 157756},
		{"execution_payload_envelopes_by_root", 1, ssz.Fulu, 0, 0},
		{"beacon_blocks_by_range", 2, ssz.Phase0, 404, 157756},
		{"beacon_blocks_by_range", 1, ssz.Heze, 404, 157756},
		{"beacon_blocks_by_range", 2, ssz.Electra, 1120, all},
		{"blob_sidecars_by_root", 1, ssz.Capella, 0, 0},
		{"blob_sidecars_by_root", 1, ssz.Deneb, 131928, 131928},
		{"blob_sidecars_by_root", 1, ssz.Electra, 131928, 131928},
		{"blob_sidecars_by_root", 1, ssz.Fulu, 0, 0},
		{"data_column_sidecars_by_root", 1, ssz.Fulu, 356, 8782180},
		{"data_column_sidecars_by_root", 1, ssz.Gloas, 56, 8585272},
		{"light_client_bootstrap", 1, ssz.Altair, 24896, 24896},
		{"inclusion_lists_by_indices", 1, ssz.Heze, 152, 41112},
		{"inclusion_lists_by_indices", 1, 200, 0, 0},
	} {
		least, most := row(f, tt.name, tt.version).SizeBounds(tt.fork)
		if least != tt.least || most != tt.most {
			t.Errorf("%s/%d in %v: %d to %d bytes, want %d to %d", tt.name, tt.version, tt.fork, least, most, tt.least, tt.most)
		}
	}
}

func TestChunksAskedFor(t *testing.T) {
	t.Parallel()
	f := beacon.NewFamily(ssz.Mainnet())
	deneb, electra, fulu := ssz.Epoch(269568), ssz.Epoch(364032), ssz.Epoch(411392)
	ids := ssz.DataColumnSidecarsByRootRequest{{Columns: []uint64{1, 2}}, {Columns: []uint64{3}}}
	roots := make(ssz.BeaconBlocksByRootRequest, 7)
	for _, tt := range []struct {
		name    string
		now     ssz.Epoch
		request any
		want    uint64
	}{
		{"ping", fulu, new(ssz.Ping), 1},
		{"beacon_blocks_by_range", fulu, &ssz.BeaconBlocksByRangeRequest{Count: 60}, 60},
		{"beacon_blocks_by_range", 0, &ssz.BeaconBlocksByRangeRequest{Count: 1000}, 1000},
		{"beacon_blocks_by_range", deneb, &ssz.BeaconBlocksByRangeRequest{Count: math.MaxUint64}, 128},
		{"beacon_blocks_by_root", fulu, &roots, 7},
		{"beacon_blocks_by_head", fulu, &ssz.BeaconBlocksByHeadRequest{Count: 5}, 5},
		{
			"blob_sidecars_by_range", electra,
			&ssz.BlobSidecarsByRangeRequest{StartSlot: ssz.Mainnet().StartSlot(electra), Count: 2}, 18,
		},
		{
			"blob_sidecars_by_range", electra,
			&ssz.BlobSidecarsByRangeRequest{StartSlot: ssz.Mainnet().StartSlot(deneb), Count: 2}, 12,
		},
		{"blob_sidecars_by_range", electra, &ssz.BlobSidecarsByRangeRequest{
			StartSlot: ssz.Mainnet().StartSlot(electra) - 2,
			Count:     2,
		}, 12},
		{"blob_sidecars_by_range", electra, &ssz.BlobSidecarsByRangeRequest{
			StartSlot: ssz.Mainnet().StartSlot(electra) - 2,
			Count:     3,
		}, 27},
		{"blob_sidecars_by_range", electra, new(ssz.BlobSidecarsByRangeRequest), 0},
		{"blob_sidecars_by_range", deneb, &ssz.BlobSidecarsByRangeRequest{Count: math.MaxUint64}, 768},
		{"data_column_sidecars_by_range", fulu, &ssz.DataColumnSidecarsByRangeRequest{Count: 3, Columns: []uint64{1, 2}}, 6},
		{"data_column_sidecars_by_range", fulu, &ssz.DataColumnSidecarsByRangeRequest{
			Count:   math.MaxUint64,
			Columns: []uint64{1, 2},
		}, 16384},
		{"data_column_sidecars_by_root", fulu, &ids, 3},
		{"light_client_updates_by_range", fulu, &ssz.LightClientUpdatesByRangeRequest{Count: 200}, 128},
		{"inclusion_lists_by_indices", fulu, &ssz.InclusionListsByIndicesRequest{Indices: [2]byte{3, 0x80}}, 3},
		{"inclusion_lists_by_indices", fulu, new(ssz.Ping), 16},
		{"light_client_finality_update", fulu, new(struct{}), 1},
	} {
		p := row(f, tt.name, 1)
		got := min(p.Asked(tt.request), p.MaxItems(ssz.Mainnet().ForkAt(tt.now)))
		if got != tt.want {
			t.Errorf("%s: %+v asks for %d, want %d", tt.name, tt.request, got, tt.want)
		}
		if asked := p.Asked(tt.request); p.Spec().Kind() == reqresp.KindUnary && asked != 1 {
			t.Errorf("%s: %+v asks for %d, want 1", tt.name, tt.request, asked)
		}
	}
}

func TestServeRanges(t *testing.T) {
	t.Parallel()
	n := ssz.Mainnet()
	f := beacon.NewFamily(n)
	for _, tt := range []struct {
		name string
		now  ssz.Epoch
		want ssz.Slot
	}{
		{"beacon_blocks_by_range", 100, 0},
		{"beacon_blocks_by_range", 400000, n.StartSlot(400000 - 33024)},
		{"blob_sidecars_by_range", 270000, n.StartSlot(269568)},
		{"blob_sidecars_by_range", 300000, n.StartSlot(300000 - 4096)},
		{"data_column_sidecars_by_root", 411400, n.StartSlot(411392)},
		{"light_client_updates_by_range", 80000, n.StartSlot(74240)},
		{"ping", 5, n.StartSlot(5)},
	} {
		if got := row(f, tt.name, 1).ServedFrom(n.StartSlot(tt.now)); got != tt.want {
			t.Errorf("%s at epoch %d: from slot %d, want %d", tt.name, tt.now, got, tt.want)
		}
	}
}

// A protocol is on offer from its first fork on, and for a while after its last.
func TestOffersByEpoch(t *testing.T) {
	t.Parallel()
	const fulu = 411392
	for _, tt := range []struct {
		name        string
		version     int
		first, last ssz.Epoch // inclusive
	}{
		{"status", 1, 0, fulu},
		{"status", 2, fulu, ssz.FarFutureEpoch},
		{"metadata", 1, 0, 74240},
		{"metadata", 2, 74240, fulu},
		{"beacon_blocks_by_root", 1, 0, ssz.FarFutureEpoch},
		{"beacon_blocks_by_head", 1, fulu, ssz.FarFutureEpoch},
		{"blob_sidecars_by_root", 1, 269568, fulu + 4095},
		{"data_column_sidecars_by_root", 1, fulu, ssz.FarFutureEpoch},
	} {
		p := row(beacon.NewFamily(ssz.Mainnet()), tt.name, tt.version)
		offered := map[ssz.Epoch]bool{tt.first: true, tt.last: true}
		if tt.first > 0 {
			offered[tt.first-1] = false
		}
		if tt.last < ssz.FarFutureEpoch {
			offered[tt.last+1] = false
		}
		for epoch, want := range offered {
			if got := p.OfferedAt(epoch); got != want {
				t.Errorf("%s/%d at epoch %d: on offer is %v, want %v", tt.name, tt.version, epoch, got, want)
			}
		}
	}
}

// What a chain cannot answer is neither served nor advertised, but for sidecars and envelopes: a peer expects those
// protocols of every node while there are some.
func TestPlainChainsOfferWhatPeersExpect(t *testing.T) {
	expected := regexp.MustCompile("^(status|goodbye|ping|metadata|beacon_blocks_.*|blob_.*|data_column_.*|execution_payload_.*)$")
	for _, tt := range []struct {
		name    string
		network *ssz.Network
		now     ssz.Slot
	}{
		{"fulu", devNetwork(), headSlot},
		{"before fulu", devNetwork(), boundarySlot - 1},
		{"long after fulu", devNetwork(), boundarySlot + 4096*32},
		{"deneb", beacontest.Network(), denebSlot},
		{"before deneb", beacontest.Network(), denebSlot - 1},
		{"gloas", beacontest.Network(), gloasSlot},
		{"heze", beacontest.Network(), hezeSlot},
	} {
		simulate(t, func(t *testing.T, _, server host.Host) {
			n := tt.network
			srv := serveOn(t, server, n, devChain(), beacon.ServerOptions{Now: func() time.Time { return n.TimeAt(tt.now) }})
			for _, p := range srv.Family().Protocols() {
				want := expected.MatchString(p.Name) && p.OfferedAt(n.EpochOf(tt.now))
				if got := slices.Contains(server.Mux().Protocols(), p.ID()); got != want {
					t.Errorf("%s: %s is offered: %v, want %v", tt.name, p.ID(), got, want)
				}
			}
		})
	}
}
