package lightclient

import (
	"cmp"
	"context"
	"errors"
	"iter"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// A Caller asks peers by the four light client protocols. *beacon.Client is one.
type Caller interface {
	LightClientBootstrap(ctx context.Context, to peer.ID, root ssz.Root) (*beacon.LightClientBootstrap, error)
	LightClientUpdatesByRange(
		ctx context.Context, to peer.ID, start, count uint64,
	) iter.Seq2[*beacon.LightClientUpdate, error]
	LightClientFinalityUpdate(ctx context.Context, to peer.ID) (*beacon.LightClientUpdate, error)
	LightClientOptimisticUpdate(ctx context.Context, to peer.ID) (*beacon.LightClientUpdate, error)
}

// ClientOptions are the optional settings of a [Client]. The zero value is ready.
type ClientOptions struct {
	// Objects, if not nil, keeps everything that was verified. The client begins with what they have, which it verifies
	// again.
	Objects *Objects
	// Invalid, if not nil, is called with each peer that has sent an object which breaks a rule, and the error. Calls
	// that fail are not reported here: they are in the Caller's trace.
	Invalid func(id peer.ID, err error)
	// Now is the clock. Nil means time.Now.
	Now func() time.Time
}

// ErrNotServed is returned when no peer has sent an object that is needed and valid. It wraps the failure of the last
// peer that was asked.
var ErrNotServed = errors.New("lightclient: no peer serves light client data")

// A View is the part of the chain that sync committees have signed, as far as a [Client] has followed it.
type View struct {
	// Finalized is the header of the latest block that is known to be final: the trusted block's at first.
	Finalized Header
	// Checkpoint is the finalized checkpoint of that block. It is zero as long as the block is the trusted one.
	Checkpoint Checkpoint
	// Head is the header of the latest block that a sync committee has signed, see [Store.Optimistic].
	Head Header
}

// A Client follows a chain from a trusted block on, by asking peers. Sync must not be called concurrently; the other
// methods are safe for concurrent use.
type Client struct {
	network *ssz.Network
	caller  Caller
	trusted ssz.Root
	peers   func() []peer.ID
	opts    ClientOptions

	// Of Sync.
	store *Store // nil before the bootstrap
	turn  int    // how often peers were asked; they take turns in being the first
	next  nextCommittee

	mu          sync.Mutex // guards what follows
	view        View
	checkpoints checkpoints
}

// NewClient returns a client that trusts the block of a root, which should be a finalized checkpoint's within the weak
// subjectivity period. The function returns the peers to ask; it is called whenever something has to be asked. Options
// may be nil. Nothing is asked before Sync.
func NewClient(n *ssz.Network, c Caller, trusted ssz.Root, peers func() []peer.ID, opts *ClientOptions) *Client {
	client := &Client{network: n, caller: c, trusted: trusted, peers: peers}
	if opts != nil {
		client.opts = *opts
	}
	if client.opts.Now == nil {
		client.opts.Now = time.Now
	}
	return client
}

// View returns what is known. It is zero before the first bootstrap.
func (c *Client) View() View {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.view
}

// Sync asks peers for what there is since the last call: the bootstrap, the sync committees up to now, the latest
// finality update and the latest optimistic update. A caller that wants to stay in step calls it once a slot, or once
// an epoch. Each object is asked of one peer after the other until one sends a valid one; of the latest updates up to
// three peers are asked until one is newer. The first peer is another one each time.
//
// The error wraps ErrNotServed if no peer serves what is needed, else it is that of ctx or of the Objects. View is of
// use all the same: what was verified stays.
func (c *Client) Sync(ctx context.Context) error {
	if c.store == nil {
		if err := c.begin(ctx); err != nil {
			return err
		}
	}
	if err := c.followCommittees(ctx); err != nil {
		return err
	}
	// Finality comes first, so that a head takes half of those who have signed that.
	errFinality := c.latest(ctx, beacon.KindLightClientFinalityUpdate, c.caller.LightClientFinalityUpdate)
	if errFinality != nil && !errors.Is(errFinality, ErrNotServed) {
		return errFinality
	}
	err := c.latest(ctx, beacon.KindLightClientOptimisticUpdate, c.caller.LightClientOptimisticUpdate)
	return cmp.Or(errFinality, err)
}

func (c *Client) slot() ssz.Slot { return c.network.SlotAt(c.opts.Now()) }
