package beaconapi

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/seed-2dd5877b/reqresp/ssz"
)

// Genesis is what tells networks of one configuration apart.
type Genesis struct {
	Time           time.Time
	ValidatorsRoot ssz.Root
	ForkVersion    ssz.Version
}

// Genesis asks for the genesis.
func (c *Client) Genesis(ctx context.Context) (Genesis, error) {
	data, err := getData[struct {
		Time           int64       `json:"genesis_time,string"`
		ValidatorsRoot ssz.Root    `json:"genesis_validators_root"`
		ForkVersion    ssz.Version `json:"genesis_fork_version"`
	}](ctx, c, "/eth/v1/beacon/genesis")
	if err != nil {
		return Genesis{}, err
	}
	if data.ValidatorsRoot == (ssz.Root{}) {
		return Genesis{}, fmt.Errorf("%w: genesis without a validators root", ErrMalformed)
	}
	return Genesis{time.Unix(data.Time, 0), data.ValidatorsRoot, data.ForkVersion}, nil
}

// Spec asks for the network's configuration.
func (c *Client) Spec(ctx context.Context) (*ssz.Config, error) {
	b, err := c.getJSON(ctx, "/eth/v1/config/spec")
	if err != nil {
		return nil, err
	}
	cfg, err := ssz.ParseConfig(b)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	return cfg, nil
}

// Network asks for the configuration and the genesis, and returns the network they make.
func (c *Client) Network(ctx context.Context) (*ssz.Network, error) {
	cfg, err := c.Spec(ctx)
	if err != nil {
		return nil, err
	}
	genesis, err := c.Genesis(ctx)
	if err != nil {
		return nil, err
	}
	n, err := ssz.NewNetwork(*cfg, genesis.Time, genesis.ValidatorsRoot)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	return n, nil
}

// A Checkpoint is a finalized checkpoint.
type Checkpoint struct {
	Epoch ssz.Epoch
	Root  ssz.Root
}

// Checkpoint asks for the finalized checkpoint of the head's state. The error is ErrNotFinalized if that is genesis.
func (c *Client) Checkpoint(ctx context.Context) (Checkpoint, error) {
	data, err := getData[struct {
		Finalized struct {
			Epoch uint64   `json:"epoch,string"`
			Root  ssz.Root `json:"root"`
		} `json:"finalized"`
	}](ctx, c, "/eth/v1/beacon/states/head/finality_checkpoints")
	if err != nil {
		return Checkpoint{}, err
	}
	if data.Finalized.Root == (ssz.Root{}) {
		return Checkpoint{}, ErrNotFinalized
	}
	return Checkpoint{ssz.Epoch(data.Finalized.Epoch), data.Finalized.Root}, nil
}

// IsCanonical asks whether the block of a root is in the node's canonical chain. A block that the node does not have is
// not.
func (c *Client) IsCanonical(ctx context.Context, root ssz.Root) (bool, error) {
	data, err := getData[struct {
		Root      ssz.Root
		Canonical bool
	}](ctx, c, "/eth/v1/beacon/headers", string(ByRoot(root)))
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if data.Root != root {
		return false, fmt.Errorf("%w: header of %v, asked for %v", ErrMalformed, data.Root, root)
	}
	return data.Canonical, nil
}

// Finalized asks several nodes for their finalized checkpoints, and returns the one of the lowest epoch if its block is
// in the chains of all of them: nodes that are a little behind still agree. The error is a [*DisagreementError] if they
// do not; other errors begin with the URL of their node. Without a node it is an error too.
func Finalized(ctx context.Context, nodes ...*Client) (Checkpoint, error) {
	if len(nodes) == 0 {
		return Checkpoint{}, errors.New("beaconapi: want at least one node")
	}
	checkpoints := make([]Checkpoint, len(nodes))
	err := each(nodes, func(i int, c *Client) (err error) {
		checkpoints[i], err = c.Checkpoint(ctx)
		return err
	})
	if err != nil {
		return Checkpoint{}, err
	}
	lowest := 0
	for i, p := range checkpoints {
		if p.Epoch < checkpoints[lowest].Epoch {
			lowest = i
		}
	}
	err = each(nodes, func(i int, c *Client) (err error) {
		if checkpoints[i] == checkpoints[lowest] {
			return nil
		}
		ok := false
		if checkpoints[i].Epoch > checkpoints[lowest].Epoch {
			if ok, err = c.IsCanonical(ctx, checkpoints[lowest].Root); err != nil {
				return err
			}
		}
		if !ok {
			return &DisagreementError{checkpoints[lowest], nodes[lowest].URL(), c.URL()}
		}
		return nil
	})
	if err != nil {
		return Checkpoint{}, err
	}
	return checkpoints[lowest], nil
}

// each calls f for all nodes at once, and returns the error of the first node that has one.
func each(nodes []*Client, f func(i int, c *Client) error) error {
	errs := make([]error, len(nodes))
	var wg sync.WaitGroup
	for i, c := range nodes {
		wg.Go(func() { errs[i] = f(i, c) })
	}
	wg.Wait()
	for i, err := range errs {
		if err != nil {
			return fmt.Errorf("%s: %w", nodes[i].URL(), err)
		}
	}
	return nil
}
