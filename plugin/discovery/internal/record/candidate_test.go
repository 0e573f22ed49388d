package record_test

import (
	"errors"
	"net"
	"slices"
	"testing"

	"github.com/ethereum/go-ethereum/p2p/enr"
	"github.com/ethereum/go-ethereum/rlp"

	"github.com/seed-2dd5877b/reqresp/plugin/discovery/internal/record"
	"github.com/seed-2dd5877b/reqresp/plugin/discovery/internal/recordtest"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

func eth2(digest ssz.ForkDigest) enr.Entry {
	return enr.WithEntry("eth2", record.ForkID{Digest: digest}.AppendSSZ(nil))
}

func TestCandidatesHaveTheForkDigest(t *testing.T) {
	n := ssz.Mainnet()
	const fulu ssz.Epoch = 411392
	before, after := n.DigestAt(fulu-1), n.DigestAt(fulu)
	for _, tt := range []struct {
		name  string
		epoch ssz.Epoch
		entry enr.Entry
		want  error
	}{
		{"of this fork", fulu + 100, eth2(after), nil},
		{"of the fork before", fulu + 100, eth2(before), record.ErrOtherNetwork},
		{"of the fork before, just after the fork", fulu, eth2(before), nil},
		{"of the next fork", fulu - 1, eth2(after), record.ErrOtherNetwork},
		{"at genesis", 0, eth2(n.DigestAt(0)), nil},
		{"of another network", fulu, eth2(ssz.ForkDigest{1}), record.ErrOtherNetwork},
		{"of the execution layer", fulu, enr.WithEntry("eth", []byte{1}), record.ErrOtherNetwork},
		{"with an entry that is too short", fulu, enr.WithEntry("eth2", before[:]), record.ErrForkID},
		{"with an entry that is no bytes", fulu, enr.WithEntry("eth2", []uint{1, 2}), record.ErrOtherNetwork},
	} {
		key := recordtest.NewKey(t)
		node := recordtest.Node(t, key, tt.entry, enr.IPv4(net.IPv4(192, 0, 2, 1)), enr.TCP(9000))
		info, err := record.Candidate(node, n, tt.epoch)
		if !errors.Is(err, tt.want) || err == nil && info.ID != recordtest.PeerID(t, key) {
			t.Errorf("%s: %v, %v", tt.name, info, err)
		}
	}
}

func TestAddressesOfRecords(t *testing.T) {
	ip4, ip6 := enr.IPv4(net.IPv4(192, 0, 2, 1)), enr.IPv6(net.ParseIP("2001:db8::1"))
	for _, tt := range []struct {
		name    string
		entries []enr.Entry
		want    []string
	}{
		{"QUIC first", []enr.Entry{ip4, enr.TCP(1), enr.QUIC(2), enr.UDP(3)}, []string{
			"/ip4/192.0.2.1/udp/2/quic-v1",
			"/ip4/192.0.2.1/tcp/1",
		}},
		{"TCP alone", []enr.Entry{ip4, enr.TCP(1)}, []string{"/ip4/192.0.2.1/tcp/1"}},
		{"of both families", []enr.Entry{ip4, enr.QUIC(2), ip6, enr.QUIC6(4), enr.TCP6(5)}, []string{
			"/ip4/192.0.2.1/udp/2/quic-v1", "/ip6/2001:db8::1/udp/4/quic-v1", "/ip6/2001:db8::1/tcp/5",
		}},
		{"of both families, ports without a twin", []enr.Entry{ip4, ip6, enr.QUIC(2), enr.TCP(1)}, []string{
			"/ip4/192.0.2.1/udp/2/quic-v1", "/ip4/192.0.2.1/tcp/1", "/ip6/2001:db8::1/udp/2/quic-v1", "/ip6/2001:db8::1/tcp/1",
		}},
		{"of both families, one twin", []enr.Entry{ip4, ip6, enr.QUIC(2), enr.TCP(1), enr.TCP6(3)}, []string{
			"/ip4/192.0.2.1/udp/2/quic-v1", "/ip4/192.0.2.1/tcp/1", "/ip6/2001:db8::1/udp/2/quic-v1", "/ip6/2001:db8::1/tcp/3",
		}},
		{"IPv6 alone, ports without a twin", []enr.Entry{ip6, enr.QUIC(2), enr.TCP(1)}, []string{
			"/ip6/2001:db8::1/udp/2/quic-v1", "/ip6/2001:db8::1/tcp/1",
		}},
		{"a twin of port 0", []enr.Entry{ip6, enr.TCP(1), enr.TCP6(0)}, nil},
		{"a twin out of range", []enr.Entry{ip6, enr.TCP(1), enr.WithEntry("tcp6", uint32(70000))}, nil},
		{"ports of IPv6 alone", []enr.Entry{ip4, enr.QUIC6(2), enr.TCP6(1)}, nil},
		{"discovery alone", []enr.Entry{ip4, enr.UDP(3)}, nil},
		{"no IP address", []enr.Entry{enr.TCP(1)}, nil},
		{"all interfaces", []enr.Entry{enr.IPv4(net.IPv4zero), enr.TCP(1)}, nil},
		{"a group", []enr.Entry{enr.IPv4(net.IPv4(224, 0, 0, 1)), enr.TCP(1)}, nil},
		{"port 0", []enr.Entry{ip4, enr.TCP(0), enr.QUIC(0)}, nil},
		{"ports out of range", []enr.Entry{ip4, enr.WithEntry("tcp", uint32(70000))}, nil},
	} {
		info, err := record.AddrInfo(recordtest.Node(t, recordtest.NewKey(t), tt.entries...))
		var got []string
		for _, addr := range info.Addrs {
			got = append(got, addr.String())
		}
		if !slices.Equal(got, tt.want) || (err == nil) != (tt.want != nil) || err != nil &&
			!errors.Is(err, record.ErrNoAddress) {
			t.Errorf("%s: %q, %v", tt.name, got, err)
		}
	}
}

// Whatever a record says, it is a candidate with an address or an error.
func FuzzCandidate(f *testing.F) {
	n := ssz.Mainnet()
	key := recordtest.NewKey(f)
	id := record.ForkIDAt(n, 0).AppendSSZ(nil)
	f.Add(id, []byte{192, 0, 2, 1}, []byte{0x23, 0x28}, []byte{0x23, 0x29})
	f.Add(id[:3], []byte{}, []byte{1, 2, 3}, []byte{})
	f.Fuzz(func(t *testing.T, eth2, ip, quic, tcp []byte) {
		var entries []enr.Entry
		for key, value := range map[string][]byte{
			"eth2": eth2, "ip": ip, "ip6": ip, "quic": quic, "quic6": quic,
			"tcp": tcp, "tcp6": tcp,
		} {
			if len(value) > 20 {
				return // Records are of 300 bytes at most.
			}
			entries = append(entries, enr.WithEntry(key, rlp.RawValue(mustRLP(value))))
		}
		info, err := record.Candidate(recordtest.Node(t, key, entries...), n, 0)
		if err == nil && (len(info.Addrs) == 0 || info.ID.Validate() != nil) {
			t.Errorf("candidate %v", info)
		}
	})
}

func mustRLP(b []byte) []byte {
	enc, err := rlp.EncodeToBytes(b)
	if err != nil {
		panic(err)
	}
	return enc
}

// go-ethereum panics if a node's own record is too large.
func TestTheLargestRecordFits(t *testing.T) {
	node := recordtest.Node(t, recordtest.NewKey(t), eth2(ssz.ForkDigest{1}),
		enr.WithEntry("attnets", make([]byte, 8)), enr.WithEntry("syncnets", []byte{255}),
		enr.WithEntry("cgc", uint64(1<<63)), enr.WithEntry("nfd", make([]byte, 4)),
		enr.IPv4(net.IPv4(192, 0, 2, 1)), enr.TCP(60000), enr.QUIC(60000), enr.UDP(60000),
		enr.IPv6(net.ParseIP("2001:db8::1")), enr.TCP6(60000), enr.QUIC6(60000), enr.UDP6(60000))
	b, err := rlp.EncodeToBytes(node.Record())
	if err != nil {
		t.Fatal(err)
	}
	const number = 8 // the longest sequence number takes so many bytes more
	if len(b)+number > enr.SizeLimit {
		t.Errorf("%d bytes, and up to %d for its number: %d are allowed", len(b), number, enr.SizeLimit)
	}
}
