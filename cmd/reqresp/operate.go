package main

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strconv"

	gethlog "github.com/ethereum/go-ethereum/log"
	"github.com/ethereum/go-ethereum/node"

	"github.com/seed-2dd5877b/reqresp/cmd/reqresp/internal/config"
	"github.com/seed-2dd5877b/reqresp/limits"
	"github.com/seed-2dd5877b/reqresp/plugin"
	"github.com/seed-2dd5877b/reqresp/plugin/metrics"
)

// endpoints are where operators can look into a node. Those that are off are empty.
type endpoints struct {
	IPC     string `json:"ipc,omitempty"`
	HTTP    string `json:"http,omitempty"`
	Metrics string `json:"metrics,omitempty"`
	Pprof   string `json:"pprof,omitempty"`
}

// startOperated starts a node with the service on the embedded store, and what operators look
// into it by.
func startOperated(c *config.Config, logger *slog.Logger, cfg plugin.Config) (*instance, endpoints, error) {
	served, err := c.Limits.Config()
	if err != nil {
		return nil, endpoints{}, err
	}
	cfg.Limits, cfg.Scores = &limits.Options{Config: served.Limits}, served.Score
	cfg.Logger, cfg.Memory, cfg.NoGossipsub = logger, int64(c.P2P.Memory)<<20, c.P2P.NoGossipsub
	nc, err := operatedConfig(c, logger)
	if err != nil {
		return nil, endpoints{}, err
	}
	i, err := newInstance(nc, nil, cfg)
	if err != nil {
		return nil, endpoints{}, err
	}
	measured, err := metrics.Handler(i.healthy, i.Metrics())
	if err != nil {
		return nil, endpoints{}, errors.Join(err, i.stack.Close())
	}
	metricsAt := i.register(c.Metrics, measured)
	pprofAt := i.register(c.Pprof, metrics.ProfileHandler())
	if err := i.stack.Start(); err != nil {
		return nil, endpoints{}, err // The node has closed itself.
	}
	at := endpoints{IPC: i.stack.IPCEndpoint(), Metrics: metricsAt(), Pprof: pprofAt()}
	if c.HTTP.Enabled {
		at.HTTP = i.stack.HTTPEndpoint()
	}
	return i, at, nil
}

// healthy tells whether the service runs.
func (i *instance) healthy() error {
	_, err := i.Addrs()
	return err
}

// register has the node serve HTTP at an endpoint, if that is on. The function tells where,
// once the node was started; empty if it is off.
func (i *instance) register(e config.Endpoint, h http.Handler) func() string {
	if !e.Enabled {
		return func() string { return "" }
	}
	endpoint := metrics.NewEndpoint(net.JoinHostPort(e.Addr, strconv.Itoa(e.Port)), h)
	i.stack.RegisterLifecycle(endpoint)
	return func() string { return "http://" + endpoint.Addr().String() }
}

// operatedConfig is nodeConfig with RPC servers.
func operatedConfig(c *config.Config, logger *slog.Logger) (*node.Config, error) {
	nc := nodeConfig(c.Node.DataDir)
	nc.Logger = gethlog.NewLogger(logger.With("module", "node").Handler())
	nc.IPCPath = c.Node.IPCPath
	if path := nc.IPCEndpoint(); len(path) > maxSocketPath {
		return nil, fmt.Errorf("the IPC socket's path %s is longer than the system allows, %d bytes: choose another by --ipcpath, or none by --ipcpath=",
			path, maxSocketPath)
	}
	if c.HTTP.Enabled {
		nc.HTTPHost, nc.HTTPPort, nc.HTTPModules = c.HTTP.Addr, c.HTTP.Port, c.HTTP.API
		nc.HTTPVirtualHosts, nc.HTTPCors = c.HTTP.VirtualHosts, c.HTTP.CORSDomain
	}
	nc.BatchRequestLimit = node.DefaultConfig.BatchRequestLimit
	nc.BatchResponseMaxSize = node.DefaultConfig.BatchResponseMaxSize
	return nc, nil
}

// maxSocketPath is what fits into an address on all systems.
const maxSocketPath = 103
