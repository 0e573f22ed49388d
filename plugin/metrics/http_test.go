package metrics_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/seed-2dd5877b/reqresp/plugin/metrics"
)

// expose returns what Prometheus reads from a collector, without what the process tells.
func expose(t *testing.T, c prometheus.Collector) string {
	t.Helper()
	handler, err := metrics.Handler(func() error { return nil }, c)
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if w.Code != http.StatusOK {
		t.Fatalf("status %d: %s", w.Code, w.Body)
	}
	return w.Body.String()
}

func get(t *testing.T, url string) (code int, body string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

func TestEndpoint(t *testing.T) {
	var sick error
	handler, err := metrics.Handler(func() error { return sick }, metrics.New(table, nil))
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // A node may be started again.
		e := metrics.NewEndpoint("127.0.0.1:0", handler)
		if err := e.Start(); err != nil {
			t.Fatal(err)
		}
		at := "http://" + e.Addr().String()
		if code, body := get(t, at+"/metrics"); code != http.StatusOK ||
			!strings.Contains(body, "reqresp_requests_total") || !strings.Contains(body, "go_goroutines") {
			t.Errorf("status %d: %s", code, body)
		}
		sick = nil
		if code, body := get(t, at+"/healthz"); code != http.StatusOK || body != "ok\n" {
			t.Errorf("status %d: %s", code, body)
		}
		sick = errors.New("service is not running")
		if code, body := get(t, at+"/healthz"); code != http.StatusServiceUnavailable ||
			!strings.Contains(body, "not running") {
			t.Errorf("status %d: %s", code, body)
		}
		taken := metrics.NewEndpoint(e.Addr().String(), handler)
		if err := taken.Start(); err == nil || !strings.Contains(err.Error(), e.Addr().String()) {
			t.Errorf("error %v, want one that names the address", err)
		}
		http.DefaultClient.CloseIdleConnections()
		if err := e.Stop(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestProfiles(t *testing.T) {
	srv := httptest.NewServer(metrics.ProfileHandler())
	defer srv.Close()
	for _, path := range []string{"/debug/pprof/", "/debug/pprof/goroutine?debug=1", "/debug/pprof/cmdline"} {
		if code, body := get(t, srv.URL+path); code != http.StatusOK || body == "" {
			t.Errorf("%s: status %d", path, code)
		}
	}
}

func TestHandlerRefusesTheSameMetricTwice(t *testing.T) {
	m := metrics.New(table, nil)
	if _, err := metrics.Handler(func() error { return nil }, m, m); err == nil {
		t.Error("registered twice")
	}
}

// dashboardNames returns the metrics that the dashboard asks for.
func dashboardNames(t *testing.T) []string {
	t.Helper()
	file, err := os.ReadFile("grafana.json")
	if err != nil {
		t.Fatal(err)
	}
	var dashboard struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
		Templating struct {
			List []struct{ Name, Type string }
		}
	}
	if err := json.Unmarshal(file, &dashboard); err != nil {
		t.Fatal(err)
	}
	for _, p := range dashboard.Panels {
		for _, target := range p.Targets {
			if target.Expr == "" {
				t.Errorf("panel %q asks for nothing", p.Title)
			}
		}
	}
	return regexp.MustCompile(`reqresp_\w+`).FindAllString(string(file), -1)
}

// Prometheus keeps the bounds of buckets as it has scraped them before version 3, and as 0.0 since.
func TestDashboardAsksForBucketsInBothSpellings(t *testing.T) {
	file, err := os.ReadFile("grafana.json")
	if err != nil {
		t.Fatal(err)
	}
	matchers := regexp.MustCompile(`\ble(=~?)\\"([^"]*)\\"`).FindAllStringSubmatch(string(file), -1)
	if len(matchers) == 0 {
		t.Fatal("the dashboard asks for no bucket")
	}
	for _, m := range matchers {
		of := regexp.MustCompile("^(?:" + m[2] + ")$")
		if m[1] != "=~" || !of.MatchString("0") || !of.MatchString("0.0") {
			t.Errorf("le%s%q is not both 0 and 0.0", m[1], m[2])
		}
	}
}

func TestDashboardNamesWhatExists(t *testing.T) {
	exposed := expose(t, metrics.New(table, fullState))
	samples := make(map[string]bool)
	for line := range strings.Lines(exposed) {
		if name, _, ok := strings.Cut(line, "{"); ok && !strings.HasPrefix(line, "#") {
			samples[name] = true
		} else if name, _, ok := strings.Cut(line, " "); ok {
			samples[name] = true
		}
	}
	asked := dashboardNames(t)
	if len(asked) < 20 {
		t.Fatalf("only %d metrics in the dashboard", len(asked))
	}
	for _, name := range asked {
		if !samples[name] {
			t.Errorf("dashboard asks for %s, which does not exist", name)
		}
	}
	// And nothing is measured that nobody looks at.
	for _, name := range describedNames(metrics.New(table, nil)) {
		if !strings.Contains(strings.Join(asked, " "), name) {
			t.Errorf("dashboard does not show %s", name)
		}
	}
}

// describedNames returns the metrics that a collector may have, whatever there is to collect.
func describedNames(c prometheus.Collector) (names []string) {
	descs := make(chan *prometheus.Desc)
	go func() {
		defer close(descs)
		c.Describe(descs)
	}()
	for d := range descs {
		names = append(names, regexp.MustCompile(`fqName: "(\w+)"`).FindStringSubmatch(d.String())[1])
	}
	return names
}
