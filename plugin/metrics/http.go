package metrics

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/pprof"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Handler serves what collectors have to tell at /metrics, along with the metrics of the Go
// runtime and the process, and at /healthz whether healthy returns nil. The collectors must not
// describe the same metric twice.
func Handler(healthy func() error, cs ...prometheus.Collector) (http.Handler, error) {
	registry := prometheus.NewRegistry()
	cs = append(cs, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	for _, c := range cs {
		if err := registry.Register(c); err != nil {
			return nil, fmt.Errorf("metrics: %w", err)
		}
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{Registry: registry}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		if err := healthy(); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		_, _ = fmt.Fprintln(w, "ok")
	})
	return mux, nil
}

// ProfileHandler serves the profiles of net/http/pprof at /debug/pprof/.
func ProfileHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	return mux
}

// An Endpoint serves HTTP at an address. It is a node.Lifecycle, to be registered with the node
// whose service is looked at.
type Endpoint struct {
	addr    string
	handler http.Handler
	server  *http.Server
	listen  net.Listener
	done    chan struct{}
}

// NewEndpoint returns an endpoint that is going to listen at addr, a host and a port, of which 0
// takes one that is free.
func NewEndpoint(addr string, handler http.Handler) *Endpoint {
	return &Endpoint{addr: addr, handler: handler}
}

// readTimeout bounds how long a client may take to ask.
const readTimeout = 10 * time.Second

// Start implements node.Lifecycle. It fails if the address cannot be listened at.
func (e *Endpoint) Start() error {
	listen, err := net.Listen("tcp", e.addr)
	if err != nil {
		return fmt.Errorf("metrics: listening at %s: %w", e.addr, err)
	}
	server := &http.Server{Handler: e.handler, ReadHeaderTimeout: readTimeout}
	done := make(chan struct{})
	e.listen, e.server, e.done = listen, server, done
	go func() {
		defer close(done)
		_ = server.Serve(listen) // It ends with an error always, when the server is shut down.
	}()
	return nil
}

// Addr returns the address that is listened at. It is called between Start and Stop.
func (e *Endpoint) Addr() net.Addr { return e.listen.Addr() }

// stopTimeout bounds how long Stop waits for answers under way.
const stopTimeout = time.Second

// Stop implements node.Lifecycle. Answers under way get a second; a profile that takes longer is
// cut off.
func (e *Endpoint) Stop() error {
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	err := e.server.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		err = e.server.Close()
	}
	<-e.done
	return err
}
