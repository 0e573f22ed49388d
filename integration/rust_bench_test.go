//go:build peers

package integration_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed-2dd5877b/reqresp/integration/internal/rusttest"
	"github.com/seed-2dd5877b/reqresp/integration/rustpeer"
	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
)

// rustBenchServer is set, to the address to listen on, in the environment of the process that serves the protocol
// bytes.
const rustBenchServer = "REQRESP_RUST_BENCH_SERVER"

func init() { servers[rustBenchServer] = serveRustBench }

// BenchmarkRust has rust-libp2p's request-response, ours and plain streams of go-libp2p do the same work in turn:
// equal requests on the protocol bytes, over TCP with noise and yamux, from one process to another of the same kind.
// One operation is the work of each.
//
// It reports for all three the requests per second, or the MB of responses per second where these are large, and the
// ratios of ours to Rust's and to the plain streams', which bound what can be had in Go (higher is better).
func BenchmarkRust(b *testing.B) {
	for _, work := range []rustpeer.Work{
		{Requests: 1000, Concurrent: 1, RequestSize: 64, ResponseSize: 64},
		{Requests: 5000, Concurrent: 64, RequestSize: 64, ResponseSize: 64},
		{Requests: 100, Concurrent: 4, RequestSize: 64, ResponseSize: 1 << 20},
	} {
		b.Run(fmt.Sprintf("response=%d/concurrent=%d", work.ResponseSize, work.Concurrent), func(b *testing.B) {
			benchmarkRust(b, work)
		})
	}
}

func benchmarkRust(b *testing.B, work rustpeer.Work) {
	rust := &rival{name: "rust", measure: rustMeasurer(b)}
	ours, plain := ourRivals(b, work.Concurrent)
	rivals := []*rival{rust, ours, plain}
	for _, r := range rivals {
		r.run(b, work) // warm up
		*r = rival{name: r.name, measure: r.measure}
	}
	for b.Loop() {
		for _, r := range rivals {
			r.run(b, work)
		}
	}
	unit, amount := "req/s", func(r *rival) float64 { return float64(r.done.Requests) }
	if work.ResponseSize >= 1<<20 {
		unit, amount = "MB/s", func(r *rival) float64 { return float64(r.done.Bytes) / 1e6 }
	}
	rate := func(r *rival) float64 { return amount(r) / r.done.Elapsed.Seconds() }
	for _, r := range rivals {
		b.ReportMetric(rate(r), r.name+"-"+unit)
	}
	b.ReportMetric(rate(ours)/rate(rust), "ours/rust")
	b.ReportMetric(rate(ours)/rate(plain), "ours/plain")
	b.ReportMetric(0, "ns/op") // of all together, it says nothing
}

// measurer does some work and tells how long it took.
type measurer func(context.Context, rustpeer.Work) (rustpeer.Measurement, error)

// rival is one of the three implementations.
type rival struct {
	name    string
	measure measurer
	done    rustpeer.Measurement
}

func (r *rival) run(b *testing.B, work rustpeer.Work) {
	m, err := r.measure(b.Context(), work)
	if err != nil {
		b.Fatalf("%s: %v", r.name, err)
	}
	if m.Requests != work.Requests || m.Bytes != work.Requests*work.ResponseSize {
		b.Fatalf("%s: %d requests with %d bytes, want %+v", r.name, m.Requests, m.Bytes, work)
	}
	r.done.Elapsed += m.Elapsed
	r.done.Requests += m.Requests
	r.done.Bytes += m.Bytes
}

// rustMeasurer starts two Rust peers and connects them.
func rustMeasurer(b *testing.B) measurer {
	server := rusttest.Start(b, rustpeer.Current, rustpeer.Options{Quiet: true})
	client := rusttest.Start(b, rustpeer.Current, rustpeer.Options{Quiet: true})
	addr := rusttest.Listen(b, server, "/ip4/127.0.0.1/tcp/0")
	rusttest.Do(b, func(ctx context.Context) error { return client.Dial(ctx, addr) })
	return func(ctx context.Context, work rustpeer.Work) (rustpeer.Measurement, error) {
		return client.Measure(ctx, server.ID(), work)
	}
}

// ourRivals starts a process that serves and connects a host of this process to it.
func ourRivals(b *testing.B, concurrent int) (ours, plain *rival) {
	server := startServer(b, rustBenchServer, "/ip4/127.0.0.1/tcp/0")
	h := newHost(b)
	if err := h.Connect(b.Context(), server.info); err != nil {
		b.Fatal(err)
	}
	to := server.info.ID
	client := reqresp.NewClient(h, &reqresp.ClientOptions{MaxCallsPerPeer: concurrent})
	ours = &rival{name: "ours", measure: func(ctx context.Context, work rustpeer.Work) (rustpeer.Measurement, error) {
		return measureGo(ctx, work, func(ctx context.Context, req *frame) (*frame, error) {
			return bytesProtocol.Call(ctx, client, to, req)
		})
	}}
	plain = &rival{name: "plain", measure: func(ctx context.Context, work rustpeer.Work) (rustpeer.Measurement, error) {
		return measureGo(ctx, work, func(ctx context.Context, req *frame) (*frame, error) {
			return callPlain(ctx, h, to, req)
		})
	}}
	return ours, plain
}

// measureGo does what the Rust peers do when told to measure.
func measureGo(
	ctx context.Context, work rustpeer.Work, call func(context.Context, *frame) (*frame, error),
) (rustpeer.Measurement, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var (
		wg    sync.WaitGroup
		begun atomic.Int64
		bytes atomic.Int64
	)
	start := time.Now()
	for range work.Concurrent {
		wg.Go(func() {
			for begun.Add(1) <= int64(work.Requests) {
				resp, err := call(ctx, bytesRequest(work.RequestSize, work.ResponseSize))
				if err != nil {
					cancel(err)
					return
				}
				bytes.Add(int64(len(*resp)))
			}
		})
	}
	wg.Wait()
	elapsed := time.Since(start)
	return rustpeer.Measurement{Elapsed: elapsed, Requests: work.Requests, Bytes: int(bytes.Load())}, context.Cause(ctx)
}

// serveRustBench is the process that serves the protocol bytes, by ours and by plain streams. One peer can have as
// many of either as it likes.
func serveRustBench(listen string) error {
	h, err := makeHost(listen)
	if err != nil {
		return err
	}
	defer h.Close()
	server := reqresp.NewServer(h, &reqresp.ServerOptions{MaxStreams: 1 << 14, MaxStreamsPerPeer: 1 << 10})
	server.Register(bytesProtocol.Serve(serveBytes))
	if err := server.Start(); err != nil {
		return err
	}
	h.SetStreamHandler(plainFrames, servePlain)
	if err := tell(h, nil); err != nil {
		return err
	}
	return server.Stop(context.Background())
}
