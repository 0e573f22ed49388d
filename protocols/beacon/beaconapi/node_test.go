package beaconapi_test

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"github.com/seed-2dd5877b/reqresp/protocols/beacon/beaconapi"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon/beacontest"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// A node is a beacon node that has the real chain of package beacontest. Handlers replace what it answers to a path.
type node struct {
	*httptest.Server
	handlers map[string]http.HandlerFunc
	asked    []string // paths with queries
}

func newNode(t testing.TB) *node {
	t.Helper()
	n := &node{handlers: make(map[string]http.HandlerFunc)}
	n.Server = httptest.NewServer(n)
	t.Cleanup(n.Close)
	genesisTime, root := beacontest.FuluGenesis()
	n.answer("/eth/v1/beacon/genesis", fmt.Sprintf(`{"data":{"genesis_time":"%d","genesis_validators_root":"%v",`+
		`"genesis_fork_version":"0x00000001"}}`, genesisTime.Unix(), root))
	n.answer("/eth/v1/config/spec", specOf(beacontest.FuluConfig()))
	n.finalize(beacontest.FuluFinalized, blockAt(192).Root)
	return n
}

// specOf returns a configuration file as the API has it.
func specOf(config string) string {
	data := make(map[string]any)
	for line := range strings.Lines(config) {
		key, value, ok := strings.Cut(strings.TrimSpace(line), ": ")
		if ok && !strings.HasPrefix(line, "#") && !strings.HasPrefix(line, " ") {
			data[key] = strings.Trim(value, "'")
		}
	}
	data["BLOB_SCHEDULE"] = []map[string]string{
		{"EPOCH": "14", "MAX_BLOBS_PER_BLOCK": "12"}, {"EPOCH": "18", "MAX_BLOBS_PER_BLOCK": "15"},
	}
	b, err := json.Marshal(map[string]any{"data": data})
	if err != nil {
		panic(err)
	}
	return string(b)
}

// blockAt returns the block of a slot, or of the last one before that has a block.
func blockAt(slot ssz.Slot) (at *beacontest.Item) {
	for _, b := range beacontest.Fulu().Blocks {
		if b.Slot <= slot {
			at = b
		}
	}
	return at
}

// answer has the node answer JSON to a path.
func (n *node) answer(path, body string) {
	n.handlers[path] = func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		fmt.Fprint(w, body)
	}
}

// finalize has the node say that a checkpoint is finalized.
func (n *node) finalize(epoch ssz.Epoch, root ssz.Root) {
	zero := ssz.Root{}
	n.answer("/eth/v1/beacon/states/head/finality_checkpoints", fmt.Sprintf(
		`{"execution_optimistic":false,"finalized":false,"data":{"previous_justified":{"epoch":"0","root":"%v"},`+
			`"current_justified":{"epoch":"0","root":"%v"},"finalized":{"epoch":"%d","root":"%v"}}}`, zero, zero, epoch, root))
}

func (n *node) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	n.asked = append(n.asked, r.URL.RequestURI())
	if h := n.handlers[r.URL.Path]; h != nil {
		h(w, r)
		return
	}
	path, id := r.URL.Path[:strings.LastIndex(r.URL.Path, "/")], r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:]
	block := n.block(id)
	switch {
	case block == nil:
	case path == "/eth/v1/beacon/headers":
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"execution_optimistic":false,"finalized":true,"data":{"root":"%v","canonical":true,`+
			`"header":{"message":{"slot":"%d"},"signature":"0x"}}}`, block.Root, block.Slot)
		return
	case path == "/eth/v2/beacon/blocks":
		n.ssz(w, block.Slot, block.SSZ)
		return
	case path == "/eth/v1/beacon/blob_sidecars":
		n.ssz(w, block.Slot, listOf(beacontest.Fulu().Blobs, block, r.URL.Query()["indices"], false))
		return
	case path == "/eth/v1/debug/beacon/data_column_sidecars":
		n.ssz(w, block.Slot, listOf(beacontest.Fulu().Columns, block, r.URL.Query()["indices"], true))
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusNotFound)
	fmt.Fprint(w, `{"code":404,"message":"Block not found"}`)
}

// block returns the block of an ID.
func (n *node) block(id string) *beacontest.Item {
	if slot, err := strconv.Atoi(id); err == nil {
		return blockAt(ssz.Slot(slot))
	}
	switch id {
	case "head":
		return blockAt(beacontest.FuluHead)
	case "finalized":
		return blockAt(192)
	case "genesis":
		return blockAt(0)
	}
	for _, b := range beacontest.Fulu().Blocks {
		if b.Root.String() == id {
			return b
		}
	}
	return nil
}

func (n *node) ssz(w http.ResponseWriter, slot ssz.Slot, b []byte) {
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Eth-Consensus-Version", beacontest.Fulu().Fork(slot).String())
	_, _ = w.Write(b)
}

// sidecarsOf returns the sidecars of a block with some indices, or all.
func sidecarsOf(all []*beacontest.Item, block *beacontest.Item, indices []string) (found []*beacontest.Item) {
	for _, i := range all {
		if i.Root != block.Root {
			continue
		}
		for _, index := range append(indices, strconv.FormatUint(i.Index, 10))[:max(1, len(indices))] {
			if index == strconv.FormatUint(i.Index, 10) {
				found = append(found, i)
			}
		}
	}
	return found
}

// listOf encodes sidecars as a list, whose elements may be of variable size.
func listOf(all []*beacontest.Item, block *beacontest.Item, indices []string, variable bool) (b []byte) {
	found := sidecarsOf(all, block, indices)
	if at := 4 * len(found); variable {
		for _, i := range found {
			b = binary.LittleEndian.AppendUint32(b, uint32(at))
			at += len(i.SSZ)
		}
	}
	for _, i := range found {
		b = append(b, i.SSZ...)
	}
	return b
}

func (n *node) client(t testing.TB) *beaconapi.Client {
	t.Helper()
	c, err := beaconapi.New(n.URL, n.Client())
	if err != nil {
		t.Fatal(err)
	}
	return c
}
