package discovery_test

import (
	"context"
	"crypto/ecdsa"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/ethereum/go-ethereum/p2p/enode"
	"github.com/ethereum/go-ethereum/p2p/enr"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"

	"github.com/seed-2dd5877b/reqresp/internal/simtest"
	"github.com/seed-2dd5877b/reqresp/plugin/devchain"
	"github.com/seed-2dd5877b/reqresp/plugin/discovery"
	"github.com/seed-2dd5877b/reqresp/plugin/discovery/internal/record"
	"github.com/seed-2dd5877b/reqresp/plugin/discovery/internal/recordtest"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// A local is what a test says of a node.
type local struct {
	family *beacon.Family
	epoch  atomic.Uint64
	md     atomic.Pointer[ssz.MetaDataV3]
}

func newLocal(n *ssz.Network, e ssz.Epoch) *local {
	l := &local{family: beacon.NewFamily(n)}
	l.epoch.Store(uint64(e))
	l.md.Store(&ssz.MetaDataV3{CustodyGroupCount: 4})
	return l
}

func (l *local) Family() *beacon.Family   { return l.family }
func (l *local) CurrentEpoch() ssz.Epoch  { return ssz.Epoch(l.epoch.Load()) }
func (l *local) MetaData() ssz.MetaDataV3 { return *l.md.Load() }

// A sink wants all that there are.
type sink struct {
	mu  sync.Mutex
	ids map[peer.ID]peer.AddrInfo
}

func (s *sink) WaitWanted(ctx context.Context) error { return ctx.Err() }

func (s *sink) AddCandidate(info peer.AddrInfo) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ids == nil {
		s.ids = make(map[peer.ID]peer.AddrInfo)
	}
	s.ids[info.ID] = info
}

func (s *sink) get(id peer.ID) (peer.AddrInfo, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	info, ok := s.ids[id]
	return info, ok
}

func (s *sink) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.ids)
}

// A finder is a discovery of a test.
type finder struct {
	*discovery.Discovery
	sink
	local *local
	id    peer.ID
}

func listening(texts ...string) (all []multiaddr.Multiaddr) {
	for _, text := range texts {
		all = append(all, multiaddr.StringCast(text))
	}
	return all
}

func startFinder(t *testing.T, key *ecdsa.PrivateKey, l *local, opts discovery.Options) *finder {
	t.Helper()
	if opts.Listen == "" {
		opts.Listen = "127.0.0.1:0"
	}
	f := &finder{local: l, id: recordtest.PeerID(t, key)}
	var err error
	f.Discovery, err = discovery.Start(key, listening("/ip4/127.0.0.1/tcp/4000", "/ip4/127.0.0.1/udp/4001/quic-v1"),
		l, &f.sink, &opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.Stop)
	return f
}

func TestNodesOfANetworkFindEachOther(t *testing.T) {
	dev, mainnet := devchain.Network(), ssz.Mainnet()
	boot := startFinder(t, recordtest.NewKey(t), newLocal(mainnet, 0), discovery.Options{})
	opts := discovery.Options{Config: discovery.Config{BootNodes: []string{boot.Record()}}}
	a := startFinder(t, recordtest.NewKey(t), newLocal(dev, 2), opts)
	b := startFinder(t, recordtest.NewKey(t), newLocal(dev, 2), opts)
	simtest.WaitFor(t, "a to find b", func() bool { _, ok := a.get(b.id); return ok })
	simtest.WaitFor(t, "b to find a", func() bool { _, ok := b.get(a.id); return ok })
	info, _ := a.get(b.id)
	want := listening("/ip4/127.0.0.1/udp/4001/quic-v1", "/ip4/127.0.0.1/tcp/4000")
	if len(info.Addrs) != 2 || !info.Addrs[0].Equal(want[0]) || !info.Addrs[1].Equal(want[1]) {
		t.Errorf("addresses %v", info.Addrs)
	}
	for _, f := range []*finder{a, b} {
		if _, ok := f.get(boot.id); ok {
			t.Error("a node of another network was taken for a candidate")
		}
	}
	if n := boot.count(); n != 0 {
		t.Errorf("the boot node, of another network, took %d candidates", n)
	}
}

func parse(t *testing.T, record string) *enode.Node {
	t.Helper()
	n, err := enode.Parse(enode.ValidSchemes, record)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// load returns an entry of a record.
func load[T any](t *testing.T, n *enode.Node, key string) T {
	t.Helper()
	var value T
	if err := n.Load(enr.WithEntry(key, &value)); err != nil {
		t.Fatalf("%s: %v", key, err)
	}
	return value
}

func TestTheRecordFollowsForksAndMetaData(t *testing.T) {
	l := newLocal(devchain.Network(), 1)
	f := startFinder(t, recordtest.NewKey(t), l, discovery.Options{Config: discovery.Config{ExternalIP: ips("192.0.2.7")}})
	n := parse(t, f.Record())
	if id, _ := record.DecodeForkID(load[[]byte](t, n, "eth2")); id != record.ForkIDAt(devchain.Network(), 1) {
		t.Errorf("eth2 is %+v", id)
	}
	if got := load[[]byte](t, n, "nfd"); ssz.ForkDigest(got) != devchain.Network().DigestAt(2) {
		t.Errorf("nfd is %x", got)
	}
	if cgc, tcp, quic := load[uint64](t, n, "cgc"), load[uint16](t, n, "tcp"), load[uint16](t, n, "quic"); cgc != 4 ||
		tcp != 4000 || quic != 4001 {
		t.Errorf("cgc %d, tcp %d, quic %d", cgc, tcp, quic)
	}
	if !n.IP().Equal(net.IPv4(192, 0, 2, 7)) || n.UDP() == 0 {
		t.Errorf("at %v, port %d", n.IP(), n.UDP())
	}
	l.epoch.Store(2)
	l.md.Store(&ssz.MetaDataV3{SeqNumber: 1, Attnets: [8]byte{1, 7: 128}, Syncnets: [1]byte{3}, CustodyGroupCount: 128})
	simtest.WaitFor(t, "a new record", func() bool { return parse(t, f.Record()).Seq() > n.Seq() })
	simtest.WaitFor(t, "all of it", func() bool {
		n = parse(t, f.Record())
		id, _ := record.DecodeForkID(load[[]byte](t, n, "eth2"))
		return id == record.ForkIDAt(devchain.Network(), 2) && load[uint64](t, n, "cgc") == 128
	})
	if att, sync := load[[]byte](t, n, "attnets"), load[[]byte](t, n, "syncnets"); len(att) != 8 || att[0] != 1 ||
		att[7] != 128 || len(sync) != 1 || sync[0] != 3 {
		t.Errorf("attnets %x, syncnets %x", att, sync)
	}
}

func ips(texts ...string) (all []netip.Addr) {
	for _, text := range texts {
		all = append(all, netip.MustParseAddr(text))
	}
	return all
}

// The record has the addresses of both families, whose ports are the same.
func TestTheRecordHasBothExternalAddresses(t *testing.T) {
	key := recordtest.NewKey(t)
	d, err := discovery.Start(key, listening("/ip4/0.0.0.0/udp/1/quic-v1", "/ip6/::/udp/1/quic-v1", "/ip4/0.0.0.0/tcp/2",
		"/ip6/::/tcp/2"),
		newLocal(devchain.Network(), 2), new(sink), &discovery.Options{Config: discovery.Config{
			Listen:     "127.0.0.1:0",
			ExternalIP: ips("192.0.2.7", "2001:db8::7"),
		}})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Stop()
	n := parse(t, d.Record())
	if ip, ip6 := load[[]byte](t, n, "ip"), load[[]byte](t, n, "ip6"); !net.IP(ip).Equal(net.IPv4(192, 0, 2, 7)) ||
		!net.IP(ip6).Equal(net.ParseIP("2001:db8::7")) {
		t.Errorf("at %x and %x", ip, ip6)
	}
	info, err := discovery.ParsePeer(d.Record())
	var got []string
	for _, addr := range info.Addrs {
		got = append(got, addr.String())
	}
	want := []string{
		"/ip4/192.0.2.7/udp/1/quic-v1", "/ip4/192.0.2.7/tcp/2", "/ip6/2001:db8::7/udp/1/quic-v1",
		"/ip6/2001:db8::7/tcp/2",
	}
	if err != nil || info.ID != recordtest.PeerID(t, key) || !slices.Equal(got, want) {
		t.Errorf("peer %v at %q, %v, want %q", info.ID, got, err, want)
	}
}

// Others take a record with a lower number than one they have seen for an old one.
func TestTheRecordsNumberGrowsOverRestarts(t *testing.T) {
	key, l := recordtest.NewKey(t), newLocal(devchain.Network(), 2)
	opts := discovery.Options{Config: discovery.Config{Listen: "127.0.0.1:0"}, Database: t.TempDir()}
	var last uint64
	for range 3 {
		d, err := discovery.Start(key, nil, l, new(sink), &opts)
		if err != nil {
			t.Fatal(err)
		}
		seq := parse(t, d.Record()).Seq()
		d.Stop()
		if seq <= last {
			t.Errorf("number %d comes after %d", seq, last)
		}
		last = seq
	}
}

func TestOptionsAreChecked(t *testing.T) {
	record := recordtest.Node(t, recordtest.NewKey(t), enr.IPv4(net.IPv4(192, 0, 2, 1)), enr.UDP(9000)).String()
	nowhere := recordtest.Node(t, recordtest.NewKey(t)).String()
	for _, tt := range []struct {
		opts discovery.Options
		want string
	}{
		{discovery.Options{}, ""},
		{discovery.Options{Config: discovery.Config{Listen: "[::]:9000", BootNodes: []string{record}}}, ""},
		{discovery.Options{Config: discovery.Config{Listen: ":9000"}}, `":9000"`},
		{discovery.Options{Config: discovery.Config{Listen: "host:9000"}}, `"host:9000"`},
		{discovery.Options{Config: discovery.Config{BootNodes: []string{"enr:nothing"}}}, `"enr:nothing"`},
		{discovery.Options{Config: discovery.Config{BootNodes: []string{record, nowhere}}}, nowhere},
		{discovery.Options{Config: discovery.Config{BootNodes: make([]string, 257)}}, "257"},
		{discovery.Options{Config: discovery.Config{ExternalIP: ips("192.0.2.1", "2001:db8::1")}}, ""},
		{discovery.Options{Config: discovery.Config{ExternalIP: ips("0.0.0.0")}}, "0.0.0.0"},
		{discovery.Options{Config: discovery.Config{ExternalIP: ips("192.0.2.1", "::")}}, "::"},
		{discovery.Options{Config: discovery.Config{ExternalIP: make([]netip.Addr, 1)}}, "invalid IP"},
		{
			discovery.Options{Config: discovery.Config{ExternalIP: ips("192.0.2.1", "192.0.2.2")}},
			"192.0.2.1 and 192.0.2.2, want at most one address of IPv4 and one of IPv6",
		},
		{
			discovery.Options{Config: discovery.Config{ExternalIP: ips("192.0.2.1", "::ffff:192.0.2.2")}},
			"192.0.2.1 and ::ffff:192.0.2.2",
		},
		{
			discovery.Options{Config: discovery.Config{ExternalIP: ips("2001:db8::1", "192.0.2.1", "2001:db8::2")}},
			"2001:db8::1 and 2001:db8::2",
		},
	} {
		err := tt.opts.Validate()
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("got %v, want an error that names %q", err, tt.want)
		}
	}
}

func TestStartFailsOnAPortThatIsTaken(t *testing.T) {
	taken, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	opts := discovery.Options{Config: discovery.Config{Listen: taken.LocalAddr().String()}, Database: t.TempDir()}
	l := newLocal(devchain.Network(), 2)
	if _, err := discovery.Start(recordtest.NewKey(t), nil, l, new(sink), &opts); err == nil ||
		!strings.Contains(err.Error(), opts.Listen) {
		t.Errorf("error %v, want one that names %s", err, opts.Listen)
	}
	// The database is not held.
	opts.Listen = "127.0.0.1:0"
	d, err := discovery.Start(recordtest.NewKey(t), nil, l, new(sink), &opts)
	if err != nil {
		t.Fatal(err)
	}
	d.Stop()
}
