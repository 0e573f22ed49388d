package plugin

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"time"

	"github.com/ethereum/go-ethereum/node"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"

	"github.com/seed-2dd5877b/reqresp/internal/field"
	"github.com/seed-2dd5877b/reqresp/limits"
	"github.com/seed-2dd5877b/reqresp/limits/config"
	"github.com/seed-2dd5877b/reqresp/limits/outbound"
	"github.com/seed-2dd5877b/reqresp/limits/score"
	"github.com/seed-2dd5877b/reqresp/plugin/discovery"
	"github.com/seed-2dd5877b/reqresp/plugin/peers"
	"github.com/seed-2dd5877b/reqresp/plugin/resources"
	"github.com/seed-2dd5877b/reqresp/plugin/store"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// DefaultListen are the addresses of Config.Listen: the port of deployed
// consensus clients, on QUIC and TCP, of all interfaces.
func DefaultListen() []string {
	return []string{"/ip4/0.0.0.0/udp/9000/quic-v1", "/ip4/0.0.0.0/tcp/9000"}
}

// DefaultName is the default of Config.Name.
const DefaultName = "reqresp"

// DefaultDrain is the default of Config.Drain.
const DefaultDrain = 5 * time.Second

// Config is what a service is made from. The network is required, everything
// else has a default. What it points to must not be changed once a service was made from it.
type Config struct {
	// Network is the network to speak on. It is required together with a chain, and
	// must be nil without one: the embedded store knows its own.
	Network *ssz.Network
	// Genesis is the network of the embedded store. Nil takes the one that the store remembers, with the
	// schedule that is built in where that is newer; a store that is new needs it. What is new in the schedule is
	// logged and remembered; Start fails if it differs in what has been, see store.Store.UseNetwork. It must be
	// nil with a chain.
	Genesis *store.Network

	// Era is a directory of era files, whose blocks are served as one chain with those of the embedded store, which may
	// be empty: see package history. Start fails if the store does not link to the files. Empty serves the store
	// alone. It must be empty with a chain.
	Era string

	// Retention is how much of its history the embedded store keeps. It must be zero with a chain, and keep all blocks
	// with Era. It can be changed over RPC at run time.
	Retention Retention

	// Name tells the services of one node apart: it is the namespace of its RPC API, and what
	// the names of its files begin with. It consists of at most 32 lower-case letters and digits, of which
	// the first is a letter. Empty means DefaultName.
	Name string

	// Host is a libp2p host to run on, which the service does not close. Nil has the service make one. The
	// service runs no gossipsub on a host that is given, although consensus clients expect it of every peer: a
	// host without it can run package gossipsub. A host keeps out peers that are banned if it was made with the
	// gater of Book; from any other, they are left soon after they have connected, and nothing that they ask for
	// is served meanwhile.
	Host host.Host
	// Listen are the multiaddrs on which the service's own host listens. Empty
	// means DefaultListen. It must be empty if Host is set.
	Listen []string
	// ShareNodeKey makes the node's key the peer identity, so that devp2p node id
	// and peer id are one. It is refused while the node listens for devp2p or runs
	// discovery: two discovery instances on one key publish competing records, and
	// go-ethereum announces its devp2p port where consensus clients expect
	// libp2p's. It must not be set if Host is, and is for one service of a node.
	ShareNodeKey bool

	// NoGossipsub leaves out the gossipsub router that the service's own host runs: see package gossipsub. Clients like
	// Lighthouse ban a peer that does not support gossipsub. It must not be set if Host is, on which the service runs
	// none: whether a host that is given supports gossipsub is its owner's matter.
	NoGossipsub bool

	// Memory is how many bytes libp2p and the server may take for streams and messages: how many
	// streams there may be, in all and of one peer, follows from it, see package resources. The
	// service's own host keeps all of it; on one that is given, only the server does, and what its
	// resource manager should allow is resources.Plan.Limits. Zero means resources.DefaultMemory: an
	// eighth of the machine's memory, from 256 MiB to 2 GiB. It is from resources.MinMemory, 64 MiB, to
	// resources.MaxMemory.
	Memory int64

	// Peers says how many peers to have and whom, and who is trusted. Peers are remembered in the node's data
	// directory.
	Peers peers.Config

	// Discovery finds peers by discv5, and lets them find this node. Nil leaves it off. Nodes that were found are kept
	// in the node's data directory. It needs a host with a secp256k1 key, as the service's own has. It runs besides the
	// node's own discovery, which is another one, of the node's key.
	Discovery *discovery.Config

	// Preset is the name of the preset that Limits and Scores are merged over; see package limits/config. Empty means
	// config.Default.
	Preset string
	// Limits are the rate limits of what is served; see package limits. What is zero, and each method that is not
	// named, is as in Preset. They can be changed at run time by Service.Limiter.
	Limits limits.Config
	// Addr returns the address by whose prefix a peer is counted, in Limits and in Peers. It is called concurrently.
	// Nil means the one that the host is connected to, see limits.HostAddr.
	Addr func(peer.ID) netip.Addr
	// Scores is how peers are scored; see package score. What is zero is as in Preset. It can be changed at run time by
	// Service.Scores. Scores and bans are kept in the node's data directory.
	Scores score.Config
	// Book has the scores, bans and trusted peers. It is for a host, or for gossipsub, that are made before the
	// service and need it; it is for one service, and Scores must be zero with it. Nil has the service make one
	// from Scores, and log what becomes of peers.
	Book *score.Book
	// Outbound are the quotas that are kept to in what is asked of every peer; see package
	// limits/outbound. Nil means those that a peer's client bears by default, which are strict for a
	// client that is not known. An empty slice sets no bounds, as for peers whose limits are known to
	// be higher. A peer that says it was asked too much is left alone for a while in any case.
	Outbound []outbound.Quota
	// Trace is called as exchanges go on, those that are served and those that the service's client begins, after
	// the metrics. Nil calls nothing.
	Trace *reqresp.Trace
	// PeerTrace is called with what peers say of themselves, after the manager of the peers. Nil calls nothing.
	PeerTrace *beacon.PeerTrace
	// Middleware wraps every exchange that is served, the first outermost.
	Middleware []reqresp.Middleware
	// Custody is how many custody groups of data columns metadata and the record of discovery announce, from
	// CUSTODY_REQUIREMENT to ssz.NumberOfCustodyGroups: see beacon.CustodyColumns. [Service.Sync] downloads their
	// columns. If the store lacks some of a block, the EarliestAvailableSlot of the status is after that block. A chain
	// that is no source of data columns announces CUSTODY_REQUIREMENT, which is the least that the specs allow. Zero
	// means CUSTODY_REQUIREMENT. It must be zero with MetaData.
	Custody uint64
	// MetaData is what metadata and ping requests are answered from; see
	// beacon.ServerOptions. The EarliestAvailableSlot follows the CustodyGroupCount that it returns when the service
	// starts.
	MetaData func() ssz.MetaDataV3
	// Drain bounds how long Stop waits for exchanges in flight. Zero means
	// DefaultDrain.
	Drain time.Duration
	// Now is the clock from which the current fork follows. Nil means time.Now.
	Now func() time.Time
	// Logger gets what happens, with the attribute "module", which is "service", "beacon", "peers" or
	// "discovery". Nil discards it.
	Logger *slog.Logger
}

func (c Config) withDefaults() Config {
	if c.Host == nil && len(c.Listen) == 0 {
		c.Listen = DefaultListen()
	}
	c.Name = cmp.Or(c.Name, DefaultName)
	c.Listen = slices.Clone(c.Listen)
	c.Drain = cmp.Or(c.Drain, DefaultDrain)
	if c.Now == nil {
		c.Now = time.Now
	}
	c.Logger = cmp.Or(c.Logger, slog.New(slog.DiscardHandler))
	return c
}

// limits returns the limits and how peers are scored, merged over the preset.
func (c Config) limits() (config.Config, error) {
	return config.Config{Preset: c.Preset, Limits: c.Limits, Score: c.Scores}.Effective()
}

// validName is what Config.Name may be. RPC methods are called namespace_method.
var validName = regexp.MustCompile(`^[a-z][a-z0-9]{0,31}$`)

// reservedNames are the RPC namespaces of go-ethereum, whose calls ours would replace.
var reservedNames = []string{"admin", "debug", "dev", "engine", "eth", "miner", "net", "rpc", "txpool", "web3"}

func validateName(name string) error {
	if slices.Contains(reservedNames, name) {
		return fmt.Errorf("plugin: Config.Name is %q, which is an RPC namespace of go-ethereum's own: choose another", name)
	}
	if !validName.MatchString(name) {
		return fmt.Errorf("plugin: Config.Name is %q, want at most 32 lower-case letters and digits, a letter first", name)
	}
	return nil
}

// Validate returns an error that names a field whose value is not allowed, or fields that contradict each other,
// whatever the node and the chain are.
func (c Config) Validate() error {
	if err := validateName(c.withDefaults().Name); err != nil {
		return err
	}
	if c.Book != nil && c.Scores != (score.Config{}) {
		return errors.New("plugin: Config.Scores is of no effect with Config.Book, which has its own: leave it zero")
	}
	if _, err := c.Scores.Effective(); err != nil {
		return fmt.Errorf("plugin: Config.Scores: %w", err)
	}
	if _, err := c.limits(); err != nil {
		return fmt.Errorf("plugin: Config.Limits: %w", err)
	}
	if err := (resources.Options{Memory: c.Memory}).Validate(); err != nil {
		return fmt.Errorf("plugin: Config.%w", field.In(err))
	}
	if err := c.Peers.Validate(); err != nil {
		return fmt.Errorf("plugin: Config.%w", field.In(err, "Peers"))
	}
	if err := c.validateDiscovery(); err != nil {
		return err
	}
	if err := c.Retention.validate(c.Era != ""); err != nil {
		return fmt.Errorf("plugin: Config.%w", field.In(err, "Retention"))
	}
	switch {
	case c.Custody > ssz.NumberOfCustodyGroups:
		return fmt.Errorf("plugin: Config.%w", field.Errorf("Custody", "is %d, want at most %d, for all groups",
			c.Custody, ssz.NumberOfCustodyGroups))
	case c.Custody > 0 && c.MetaData != nil:
		return errors.New("plugin: Config.Custody is of no effect with Config.MetaData, which has its own count: " +
			"leave it zero")
	}
	if c.Drain < 0 {
		return fmt.Errorf("plugin: Config.Drain is %v, it must not be negative", c.Drain)
	}
	if c.Host != nil && (len(c.Listen) > 0 || c.ShareNodeKey || c.NoGossipsub) {
		return errors.New("plugin: Config.Listen, Config.ShareNodeKey and Config.NoGossipsub are of no effect with " +
			"Config.Host, leave them unset")
	}
	for _, addr := range c.Listen {
		if err := ValidateListen(addr); err != nil {
			return fmt.Errorf("plugin: Config.%w", field.Errorf("Listen", "has an address that is not allowed: %w", err))
		}
	}
	return nil
}

// validate is Validate for a node, which is nil without one, and a chain, which may be the embedded store.
func (c Config) validate(stack *node.Config, embedded bool) error {
	switch {
	case !embedded && (c.Network == nil || c.Genesis != nil):
		return errors.New("plugin: with a chain of your own, Config.Network is required and Config.Genesis must be nil")
	case !embedded && c.Era != "":
		return errors.New("plugin: Config.Era is for the embedded store: leave it empty with a chain of your own")
	case !embedded && c.Retention != (Retention{}):
		return errors.New("plugin: Config.Retention is for the embedded store: leave it zero with a chain of your own")
	case embedded && c.Network != nil:
		return errors.New("plugin: Config.Network needs a chain; for the embedded store use Config.Genesis")
	}
	if err := c.Validate(); err != nil {
		return err
	}
	if c.ShareNodeKey {
		return validateSharedKey(stack)
	}
	if c.Discovery == nil || c.Host == nil {
		return nil
	}
	key, err := hostKey(c.Host)
	if err != nil || stack == nil {
		return err
	}
	// A node whose own network is off may not even have a key.
	if err := validateSharedKey(stack); err != nil && key.Equal(stack.NodeKey()) {
		return err
	}
	return nil
}

// ValidateListen returns an error for what cannot be in Config.Listen: text that is no multiaddr, or one of another
// transport than TCP and QUIC.
func ValidateListen(text string) error {
	addr, err := multiaddr.NewMultiaddr(text)
	if err != nil {
		return fmt.Errorf("%q is no multiaddr (like /ip4/0.0.0.0/tcp/9000): %w", text, err)
	}
	switch all := addr.Protocols(); all[len(all)-1].Code {
	case multiaddr.P_TCP, multiaddr.P_QUIC_V1:
		return nil
	}
	return fmt.Errorf("%q is of no transport that there is: want TCP or QUIC, "+
		"like /ip4/0.0.0.0/tcp/9000 or /ip4/0.0.0.0/udp/9000/quic-v1", text)
}

func (c Config) validateDiscovery() error {
	d := c.Discovery
	if d == nil {
		return nil
	}
	if err := d.Validate(); err != nil {
		return fmt.Errorf("plugin: Config.%w", field.In(err, "Discovery"))
	}
	for _, text := range c.Listen {
		if port := quicPort(text); port != 0 && port == d.Port() {
			return fmt.Errorf("plugin: Config.%w", field.Errorf("Discovery.Listen",
				"has the UDP port %d, on which libp2p listens at %s: choose another", port, text))
		}
	}
	return nil
}

// quicPort returns the UDP port of a multiaddr, or 0 if it has none.
func quicPort(text string) uint16 {
	addr, err := multiaddr.NewMultiaddr(text)
	if err != nil {
		return 0 // It is refused elsewhere.
	}
	port, err := addr.ValueForProtocol(multiaddr.P_UDP)
	if err != nil {
		return 0
	}
	n, _ := strconv.ParseUint(port, 10, 16)
	return uint16(n)
}

// validateSharedKey refuses to share the key with a devp2p that is alive.
func validateSharedKey(stack *node.Config) error {
	if stack == nil {
		return errors.New("plugin: Config.ShareNodeKey needs a node, and this service has none: leave it unset")
	}
	p := stack.P2P
	switch {
	case p.ListenAddr != "":
		return fmt.Errorf("plugin: sharing the node's key (Config.ShareNodeKey) needs its devp2p listener off, "+
			"but P2P.ListenAddr is %q: make it empty", p.ListenAddr)
	case !p.NoDiscovery && (p.DiscoveryV4 || p.DiscoveryV5):
		return errors.New("plugin: sharing the node's key (Config.ShareNodeKey) needs its discovery off: set P2P.NoDiscovery")
	}
	return nil
}
