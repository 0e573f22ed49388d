// Package client calls a node that runs the service of package plugin, over go-ethereum's RPC:
//
//	c, err := client.Dial(ctx, "/var/lib/reqresp/reqresp/reqresp.ipc")
//	defer c.Close()
//	peers, err := c.Peers(ctx)
//
// Calls fail with the node's error, an rpc.Error, or with that of the transport. Those that only
// read need the namespace "reqresp" to be exposed at the endpoint, the others "reqrespadmin"; a service of
// another name has others, see [Client.Service].
package client

import (
	"context"
	"time"

	"github.com/ethereum/go-ethereum/rpc"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/plugin/api"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
)

// A Client calls one node. It is safe for concurrent use.
type Client struct {
	rpc            *rpc.Client
	reads, changes string // what methods begin with
}

// Dial connects to a node at a URL (http, https, ws, wss) or at the path of its IPC socket.
func Dial(ctx context.Context, endpoint string) (*Client, error) {
	c, err := rpc.DialContext(ctx, endpoint)
	if err != nil {
		return nil, err
	}
	return New(c), nil
}

// New returns a client that calls over a connection there is, such as that of node.Node.Attach.
func New(c *rpc.Client) *Client { return (&Client{rpc: c}).Service(api.Namespace) }

// Service returns a client of the service that has a name, of several on the node, over the same connection.
func (c *Client) Service(name string) *Client {
	return &Client{rpc: c.rpc, reads: name + "_", changes: name + api.AdminSuffix + "_"}
}

// Close closes the connection.
func (c *Client) Close() { c.rpc.Close() }

// call calls a method of a namespace.
func call[Result any](ctx context.Context, c *Client, method string, args ...any) (result Result, err error) {
	err = c.rpc.CallContext(ctx, &result, method, args...)
	return result, err
}

// NodeInfo returns the node's identity, addresses and status.
func (c *Client) NodeInfo(ctx context.Context) (api.NodeInfo, error) {
	return call[api.NodeInfo](ctx, c, c.reads+"nodeInfo")
}

// Peers returns the peers that are connected, ordered by their ids.
func (c *Client) Peers(ctx context.Context) ([]api.Peer, error) {
	return call[[]api.Peer](ctx, c, c.reads+"peers")
}

// Peer returns all that is known of a peer that is connected.
func (c *Client) Peer(ctx context.Context, id peer.ID) (api.PeerDetails, error) {
	return call[api.PeerDetails](ctx, c, c.reads+"peer", id)
}

// Methods returns what has come of each method, inbound and outbound.
func (c *Client) Methods(ctx context.Context) ([]api.Method, error) {
	return call[[]api.Method](ctx, c, c.reads+"methods")
}

// Limits returns what each peer may use of each method, ordered by method.
func (c *Client) Limits(ctx context.Context) ([]api.Limit, error) {
	return call[[]api.Limit](ctx, c, c.reads+"limits")
}

// Budgets returns what the peers that are connected have left of their limits.
func (c *Client) Budgets(ctx context.Context) ([]api.Budget, error) {
	return call[[]api.Budget](ctx, c, c.reads+"budgets")
}

// PeerBudgets returns what a peer, which need not be connected, has left of its limits.
func (c *Client) PeerBudgets(ctx context.Context, id peer.ID) ([]api.Budget, error) {
	return call[[]api.Budget](ctx, c, c.reads+"budgets", id)
}

// Scores returns the scores of peers that are no strangers, whether connected or not.
func (c *Client) Scores(ctx context.Context) ([]api.Score, error) {
	return call[[]api.Score](ctx, c, c.reads+"scores")
}

// Bans returns the bans in force.
func (c *Client) Bans(ctx context.Context) ([]api.Ban, error) {
	return call[[]api.Ban](ctx, c, c.reads+"bans")
}

// Trusted returns the peers that are trusted, sorted.
func (c *Client) Trusted(ctx context.Context) ([]api.Trusted, error) {
	return call[[]api.Trusted](ctx, c, c.reads+"trusted")
}

// Syncing returns the sync that is under way, or nil.
func (c *Client) Syncing(ctx context.Context) (*api.Syncing, error) {
	return call[*api.Syncing](ctx, c, c.reads+"syncing")
}

// SetLimit changes what each peer may use of a method, at once and for exchanges under way too,
// and returns what results. It ends with the process: for good it is set in the node's configuration.
func (c *Client) SetLimit(ctx context.Context, method string, change api.LimitChange) (api.Limit, error) {
	return call[api.Limit](ctx, c, c.changes+"setLimit", method, change)
}

// Retention returns how much of its history the node's store keeps of each kind of objects.
func (c *Client) Retention(ctx context.Context) (api.Retention, error) {
	return call[api.Retention](ctx, c, c.reads+"retention")
}

// SetRetention changes how much of its history the node's store keeps, and returns what results. Fields that are empty
// stay as they are. It ends with the process: for good it is set in the node's configuration.
func (c *Client) SetRetention(ctx context.Context, change api.Retention) (api.Retention, error) {
	return call[api.Retention](ctx, c, c.changes+"setRetention", change)
}

// Connect has the node dial a peer at a multiaddr with its peer id, or by its node record (enr:…), and returns the
// status that the peer tells. From then on it is a peer as any other.
func (c *Client) Connect(ctx context.Context, addr string) (beacon.Status, error) {
	return call[beacon.Status](ctx, c, c.changes+"connect", addr)
}

// Disconnect has the node say goodbye to a peer and hang up.
func (c *Client) Disconnect(ctx context.Context, id peer.ID) error {
	_, err := call[bool](ctx, c, c.changes+"disconnect", id)
	return err
}

// Ban has the node keep a peer out for a time, also over restarts, and leave it if it is connected. The reason
// is for people to read.
func (c *Client) Ban(ctx context.Context, id peer.ID, d time.Duration, reason string) error {
	_, err := call[bool](ctx, c, c.changes+"ban", id, d.String(), reason)
	return err
}

// Unban ends a ban and forgets the peer's score, and reports whether there was a ban.
func (c *Client) Unban(ctx context.Context, id peer.ID) (bool, error) {
	return call[bool](ctx, c, c.changes+"unban", id)
}

// Trust has a peer never be penalised, banned or left for lack of room. It ends with the process, unless the node's
// configuration names the peer.
func (c *Client) Trust(ctx context.Context, id peer.ID) error {
	_, err := call[bool](ctx, c, c.changes+"trust", id)
	return err
}

// Untrust has a peer be as any other. One that the node's configuration names is trusted again when the process
// is started again.
func (c *Client) Untrust(ctx context.Context, id peer.ID) error {
	_, err := call[bool](ctx, c, c.changes+"untrust", id)
	return err
}
