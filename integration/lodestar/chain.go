package lodestar

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Genesis identifies a chain.
type Genesis struct {
	Time           time.Time // the beginning of slot 0
	ValidatorsRoot Root
}

// Genesis returns the genesis data of the node's chain, also before genesis.
func (n *Node) Genesis(ctx context.Context) (Genesis, error) {
	g, err := get[struct {
		Time int64 `json:"genesis_time,string"`
		Root Root  `json:"genesis_validators_root"`
	}](ctx, n, "/eth/v1/beacon/genesis")
	if err != nil {
		return Genesis{}, err
	}
	return Genesis{Time: time.Unix(g.Time, 0), ValidatorsRoot: g.Root}, nil
}

// header is a block header as the API returns it.
type header struct {
	Root   Root `json:"root"`
	Header struct {
		Message struct {
			Slot uint64 `json:"slot,string"`
		} `json:"message"`
	} `json:"header"`
}

// Head returns the slot and the root of the newest block of the canonical chain, which is the genesis block at first.
func (n *Node) Head(ctx context.Context) (slot uint64, root Root, err error) {
	h, err := get[header](ctx, n, "/eth/v1/beacon/headers/head")
	return h.Header.Message.Slot, h.Root, err
}

// Finalized returns the finalized checkpoint of the head state. Epoch 0 has the zero root.
func (n *Node) Finalized(ctx context.Context) (epoch uint64, root Root, err error) {
	c, err := get[struct {
		Finalized struct {
			Epoch uint64 `json:"epoch,string"`
			Root  Root   `json:"root"`
		} `json:"finalized"`
	}](ctx, n, "/eth/v1/beacon/states/head/finality_checkpoints")
	return c.Finalized.Epoch, c.Finalized.Root, err
}

// BlockRoot returns the root of the canonical block at a slot; ok is false where there is none.
func (n *Node) BlockRoot(ctx context.Context, slot uint64) (root Root, ok bool, err error) {
	h, err := get[header](ctx, n, fmt.Sprintf("/eth/v1/beacon/headers/%d", slot))
	if errors.Is(err, errNotFound) {
		return Root{}, false, nil
	}
	if err == nil && h.Header.Message.Slot != slot {
		err = fmt.Errorf("lodestar: asked for slot %d, answered with slot %d", slot, h.Header.Message.Slot)
	}
	return h.Root, err == nil, err
}

// WaitForSlot returns when the head is at the slot or after it. Slots may be empty, above all under load, so
// there can be fewer blocks than slots. The error is the cause of ctx, or says that the node has ended.
func (n *Node) WaitForSlot(ctx context.Context, slot uint64) error {
	var head uint64
	err := n.poll(ctx, func(ctx context.Context) (bool, error) {
		h, _, err := n.Head(ctx)
		if err != nil {
			return false, nil // a dead node and an ended context are seen by poll
		}
		head = h
		return head >= slot, nil
	})
	if err != nil {
		return fmt.Errorf("lodestar: waiting for slot %d, head at %d: %w", slot, head, err)
	}
	return nil
}

// Peer is a libp2p peer of a node.
type Peer struct {
	ID        string `json:"peer_id"`
	Address   string `json:"last_seen_p2p_address"` // a multiaddr
	State     string `json:"state"`                 // connected, connecting, disconnecting or disconnected
	Direction string `json:"direction"`             // inbound or outbound, as the node sees it
}

// Peers returns the peers that the node knows, connected or not.
func (n *Node) Peers(ctx context.Context) ([]Peer, error) {
	return get[[]Peer](ctx, n, "/eth/v1/node/peers")
}

// ConnectPeer makes the node dial a multiaddr, which ends in /p2p/ and a peer ID, and returns when the connection
// stands. Thereupon the node sends its Status, and hangs up if it is not answered: see the package documentation.
func (n *Node) ConnectPeer(ctx context.Context, multiaddr string) error {
	addr, id, ok := strings.Cut(multiaddr, "/p2p/")
	if !ok || addr == "" || id == "" || strings.Contains(id, "/") {
		return fmt.Errorf("lodestar: multiaddr %q, want an address that ends in /p2p/ and a peer ID", multiaddr)
	}
	query := url.Values{"peerId": {id}, "multiaddr": {addr}}
	_, err := n.do(ctx, http.MethodPost, "/eth/v1/lodestar/connect_peer?"+query.Encode())
	return err
}
