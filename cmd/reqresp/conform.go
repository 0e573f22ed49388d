package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/internal/atomicfile"
	"github.com/seed-2dd5877b/reqresp/internal/settings"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon/conformance"
)

const conformDescription = `Holds a peer against the rules of the consensus specs for Req/Resp, and
prints a table: which rule, whether it was kept, how strongly the specs word it, what was asked and
what was seen.

It takes some minutes, as it paces itself: it stays well within what deployed clients grant a peer.
A few requests are malformed on purpose; they come late, and there are fewer of them than a client
bans for, a goodbye is the last. Rules of protocols that the peer does not offer, and of objects
that it does not hold, are skipped. Rules that are out are not tried: the table tells why. The
network is mainnet unless --network or --network.config tells another.

--hostile tries the rules too that take what deployed clients punish by a ban: more requests than they
grant, more objects than the specs allow, malformed requests by every protocol, and statuses of
another chain. Use it against servers of your own only; it takes a quarter of an hour. Each of these
rules is tried by a peer id of its own, after all others, and the table tells which was banned for
it. A server that bans the address as well hides what is left: that is skipped then.

With --json each rule is one line, as soon as it was tried: rule, result, level, protocol, asked,
expected and seen; with --hostile also identity and banned. --junit writes a report to a file as
well, in the JUnit form that continuous integration reads: a test case for each rule, with the
section of the specs. A file of that name is replaced at the end.

It fails if a rule was broken that the specs word with MUST. It ends at once, and fails, if the peer
says goodbye because it has banned this node, or has no room for it.`

// A conforming is what the flags of a conform are set to.
type conforming struct {
	json, hostile bool
	junit         string
}

func (a *app) conform() command {
	c := new(conforming)
	return command{
		name: "conform", usage: "hold a peer against the rules of the consensus specs", args: "PEER", least: 1,
		description: conformDescription, configured: []string{"network", "log"}, verbosity: quiet,
		flags: settings.Table{
			jsonFlag(&c.json, "print one line of JSON for each rule"),
			settings.New("", "junit", settings.Text(&c.junit, nil), "write a JUnit report to `FILE`"),
			settings.New("", "hostile", settings.Switch(&c.hostile), "try the rules too whose requests get one banned"),
		},
		run: func(ctx context.Context, in *invocation) error { return a.runConform(ctx, in, c) },
	}
}

// resultJSON is a result for programs.
type resultJSON struct {
	Rule     string `json:"rule"`
	Result   string `json:"result"`
	Level    string `json:"level"`
	Protocol string `json:"protocol"`
	Asked    string `json:"asked"`
	Expected string `json:"expected"`
	Seen     string `json:"seen"`
	Identity string `json:"identity,omitempty"`
	Banned   string `json:"banned,omitempty"`
}

func (a *app) runConform(ctx context.Context, in *invocation, c *conforming) (err error) {
	to, err := in.peer()
	if err != nil {
		return err
	}
	network, err := in.networkOrMainnet()
	if err != nil {
		return err
	}
	if err := probeReport(c.junit); err != nil {
		return err
	}
	ctx, watch := watchGoodbye(ctx, to.ID)
	i, err := a.startAsker(network, in.config, watch)
	if err != nil {
		return err
	}
	defer i.close(&err)
	defer i.settle(ctx, to.ID)
	if _, err := i.handshake(ctx, to); err != nil {
		return watch.explain(err)
	}
	opts := new(conformance.Options)
	if c.hostile {
		opts.Hostile = func() (host.Host, error) {
			i, err := a.startAsker(network, in.config, new(goodbyeWatch))
			if err != nil {
				return nil, err
			}
			return identity{i.Host(), i}, nil
		}
	}
	var results []conformance.Result
	cut := false // the peer's goodbye, or a signal, has ended the run
	for r := range conformance.Run(ctx, i.Host(), network, to.ID, opts) {
		results = append(results, r)
		cut = cut || ctx.Err() != nil && r.Outcome == conformance.Skip && r.Rule.LeftOut == ""
		if c.json {
			if err := a.stdout.printJSON(resultJSONOf(r)); err != nil {
				return err
			}
		}
	}
	if err := writeReport(c.junit, to.ID, results); err != nil {
		return err
	}
	if !c.json {
		if err := conformance.WriteTable(a.stdout, results); err != nil {
			return err
		}
	}
	if cut {
		return fmt.Errorf("not all rules were tried: %w", watch.explain(ctx.Err()))
	}
	if n := conformance.Broken(results, conformance.Must); n > 0 {
		return fmt.Errorf("the peer breaks %d rules that the specs word with MUST", n)
	}
	return nil
}

// An identity is the host of a node of its own.
type identity struct {
	host.Host
	node *instance
}

// Close stops the node.
func (i identity) Close() (err error) {
	i.node.close(&err)
	return err
}

func resultJSONOf(r conformance.Result) resultJSON {
	return resultJSON{
		Rule: r.Rule.ID, Result: strings.ToLower(r.Outcome.String()), Level: r.Rule.Severity.String(),
		Protocol: fmt.Sprintf("%s/%d", r.Rule.Method, r.Rule.Version),
		Asked:    r.Rule.Asked, Expected: r.Rule.Expected, Seen: r.Saw,
		Identity: identityName(r.Identity), Banned: r.Banned,
	}
}

// identityName returns an empty text for no identity.
func identityName(id peer.ID) string {
	if id == "" {
		return ""
	}
	return id.String()
}

// probeReport finds out at once whether a report can be written.
func probeReport(path string) error {
	if path == "" {
		return nil
	}
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return fmt.Errorf("--junit %s is not a regular file", path)
	}
	probe, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*.tmp")
	if err != nil {
		return fmt.Errorf("--junit: %w", err)
	}
	return errors.Join(probe.Close(), os.Remove(probe.Name()))
}

// writeReport replaces a report as a whole. Everybody may read it.
func writeReport(path string, of peer.ID, results []conformance.Result) error {
	if path == "" {
		return nil
	}
	var report bytes.Buffer
	err := conformance.WriteJUnit(&report, of.String(), results)
	if err == nil {
		err = atomicfile.Write(path, report.Bytes())
	}
	if err == nil {
		err = os.Chmod(path, 0o644)
	}
	if err != nil {
		return fmt.Errorf("--junit: %w", err)
	}
	return nil
}
