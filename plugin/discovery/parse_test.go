package discovery_test

import (
	"encoding/base64"
	"errors"
	"net"
	"slices"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/p2p/enode"
	"github.com/ethereum/go-ethereum/p2p/enr"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/plugin/discovery"
	"github.com/seed-2dd5877b/reqresp/plugin/discovery/internal/recordtest"
)

// specRecord is the example of EIP-778, of 127.0.0.1 and UDP port 30303.
const specRecord = "enr:-IS4QHCYrYZbAKWCBRlAy5zzaDZXJBGkcnh4MHcBFZntXNFrdvJjX04jRzjzCBOonrkTfj499SZuOh8R33Ls8RRcy5wBgmlkgnY0gmlwhH8AAAGJ" +
	"c2VjcDI1NmsxoQPKY0yuDUmstAHYpMa2_oxVtw0RW_QAdpzBQA8yWM0xOIN1ZHCCdl8"

func TestPeersAreNamedByMultiaddrOrRecord(t *testing.T) {
	key := recordtest.NewKey(t)
	id := recordtest.PeerID(t, key).String()
	record := recordtest.Node(t, key, enr.IPv4(net.IPv4(192, 0, 2, 1)), enr.QUIC(2), enr.TCP(1)).String()
	for text, want := range map[string][]string{
		"/ip4/192.0.2.1/udp/2/quic-v1/p2p/" + id: {"/ip4/192.0.2.1/udp/2/quic-v1"},
		"/dns4/example.org/tcp/1/p2p/" + id:      {"/dns4/example.org/tcp/1"},
		record:                                   {"/ip4/192.0.2.1/udp/2/quic-v1", "/ip4/192.0.2.1/tcp/1"},
	} {
		info, err := discovery.ParsePeer(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		var got []string
		for _, addr := range info.Addrs {
			got = append(got, addr.String())
		}
		if info.ID.String() != id || !slices.Equal(got, want) {
			t.Errorf("%s: %v at %q, want %s at %q", text, info.ID, got, id, want)
		}
	}
	for _, text := range []string{id, record, recordtest.Node(t, key).String()} {
		if got, err := discovery.ParsePeerID(text); err != nil || got.String() != id {
			t.Errorf("%s: %v, %v, want %s", text, got, err, id)
		}
	}
}

// tampered returns a record whose last byte was changed.
func tampered(t *testing.T, record string) string {
	t.Helper()
	raw, err := base64.RawURLEncoding.DecodeString(strings.TrimPrefix(record, "enr:"))
	if err != nil {
		t.Fatal(err)
	}
	raw[len(raw)-1] ^= 1
	return "enr:" + base64.RawURLEncoding.EncodeToString(raw)
}

func TestErrorsOfPeersNameTheTextAndWhatIsAllowed(t *testing.T) {
	somebody := recordtest.PeerID(t, recordtest.NewKey(t)).String()
	var null enr.Record
	other := enode.SignNull(&null, enode.ID{1}).String() // of another identity scheme
	for _, tt := range []struct {
		text, want, wantID string // nothing where it is right
	}{
		{"", "want a multiaddr with the peer's id", "want a peer id"},
		{"me", "want a multiaddr with the peer's id", "want a peer id"},
		{somebody, "or a node record (enr:…)", ""},
		{"/ip4/192.0.2.1/tcp/1", "want a multiaddr with the peer's id", "or a node record (enr:…)"},
		{"/p2p/" + somebody, "want a multiaddr with the peer's id", "want a peer id"},
		{"enode://00@192.0.2.1:1", "want a multiaddr with the peer's id", "want a peer id"},
		{"enr:", "want one of the identity scheme v4", "want one of the identity scheme v4"},
		{"enr:-", "want one of the identity scheme v4", "want one of the identity scheme v4"},
		{tampered(t, specRecord), "invalid signature", "invalid signature"},
		{other, "want one of the identity scheme v4", "want one of the identity scheme v4"},
		{specRecord, "no address that can be dialed: want one with ip or ip6, and with tcp or quic", ""},
	} {
		for name, check := range map[string]struct {
			err  error
			want string
		}{
			"peer": {second(discovery.ParsePeer(tt.text)), tt.want},
			"id":   {second(discovery.ParsePeerID(tt.text)), tt.wantID},
		} {
			err, want := check.err, check.want
			if (err == nil) != (want == "") || err != nil && (!strings.Contains(err.Error(), want) ||
				!strings.Contains(err.Error(), tt.text)) {
				t.Errorf("%s %q: error %v, want %q and the text", name, tt.text, err, want)
			}
		}
	}
	if _, err := discovery.ParsePeer(specRecord); !errors.Is(err, discovery.ErrNoAddress) {
		t.Errorf("error %v, want %v", err, discovery.ErrNoAddress)
	}
}

func second[T any](_ T, err error) error { return err }

// Whatever is taken for a peer can be written as multiaddrs that are read as the same peer.
func FuzzParsePeer(f *testing.F) {
	key := recordtest.NewKey(f)
	ip4, ip6 := enr.IPv4(net.IPv4(192, 0, 2, 1)), enr.IPv6(net.ParseIP("2001:db8::1"))
	f.Add(specRecord)
	f.Add(recordtest.Node(f, key, ip4, ip6, enr.QUIC(2), enr.TCP(1)).String())
	f.Add(recordtest.Node(f, key, ip6, enr.QUIC6(2)).String())
	f.Add("/ip4/192.0.2.1/tcp/1/p2p/" + recordtest.PeerID(f, key).String())
	f.Add("/ip4/192.0.2.1/tcp/1/p2p/" + recordtest.PeerID(f, key).String() + "/p2p-circuit/p2p/" +
		recordtest.PeerID(f, key).String())
	f.Fuzz(func(t *testing.T, text string) {
		info, err := discovery.ParsePeer(text)
		if err != nil {
			if len(info.Addrs) > 0 || info.ID != "" {
				t.Errorf("%v beside error %v", info, err)
			}
			return
		}
		if len(info.Addrs) == 0 || info.ID.Validate() != nil {
			t.Fatalf("peer %v", info)
		}
		addrs, err := peer.AddrInfoToP2pAddrs(&info)
		if err != nil {
			t.Fatal(err)
		}
		for i, addr := range addrs {
			again, err := discovery.ParsePeer(addr.String())
			if err != nil || again.ID != info.ID || len(again.Addrs) != 1 || !again.Addrs[0].Equal(info.Addrs[i]) {
				t.Errorf("%v is read as %v, %v", addr, again, err)
			}
		}
		if strings.HasPrefix(text, "enr:") {
			if id, err := discovery.ParsePeerID(text); err != nil || id != info.ID {
				t.Errorf("id %v, %v, want %v", id, err, info.ID)
			}
		}
	})
}
