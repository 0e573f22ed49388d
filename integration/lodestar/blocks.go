package lodestar

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/seed-2dd5877b/reqresp/integration/internal/install"
)

// Block is a block of the canonical chain.
type Block struct {
	Slot    uint64
	Version string // the fork in lower case: phase0, altair, bellatrix or capella
	Root    Root
	SSZ     []byte // of the SignedBeaconBlock
}

// Blocks returns the canonical blocks of the count slots from start on, in order and without the empty slots.
//
// The API of Lodestar 1.5.1 has blocks in JSON only. They are serialized by Lodestar's own types in one
// short process for all of them (about 0.5 s), and each root found so must be the one that the node gave. A call
// for many slots is therefore much cheaper than many calls for one.
func (n *Node) Blocks(ctx context.Context, start, count uint64) ([]Block, error) {
	var blocks []Block
	var lines bytes.Buffer
	for slot := start; slot-start < count; slot++ {
		root, ok, err := n.BlockRoot(ctx, slot)
		if err != nil {
			return nil, err
		}
		if !ok {
			continue
		}
		version, err := n.appendBlock(ctx, root, &lines)
		if err != nil {
			return nil, err
		}
		blocks = append(blocks, Block{Slot: slot, Version: version, Root: root})
	}
	if len(blocks) == 0 {
		return nil, nil
	}
	out, err := n.serialize(ctx, &lines)
	if err != nil {
		return nil, err
	}
	return blocks, readSSZ(out, blocks)
}

// appendBlock adds the block with a root, as the API returns it, to lines.
func (n *Node) appendBlock(ctx context.Context, root Root, lines *bytes.Buffer) (version string, err error) {
	path := "/eth/v2/beacon/blocks/" + root.String()
	body, err := n.do(ctx, http.MethodGet, path)
	if err != nil {
		return "", err
	}
	var answer struct {
		Version string `json:"version"`
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return "", fmt.Errorf("lodestar: GET %s: %w", path, err)
	}
	if err := json.Compact(lines, body); err != nil {
		return "", fmt.Errorf("lodestar: GET %s: %w", path, err)
	}
	lines.WriteByte('\n')
	return answer.Version, nil
}

// serialize runs blocks.mjs over lines.
func (n *Node) serialize(ctx context.Context, lines *bytes.Buffer) ([]byte, error) {
	cmd := exec.CommandContext(ctx, n.node,
		"--require", filepath.Join(n.dir, "polyfill.cjs"), filepath.Join(n.dir, "blocks.mjs"))
	cmd.Env = append(os.Environ(), "LODESTAR_PRESET=minimal")
	cmd.Stdin = lines
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("lodestar: serializing blocks: %w\n%s", err, install.Tail(stderr.Bytes()))
	}
	return out, nil
}

// readSSZ fills in the SSZ of blocks from the output of blocks.mjs, which has a line for each.
func readSSZ(out []byte, blocks []Block) error {
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	if len(lines) != len(blocks) {
		return fmt.Errorf("lodestar: serialized %d blocks of %d", len(lines), len(blocks))
	}
	for i, line := range lines {
		b := &blocks[i]
		root, ssz, _ := strings.Cut(line, " ")
		if "0x"+root != b.Root.String() {
			return fmt.Errorf("lodestar: block at slot %d serialized with root 0x%s, the node says %v", b.Slot, root, b.Root)
		}
		data, err := hex.DecodeString(ssz)
		if err != nil {
			return fmt.Errorf("lodestar: block at slot %d: %w", b.Slot, err)
		}
		b.SSZ = data
	}
	return nil
}
