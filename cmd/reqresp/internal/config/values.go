package config

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"

	"github.com/seed-2dd5877b/reqresp/cmd/reqresp/internal/logging"
	"github.com/seed-2dd5877b/reqresp/internal/settings"
	"github.com/seed-2dd5877b/reqresp/plugin"
	"github.com/seed-2dd5877b/reqresp/plugin/api"
	"github.com/seed-2dd5877b/reqresp/plugin/discovery"
	"github.com/seed-2dd5877b/reqresp/plugin/resources"
	"github.com/seed-2dd5877b/reqresp/plugin/store"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

func checkNetwork(name string) error {
	if name == "" || slices.Contains(ssz.NetworkNames(), name) {
		return nil
	}
	return fmt.Errorf("%q: want one of %s, or network.config_file for others",
		name, strings.Join(ssz.NetworkNames(), ", "))
}

func checkRoot(text string) error {
	if text == "" {
		return nil
	}
	return new(ssz.Root).UnmarshalText([]byte(text))
}

func checkNamespace(name string) error {
	if name == api.Namespace || name == api.AdminNamespace {
		return nil
	}
	return fmt.Errorf("%q: want %s or %s", name, api.Namespace, api.AdminNamespace)
}

func checkVerbosity(text string) error {
	_, err := logging.Parse(text)
	return err
}

// memory is in MiB. Zero stands for a default.
func memory(to *int) settings.Value {
	const least, most = resources.MinMemory >> 20, resources.MaxMemory >> 20
	return settings.Number(to, 0, most).Checked(func() error {
		if *to > 0 && *to < least {
			return fmt.Errorf(`"%d": want %d to %d MiB, or 0`, *to, least, most)
		}
		return nil
	})
}

// custody is a number of custody groups. Zero, which prints as nothing, is the network's requirement.
func custody(to *uint64) settings.Value {
	const all = "all"
	parse := func(text string) (uint64, error) {
		n, err := strconv.ParseUint(text, 10, 64)
		switch {
		case text == "":
			return 0, nil
		case text == all:
			return ssz.NumberOfCustodyGroups, nil
		case err != nil || n == 0 || n > ssz.NumberOfCustodyGroups:
			return 0, fmt.Errorf("%q: want 1 to %d custody groups, or all", text, ssz.NumberOfCustodyGroups)
		}
		return n, nil
	}
	return settings.Parsed(to, parse, func(n uint64) string {
		switch n {
		case 0:
			return ""
		case ssz.NumberOfCustodyGroups:
			return all
		}
		return strconv.FormatUint(n, 10)
	})
}

func retention(to *store.Retention) settings.Value {
	return settings.Parsed(to, func(text string) (r store.Retention, err error) {
		err = r.UnmarshalText([]byte(text))
		return r, err
	}, store.Retention.String)
}

// address is an address to listen at.
func address(to *string) settings.Value {
	return settings.Text(to, func(text string) error {
		if text == "" {
			return fmt.Errorf("%q: want an address to listen at, like 127.0.0.1, or 0.0.0.0 for all", text)
		}
		return nil
	})
}

func listen(to *[]string) settings.Value {
	return settings.Whole(func() []string { return *to }, func(texts []string) error {
		if len(texts) == 0 {
			return fmt.Errorf("[]: want one multiaddr or more, like /ip4/0.0.0.0/udp/9000/quic-v1")
		}
		for _, text := range texts {
			if err := plugin.ValidateListen(text); err != nil {
				return err
			}
		}
		*to = texts
		return nil
	})
}

// staticNodes are printed as they were given: a node record has all addresses of its node.
func staticNodes(to *[]peer.AddrInfo) settings.Value {
	var given []string
	return settings.Whole(func() []string { return given }, func(texts []string) error {
		var addrs []multiaddr.Multiaddr
		for _, text := range texts {
			info, err := discovery.ParsePeer(text)
			if err != nil {
				return err
			}
			of, err := peer.AddrInfoToP2pAddrs(&info)
			if err != nil {
				return fmt.Errorf("%q: %w", text, err)
			}
			addrs = append(addrs, of...)
		}
		var err error
		*to, err = peer.AddrInfosFromP2pAddrs(addrs...) // several of one peer are one
		given = texts
		return err
	})
}

func discoveryAddr(o *discovery.Config) settings.Value {
	return settings.Text(&o.Listen, func(text string) error {
		return withoutField((&discovery.Config{Listen: text}).Validate())
	})
}

func bootNodes(o *discovery.Config) settings.Value {
	return settings.Whole(func() []string { return o.BootNodes }, func(texts []string) error {
		o.BootNodes = texts
		return withoutField((&discovery.Config{BootNodes: texts}).Validate())
	})
}

func externalIP(o *discovery.Config) settings.Value {
	v := settings.ListOf(&o.ExternalIP, func(text string) (netip.Addr, error) {
		ip, err := netip.ParseAddr(text)
		if err != nil {
			err = fmt.Errorf("%q: want IP addresses, or none to learn them", text)
		}
		return ip, err
	}, netip.Addr.String)
	return v.Checked(func() error {
		return withoutField((&discovery.Config{ExternalIP: o.ExternalIP}).Validate())
	})
}
