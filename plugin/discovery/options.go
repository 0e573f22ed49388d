package discovery

import (
	"cmp"
	"fmt"
	"log/slog"
	"net/netip"

	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/seed-2dd5877b/reqresp/internal/field"
)

// DefaultListen is the default of Config.Listen. Deployed clients have one port for discovery and another
// one for QUIC, as both are UDP.
const DefaultListen = "0.0.0.0:9001"

// A Config says where discovery listens and what it begins with. The zero value is ready, but finds nobody: it waits to
// be found.
type Config struct {
	// Listen is the UDP address of discovery, an IP address and a port. Empty means DefaultListen,
	// port 0 one that is free.
	Listen string
	// BootNodes are records of nodes to begin with, as text that begins "enr:" (or, as go-ethereum's
	// do, "enode:"). The function BootNodes has some that are built in.
	BootNodes []string
	// ExternalIP are the IP addresses that others reach this node at, if they are known: at most one of IPv4 and one
	// of IPv6. The record has both, but that of IPv6 only if the host listens by IPv6 on TCP and QUIC as far as it does
	// by IPv4. With none the record has Listen's, or 127.0.0.1 if that is of all interfaces, until other nodes agree on
	// what they see.
	ExternalIP []netip.Addr
}

// Options are the settings of a [Discovery].
type Options struct {
	Config
	// Database is the directory where nodes that were found are kept. Empty keeps them in memory.
	Database string
	// Logger gets what happens. Nil discards it.
	Logger *slog.Logger
}

func (o Options) withDefaults() Options {
	o.Listen = cmp.Or(o.Listen, DefaultListen)
	o.Logger = cmp.Or(o.Logger, slog.New(slog.DiscardHandler))
	return o
}

// maxBootNodes bounds the boot nodes, each of which is asked often.
const maxBootNodes = 256

// Validate returns an error that names the first field whose value is not allowed.
func (c *Config) Validate() error {
	if err := c.validate(); err != nil {
		return fmt.Errorf("discovery: %w", err)
	}
	return nil
}

func (c *Config) validate() error {
	if _, err := c.listenAddr(); err != nil {
		return err
	}
	if len(c.BootNodes) > maxBootNodes {
		return field.Errorf("BootNodes", "are %d, at most %d are allowed", len(c.BootNodes), maxBootNodes)
	}
	if err := c.validateExternal(); err != nil {
		return err
	}
	_, err := c.bootNodes()
	return err
}

func (c *Config) validateExternal() error {
	var of [2]netip.Addr // by family
	for _, ip := range c.ExternalIP {
		if !ip.IsValid() || ip.IsUnspecified() || ip.IsMulticast() {
			return field.Errorf("ExternalIP", "is %v, want the address of one node", ip)
		}
		family := 0
		if ip.Unmap().Is6() {
			family = 1
		}
		if of[family].IsValid() {
			return field.Errorf("ExternalIP", "has %v and %v, want at most one address of IPv4 and one of IPv6",
				of[family], ip)
		}
		of[family] = ip
	}
	return nil
}

func (c *Config) listenAddr() (netip.AddrPort, error) {
	text := cmp.Or(c.Listen, DefaultListen)
	addr, err := netip.ParseAddrPort(text)
	if err != nil {
		return netip.AddrPort{}, field.Errorf("Listen", "is %q, want an IP address and a port like %s",
			text, DefaultListen)
	}
	return addr, nil
}

// Port returns the UDP port of Listen, which is 0 if any will do. The options are valid.
func (c *Config) Port() uint16 {
	addr, _ := c.listenAddr()
	return addr.Port()
}

func (c *Config) bootNodes() ([]*enode.Node, error) {
	nodes := make([]*enode.Node, len(c.BootNodes))
	for i, text := range c.BootNodes {
		n, err := enode.Parse(enode.ValidSchemes, text)
		if err != nil {
			return nil, field.Errorf("BootNodes", "has %q, which is no node record: %w", text, err)
		}
		if err := n.ValidateComplete(); err != nil {
			return nil, field.Errorf("BootNodes", "has %q, which cannot be reached: %w", text, err)
		}
		nodes[i] = n
	}
	return nodes, nil
}
