package plugin

import (
	"cmp"
	"crypto/ecdsa"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	gcrypto "github.com/ethereum/go-ethereum/crypto"
	"github.com/libp2p/go-libp2p"
	mplex "github.com/libp2p/go-libp2p-mplex"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/p2p/muxer/yamux"
	"github.com/libp2p/go-libp2p/p2p/net/connmgr"
	"github.com/libp2p/go-libp2p/p2p/security/noise"
	quic "github.com/libp2p/go-libp2p/p2p/transport/quic"
	"github.com/libp2p/go-libp2p/p2p/transport/tcp"
	"github.com/multiformats/go-multiaddr"

	"github.com/seed-2dd5877b/reqresp/internal/atomicfile"
	"github.com/seed-2dd5877b/reqresp/plugin/peers"
	"github.com/seed-2dd5877b/reqresp/plugin/resources"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
)

// userAgent is what identify tells peers.
const userAgent = "reqresp"

// newHost makes a host as the consensus specs want it: QUIC, and TCP with noise
// and yamux or, which some deployed clients need, mplex. The plan bounds what it takes. Peers that scores
// ban cannot connect. It does not listen yet.
func newHost(key *ecdsa.PrivateKey, cfg *Config, plan *resources.Plan, scores *scores) (host.Host, error) {
	id, err := peerKey(key)
	if err != nil {
		return nil, err
	}
	// Which peers to keep is for the manager to say. This is for a flood of them between its
	// rounds.
	target := cmp.Or(cfg.Peers.Target, peers.DefaultTarget)
	connections, err := connmgr.NewConnManager(2*target, 3*target)
	if err != nil {
		return nil, err
	}
	manager, err := resources.NewManager(plan, &resources.ManagerOptions{Unnegotiated: scores.unnegotiated})
	if err != nil {
		return nil, errors.Join(err, connections.Close())
	}
	h, err := libp2p.New(
		libp2p.Identity(id),
		libp2p.NoListenAddrs,
		libp2p.ConnectionManager(connections),
		libp2p.ResourceManager(manager),
		libp2p.ConnectionGater(scores.Gater(nil)),
		libp2p.UserAgent(userAgent),
		libp2p.Transport(quic.NewTransport),
		// Sharing the port for what is dialed would have two processes listen on one, each of which
		// gets some of the connections.
		libp2p.Transport(tcp.NewTCPTransport, tcp.DisableReuseport()),
		libp2p.Security(noise.ID, noise.New),
		libp2p.Muxer(yamux.ID, yamux.DefaultTransport),
		libp2p.Muxer(mplex.ID, mplexMuxer{mplex.DefaultTransport}),
		libp2p.DisableRelay(),
		libp2p.Ping(false),
	)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("plugin: making a host: %w", err), connections.Close(), manager.Close())
	}
	manager.Start(h.Network())
	return h, nil
}

// listen has a host listen on all addresses. One that is made to listen is content with the first that
// works, and leaves things running if none does.
func listen(h host.Host, addrs []string) error {
	for _, text := range addrs {
		addr, err := multiaddr.NewMultiaddr(text)
		if err == nil {
			err = h.Network().Listen(addr)
		}
		if err != nil {
			return fmt.Errorf("plugin: listening on %s: %w", text, err)
		}
	}
	return nil
}

// hostKey returns the key of a host, for discovery to run under.
func hostKey(h host.Host) (*ecdsa.PrivateKey, error) {
	key := h.Peerstore().PrivKey(h.ID())
	if key == nil || key.Type() != crypto.Secp256k1 {
		return nil, errors.New("plugin: Config.Discovery needs a host with a secp256k1 key, and that of Config.Host " +
			"has another or keeps none")
	}
	raw, err := key.Raw()
	if err != nil {
		return nil, fmt.Errorf("plugin: key of Config.Host: %w", err)
	}
	return gcrypto.ToECDSA(raw)
}

// checkHost refuses a host that serves the domain already: whoever came second would take over.
func checkHost(h host.Host) error {
	for _, id := range h.Mux().Protocols() {
		if strings.HasPrefix(string(id), beacon.ProtocolPrefix+"/") {
			return fmt.Errorf("plugin: Config.Host serves %s already: it has room for one service", id)
		}
	}
	return nil
}

// An mplexMuxer is an mplex whose connections survive refused streams. go-mplex has four receive buffers
// for all streams of a connection, and a stream that is reset with data unread keeps those which hold it for good:
// four streams for which there is no slot stall everything, and hide what a peer does from the manager
// of the resources.
type mplexMuxer struct{ network.Multiplexer }

func (m mplexMuxer) NewConn(c net.Conn, isServer bool, scope network.PeerScope) (network.MuxedConn, error) {
	conn, err := m.Multiplexer.NewConn(c, isServer, scope)
	if err != nil {
		return nil, err
	}
	return mplexConn{conn}, nil
}

type mplexConn struct{ network.MuxedConn }

func (c mplexConn) AcceptStream() (network.MuxedStream, error) {
	s, err := c.MuxedConn.AcceptStream()
	if err != nil {
		return nil, err
	}
	return &mplexStream{MuxedStream: s}, nil
}

// refusedGrace is how long the first bytes of a refused stream are waited for, which a peer sends along with the
// stream. What comes later is skipped. The peer's next stream waits meanwhile.
const refusedGrace = 5 * time.Millisecond

// An mplexStream is a stream that a peer has opened.
type mplexStream struct {
	network.MuxedStream
	read atomic.Bool
}

func (s *mplexStream) Read(b []byte) (int, error) {
	s.read.Store(true)
	return s.MuxedStream.Read(b)
}

func (s *mplexStream) Reset() error {
	s.drain()
	return s.MuxedStream.Reset()
}

func (s *mplexStream) ResetWithError(code network.StreamErrorCode) error {
	s.drain()
	return s.MuxedStream.ResetWithError(code)
}

// drain reads what a stream has received that nobody has read from: one that is refused.
func (s *mplexStream) drain() {
	if s.read.Swap(true) {
		return
	}
	_ = s.SetReadDeadline(time.Now().Add(refusedGrace))
	_, _ = io.Copy(io.Discard, s.MuxedStream)
}

// identity returns the key of the service's own host. Deployed clients hang up on keys that are not secp256k1. It is
// kept as hex, like go-ethereum's own nodekey beside it.
func identity(env environment, cfg *Config) (*ecdsa.PrivateKey, error) {
	if cfg.ShareNodeKey {
		return env.nodeKey(), nil
	}
	path := env.path(cfg.Name + "-nodekey")
	if path == "" {
		return gcrypto.GenerateKey()
	}
	key, err := gcrypto.LoadECDSA(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return newIdentityKey(path)
	case err != nil:
		// A new key in its place would be another peer: leave the choice to the user.
		return nil, fmt.Errorf("plugin: peer identity %s is not a key: restore it, or remove it for a new identity: %w",
			path, err)
	}
	return key, nil
}

// peerKey is an identity as libp2p has it.
func peerKey(key *ecdsa.PrivateKey) (crypto.PrivKey, error) {
	return crypto.UnmarshalSecp256k1PrivateKey(gcrypto.FromECDSA(key))
}

func newIdentityKey(path string) (*ecdsa.PrivateKey, error) {
	key, err := gcrypto.GenerateKey()
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("plugin: keeping the peer identity: %w", err)
	}
	if err := atomicfile.Write(path, []byte(hex.EncodeToString(gcrypto.FromECDSA(key)))); err != nil {
		return nil, fmt.Errorf("plugin: keeping the peer identity: %w", err)
	}
	return key, nil
}
