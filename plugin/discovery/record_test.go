package discovery_test

import (
	"slices"
	"testing"

	"github.com/ethereum/go-ethereum/p2p/enr"

	"github.com/seed-2dd5877b/reqresp/plugin/devchain"
	"github.com/seed-2dd5877b/reqresp/plugin/discovery"
	"github.com/seed-2dd5877b/reqresp/plugin/discovery/internal/recordtest"
)

// By EIP-778 a port without a twin for IPv6 is that of both families.
func TestTheRecordAnnouncesNothingThatDoesNotListen(t *testing.T) {
	for _, tt := range []struct {
		name   string
		listen []string
		want   []string // addresses in the record
	}{
		{
			"one kind on each family",
			[]string{"/ip6/::/tcp/1", "/ip4/0.0.0.0/udp/2/quic-v1"},
			[]string{"/ip4/192.0.2.7/udp/2/quic-v1"},
		},
		{"the other on each", []string{"/ip6/::/udp/1/quic-v1", "/ip4/0.0.0.0/tcp/2"}, []string{"/ip4/192.0.2.7/tcp/2"}},
		{"IPv4 alone", []string{"/ip4/0.0.0.0/tcp/2"}, []string{"/ip4/192.0.2.7/tcp/2"}},
		{"IPv6 alone", []string{"/ip6/::/tcp/1"}, []string{"/ip6/2001:db8::7/tcp/1"}},
		{"more on IPv6", []string{"/ip6/::/tcp/1", "/ip6/::/udp/3/quic-v1", "/ip4/0.0.0.0/udp/2/quic-v1"}, []string{
			"/ip4/192.0.2.7/udp/2/quic-v1", "/ip6/2001:db8::7/udp/3/quic-v1", "/ip6/2001:db8::7/tcp/1",
		}},
	} {
		d, err := discovery.Start(recordtest.NewKey(t), listening(tt.listen...), newLocal(devchain.Network(), 2), new(sink),
			&discovery.Options{Config: discovery.Config{Listen: "127.0.0.1:0", ExternalIP: ips("192.0.2.7", "2001:db8::7")}})
		if err != nil {
			t.Fatal(err)
		}
		info, err := discovery.ParsePeer(d.Record())
		d.Stop()
		var got []string
		for _, addr := range info.Addrs {
			got = append(got, addr.String())
		}
		if err != nil || !slices.Equal(got, tt.want) {
			t.Errorf("%s: announces %q, %v, want %q", tt.name, got, err, tt.want)
		}
	}
}

func TestTheRecordSaysWhereTheHostListens(t *testing.T) {
	for _, tt := range []struct {
		name   string
		listen []string
		want   map[string]uint16
	}{
		{
			"QUIC and TCP",
			[]string{"/ip4/0.0.0.0/udp/1/quic-v1", "/ip4/0.0.0.0/tcp/2"},
			map[string]uint16{"quic": 1, "tcp": 2},
		},
		{"the first of several", []string{"/ip4/127.0.0.1/tcp/1", "/ip4/192.0.2.1/tcp/2"}, map[string]uint16{"tcp": 1}},
		{
			"both families",
			[]string{"/ip6/::/udp/1/quic-v1", "/ip6/::/tcp/2", "/ip4/0.0.0.0/tcp/3"},
			map[string]uint16{"quic6": 1, "tcp6": 2, "tcp": 3},
		},
		{"what no client dials", []string{"/ip4/0.0.0.0/tcp/1/ws", "/ip4/0.0.0.0/udp/2", "/dns4/example.org/tcp/3"}, nil},
		{"nowhere", nil, nil},
	} {
		d, err := discovery.Start(recordtest.NewKey(t), listening(tt.listen...), newLocal(devchain.Network(), 2), new(sink),
			&discovery.Options{Config: discovery.Config{Listen: "127.0.0.1:0"}})
		if err != nil {
			t.Fatal(err)
		}
		record := parse(t, d.Record())
		d.Stop()
		for _, key := range []string{"quic", "tcp", "quic6", "tcp6"} {
			var port uint16
			if _ = record.Load(enr.WithEntry(key, &port)); port != tt.want[key] {
				t.Errorf("%s: %s is %d, want %d", tt.name, key, port, tt.want[key])
			}
		}
	}
}
