package integration_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p"
	mplex "github.com/libp2p/go-libp2p-mplex"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	rcmgr "github.com/libp2p/go-libp2p/p2p/host/resource-manager"
	"github.com/libp2p/go-libp2p/p2p/muxer/yamux"
	"github.com/libp2p/go-libp2p/p2p/security/noise"
	quic "github.com/libp2p/go-libp2p/p2p/transport/quic"
	"github.com/libp2p/go-libp2p/p2p/transport/tcp"

	"github.com/seed-2dd5877b/reqresp/plugin/devchain"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon/beacontest"
	"github.com/seed-2dd5877b/reqresp/snappy"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// benchServer is set in the environment of the process that serves, to the
// address to listen on. Client and server are processes of their own so that the
// server's CPU and allocations can be told from the client's.
const benchServer = "REQRESP_BENCH_SERVER"

// servers are what the test binary does, given the address to listen on, when one of these is set in its
// environment.
var servers = map[string]func(listen string) error{benchServer: serveBench}

func TestMain(m *testing.M) {
	for name, serve := range servers {
		if addr := os.Getenv(name); addr != "" {
			if err := serve(addr); err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(1)
			}
			return
		}
	}
	os.Exit(m.Run())
}

// BenchmarkServe asks for blocks of 100 KiB that compress to about 0.6, 128 at a
// time, in turn from the plugin's service, out of the history of its store and with rate limits on,
// and from a bare stream handler on the same host that writes the same bytes from memory. One
// operation is one request of each.
//
// It reports for both the blocks per second and the server's CPU time, heap
// allocations and heap bytes per block, and the ratios of rate (higher is better)
// and of CPU time (lower is better).
func BenchmarkServe(b *testing.B) {
	for _, bench := range []struct{ name, listen string }{
		{"tcp", "/ip4/127.0.0.1/tcp/0"},
		{"quic", "/ip4/127.0.0.1/udp/0/quic-v1"},
	} {
		b.Run(bench.name, func(b *testing.B) { benchmarkServe(b, bench.listen) })
	}
}

func benchmarkServe(b *testing.B, listen string) {
	server := startServer(b, benchServer, listen)
	client := newBenchClient(b, server, benchNow)
	store := &contender{name: "store", id: storeProtocol}
	plain := &contender{name: "plain", id: plainProtocol}
	for _, c := range []*contender{plain, store} {
		c.run(b, client, server, 1) // warm up
		*c = contender{name: c.name, id: c.id, size: c.size}
	}
	if store.size != plain.size {
		b.Fatalf("store served %d bytes, plain streams %d", store.size, plain.size)
	}
	for b.Loop() {
		plain.run(b, client, server, 1)
		store.run(b, client, server, 1)
	}
	reportBoth(b, plain, store)
	b.ReportMetric(store.perBlock(store.used.Mallocs)-plain.perBlock(plain.used.Mallocs), "extra-allocs/block")
	b.ReportMetric(store.perBlock(store.used.Bytes)-plain.perBlock(plain.used.Bytes), "extra-B/block")
}

// reportBoth reports what both ways to serve have done, and their ratios.
func reportBoth(b *testing.B, plain, store *contender) {
	plain.report(b)
	store.report(b)
	b.ReportMetric(store.rate()/plain.rate(), "rate-ratio")
	b.ReportMetric(float64(store.used.CPU)/float64(plain.used.CPU), "cpu-ratio")
	b.ReportMetric(0, "ns/op") // of both together, it says nothing
}

// newBenchClient makes a host that is connected to a server and answers to status and ping: the service hangs up on
// one that stays silent for long.
func newBenchClient(b *testing.B, server *benchProcess, now func() time.Time) host.Host {
	h := newHost(b)
	answerer := beacon.NewServer(h, devchain.Network(), &beacontest.Chain{}, &beacon.ServerOptions{Now: now})
	if err := answerer.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = answerer.Stop(context.Background()) })
	if err := h.Connect(b.Context(), server.info); err != nil {
		b.Fatal(err)
	}
	return h
}

// contender is one of the two ways to serve.
type contender struct {
	name string
	id   protocol.ID
	size int64

	blocks  int
	elapsed time.Duration
	used    usage
}

// run asks for some batches from the first on, one after the other.
func (c *contender) run(b *testing.B, client host.Host, server *benchProcess, batches int) {
	before := server.usage(b)
	start := time.Now()
	size := int64(0)
	for i := range batches {
		size += c.ask(b, client, server, benchFirst+ssz.Slot(i*benchBatch))
	}
	if c.size != 0 && c.size != size {
		b.Fatalf("%s: %d bytes, want %d", c.name, size, c.size)
	}
	c.size = size
	c.elapsed += time.Since(start)
	c.blocks += batches * benchBatch
	c.used.add(server.usage(b), before)
}

// ask asks for the batch that begins with a slot, reads the answer to its end and returns its size.
func (c *contender) ask(b *testing.B, client host.Host, server *benchProcess, first ssz.Slot) int64 {
	stream, err := client.NewStream(b.Context(), server.info.ID, c.id)
	if err != nil {
		b.Fatal(err)
	}
	defer stream.Close()
	if _, err := stream.Write(rangeRequest(first)); err != nil {
		b.Fatal(err)
	}
	if err := stream.CloseWrite(); err != nil {
		b.Fatal(err)
	}
	n, err := io.Copy(discard{}, stream)
	if err != nil {
		b.Fatalf("%s: slot %d: after %d bytes: %v", c.name, first, n, err)
	}
	return n
}

// discard hides io.Discard's ReadFrom, whose buffer is small.
type discard struct{}

func (discard) Write(b []byte) (int, error) { return len(b), nil }

func (c *contender) rate() float64 { return float64(c.blocks) / c.elapsed.Seconds() }

func (c *contender) perBlock(n uint64) float64 { return float64(n) / float64(c.blocks) }

func (c *contender) report(b *testing.B) {
	b.ReportMetric(c.rate(), c.name+"-blocks/s")
	b.ReportMetric(float64(c.used.CPU.Microseconds())/float64(c.blocks), c.name+"-cpu-µs/block")
}

// usage is what a process has used so far, or between two moments.
type usage struct {
	CPU     time.Duration
	Mallocs uint64
	Bytes   uint64
	Read    uint64 // bytes from disk; 0 where that is not known
}

func (u *usage) add(to, from usage) {
	u.CPU += to.CPU - from.CPU
	u.Mallocs += to.Mallocs - from.Mallocs
	u.Bytes += to.Bytes - from.Bytes
	u.Read += to.Read - from.Read
}

// rangeRequest is the wire form of a request for the batch that begins with a slot.
func rangeRequest(first ssz.Slot) []byte {
	req := ssz.BeaconBlocksByRangeRequest{StartSlot: first, Count: benchBatch, Step: 1}
	b, err := req.MarshalSSZ()
	if err != nil {
		panic(err)
	}
	return snappy.AppendFrames(snappy.AppendHeader(nil, len(b)), b)
}

const storeProtocol = beacon.ProtocolPrefix + "/beacon_blocks_by_range/2/ssz_snappy"

// newHost makes a host that listens as told, or nowhere.
func newHost(t testing.TB, listen ...string) host.Host {
	h, err := makeHost(listen...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close() })
	return h
}

// makeHost makes a host whose resource manager counts and has no limits: by default, it lets a peer have some
// 70 streams of a protocol.
func makeHost(listen ...string) (host.Host, error) {
	resources, err := rcmgr.NewResourceManager(rcmgr.NewFixedLimiter(rcmgr.InfiniteLimits))
	if err != nil {
		return nil, err
	}
	listening := libp2p.NoListenAddrs
	if len(listen) > 0 {
		listening = libp2p.ListenAddrStrings(listen...)
	}
	return libp2p.New(
		listening,
		libp2p.ResourceManager(resources),
		libp2p.Transport(quic.NewTransport),
		libp2p.Transport(tcp.NewTCPTransport),
		libp2p.Security(noise.ID, noise.New),
		libp2p.Muxer(yamux.ID, yamux.DefaultTransport),
		libp2p.Muxer(mplex.ID, mplex.DefaultTransport),
		libp2p.DisableRelay(),
	)
}

// benchProcess is the process that serves.
type benchProcess struct {
	info   peer.AddrInfo
	ask    io.Writer
	answer *json.Decoder
}

// startServer runs one of the servers.
func startServer(b *testing.B, name, listen string) *benchProcess {
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, os.Args[0])
	cmd.Env = append(os.Environ(), name+"="+listen)
	cmd.Stderr = os.Stderr
	ask, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	answer, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	p := &benchProcess{ask: ask, answer: json.NewDecoder(bufio.NewReader(answer))}
	b.Cleanup(func() {
		ask.Close() // the server ends with its input
		if err := cmd.Wait(); err != nil {
			b.Errorf("server: %v", err)
		}
		cancel()
	})
	if err := p.answer.Decode(&p.info); err != nil {
		b.Fatal(err)
	}
	return p
}

// usage asks the process what it has used.
func (p *benchProcess) usage(b *testing.B) usage { return p.do(b, "") }

// do has the process do something, and returns what it has used then.
func (p *benchProcess) do(b *testing.B, command string) usage {
	if _, err := io.WriteString(p.ask, command+"\n"); err != nil {
		b.Fatal(err)
	}
	var u usage
	if err := p.answer.Decode(&u); err != nil {
		b.Fatal(err)
	}
	return u
}
