package main

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed-2dd5877b/reqresp/plugin/devchain"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon/beacontest"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// conformPatience bounds a run of conform, which paces itself.
const conformPatience = 5 * time.Minute

// chainOf returns a file with a chain, and the flags of its network, on which its head is a few slots old.
func chainOf(t *testing.T, config, validatorsRoot string, chain []*beacon.Block, slot time.Duration) (file string, flags []string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config.yaml")
	writeFile(t, path, []byte(config))
	head := chain[len(chain)-1].Slot
	genesis := time.Now().Add(-slot * time.Duration(head+4))
	return linesFile(t, chain), []string{
		"--network.config", path,
		"--genesis-time", fmt.Sprint(genesis.Unix()),
		"--genesis-validators-root", validatorsRoot,
	}
}

// serve keeps all rules that the specs word with MUST: for a chain without blobs, for chains with blobs whose sidecars it
// does not hold, and for chains with sidecars.
func TestServeConforms(t *testing.T) {
	t.Parallel()
	_, fuluRoot := beacontest.FuluGenesis()
	fulu, dev := beacontest.FuluConfig(), devchain.Config()
	fuluRules := []string{
		"P-offered data_column_sidecars_by_range/1", "P-offered data_column_sidecars_by_root/1", "P-offered blob_sidecars_by_range/1",
		"S9-custody metadata/3", "S2-first beacon_blocks_by_range/2", "S3-known beacon_blocks_by_root/2",
		"S7-ancestry beacon_blocks_by_head/1", "S5-unknown data_column_sidecars_by_root/1", "M1-close data_column_sidecars_by_range/1",
	}
	ctx, cancel := context.WithTimeout(t.Context(), conformPatience)
	defer cancel()
	var names []string
	var ends []func(t *testing.T)
	for _, test := range []struct {
		name         string
		config, root string
		chain        []*beacon.Block
		slot         time.Duration
		sidecars     bool // are held
		passed       []string
		skipped      []string
	}{
		{
			"without blobs", fulu, fuluRoot.String(), slots(beacontest.FuluBlocks(), 88, 98), 3 * time.Second, false,
			slices.Concat(fuluRules, []string{
				"S9-sidecars data_column_sidecars_by_range/1", "S5-none data_column_sidecars_by_range/1",
				"S2-serve beacon_blocks_by_range/2", "S9-blocks beacon_blocks_by_range/2",
			}),
			nil,
		},
		{
			"with blobs before its head", fulu, fuluRoot.String(), slots(beacontest.FuluBlocks(), 1, 215), 3 * time.Second, false,
			slices.Concat(fuluRules, []string{
				"S9-sidecars data_column_sidecars_by_range/1", "S5-none data_column_sidecars_by_range/1",
				"S2-serve beacon_blocks_by_range/2",
			}),
			[]string{"S5-first data_column_sidecars_by_range/1", "S5-known data_column_sidecars_by_root/1"},
		},
		{
			"with sidecars", fulu, fuluRoot.String(), slots(beacontest.FuluBlocks(), 1, 215), 3 * time.Second, true,
			slices.Concat(fuluRules, []string{
				"S5-serve data_column_sidecars_by_range/1", "S5-first data_column_sidecars_by_range/1",
				"S5-known data_column_sidecars_by_root/1", "S5-none data_column_sidecars_by_range/1",
				"S5-fulu blob_sidecars_by_range/1", "S2-serve beacon_blocks_by_range/2",
			}),
			nil,
		},
		{
			// The clock does not reach the next fork while it runs.
			"with sidecars of electra", fulu, fuluRoot.String(), slots(beacontest.FuluBlocks(), 1, 36), 3 * time.Second, true,
			[]string{
				"S5-serve blob_sidecars_by_range/1", "S5-first blob_sidecars_by_range/1", "S5-known blob_sidecars_by_root/1",
				"S5-none blob_sidecars_by_range/1", "S2-serve beacon_blocks_by_range/2",
			},
			nil,
		},
		{
			"with blobs at its head", dev, devchain.GenesisValidatorsRoot().String(), blocks(t), 2 * time.Second, false,
			fuluRules,
			[]string{"S2-serve beacon_blocks_by_range/2", "S5-serve data_column_sidecars_by_range/1", "S5-first data_column_sidecars_by_range/1"},
		},
	} {
		file, flags := chainOf(t, test.config, test.root, test.chain, test.slot)
		dir := t.TempDir()
		succeed(t, append([]string{"import", "--datadir", dir, file}, flags...)...)
		if test.sidecars {
			addFuluSidecars(t, dir, test.chain)
		}
		ended := startConform(ctx, t, dir, flags) // all run at a time, as they wait for most of it
		ends = append(ends, func(t *testing.T) {
			outcomes := ended(t)
			for _, name := range test.passed {
				if got := outcomes[name]; got.Result != "pass" {
					t.Errorf("%s: %s: %s", name, got.Result, got.Seen)
				}
			}
			for _, name := range test.skipped {
				if got := outcomes[name]; got.Result != "skip" {
					t.Errorf("%s: %s: %s", name, got.Result, got.Seen)
				}
			}
		})
		names = append(names, test.name)
	}
	for i, end := range ends {
		t.Run(names[i], end)
	}
}

// addFuluSidecars stores the sidecars of some blocks of the real chain, which are stored already.
func addFuluSidecars(t *testing.T, datadir string, chain []*beacon.Block) {
	t.Helper()
	byBlock := make(map[ssz.Root]*beacon.Sidecars)
	all := make([]beacon.Sidecars, len(chain))
	for i, b := range chain {
		all[i].Block, byBlock[b.Root] = b, &all[i]
	}
	for _, b := range beacontest.Fulu().BlobSidecars() {
		if of := byBlock[b.BlockRoot]; of != nil {
			of.Blobs = append(of.Blobs, b)
		}
	}
	for _, d := range beacontest.Fulu().DataColumnSidecars() {
		if of := byBlock[d.BlockRoot]; of != nil {
			of.Columns = append(of.Columns, d)
		}
	}
	s, done, err := openStore(datadir)
	if err == nil {
		err = s.AppendSidecars(t.Context(), all...)
		done(&err)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// startConform serves a datadir, and holds that against the rules. It returns what is to be called for the outcomes.
func startConform(ctx context.Context, t *testing.T, datadir string, flags []string) func(t *testing.T) map[string]resultJSON {
	t.Helper()
	node := startServeIn(ctx, t, datadir)
	report := filepath.Join(t.TempDir(), "report.xml")
	args := append([]string{"reqresp", "conform", "--json", "--junit", report, node.line(t)}, flags...)
	ended := make(chan outcome, 1)
	go func() {
		var stdout, stderr bytes.Buffer
		code := run(ctx, args, strings.NewReader(""), &stdout, &stderr)
		ended <- outcome{code, stdout.String(), stderr.String()}
	}()
	return func(t *testing.T) map[string]resultJSON {
		t.Helper()
		o := <-ended
		outcomes := outcomesOf(t, o.stdout)
		if o.code != exitOK || len(outcomes) == 0 {
			t.Fatalf("exit code %d: %s\n%s", o.code, o.stderr, o.stdout)
		}
		checkReport(t, report, len(outcomes))
		return outcomes
	}
}

// slots returns the blocks of some slots, both ends included.
func slots(chain []*beacon.Block, first, last ssz.Slot) (some []*beacon.Block) {
	for _, b := range chain {
		if b.Slot >= first && b.Slot <= last {
			some = append(some, b)
		}
	}
	return some
}

// outcomesOf returns what was printed for each rule, by its name. None that the specs word with MUST may be broken.
func outcomesOf(t *testing.T, stdout string) map[string]resultJSON {
	t.Helper()
	outcomes := make(map[string]resultJSON)
	for line := range strings.Lines(stdout) {
		var r resultJSON
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatalf("%v in %s", err, line)
		}
		name := r.Rule + " " + r.Protocol
		outcomes[name] = r
		if light := strings.HasPrefix(r.Protocol, "light_client"); r.Result == "fail" && (r.Level == "MUST" || !light) {
			t.Errorf("%s: %s: saw %s, expected %s", r.Level, name, r.Seen, r.Expected)
		}
		if strings.Contains(r.Seen, "hung up") && !strings.HasPrefix(r.Protocol, "goodbye") {
			t.Errorf("%s: %s", name, r.Seen)
		}
	}
	return outcomes
}

// checkReport holds a JUnit report against the number of rules.
func checkReport(t *testing.T, path string, rules int) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var report struct {
		XMLName xml.Name `xml:"testsuites"`
		Tests   int      `xml:"tests,attr"`
		Suites  []struct {
			Cases []struct {
				Name string `xml:"name,attr"`
			} `xml:"testcase"`
		} `xml:"testsuite"`
	}
	if err := xml.Unmarshal(text, &report); err != nil {
		t.Fatal(err)
	}
	if report.Tests != rules || len(report.Suites) != 1 || len(report.Suites[0].Cases) != rules {
		t.Errorf("%d tests, %d suites, want %d rules", report.Tests, len(report.Suites), rules)
	}
	others, err := filepath.Glob(path + ".*")
	if err != nil || len(others) > 0 {
		t.Errorf("left behind %q, error %v", others, err)
	}
}

// A report is there as a whole or not at all.
func TestConformKeepsTheReportThatWas(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "report.xml")
	writeFile(t, path, []byte("of before"))
	fail(t, exitFailed, "no connection to the peer", "conform", somebody, "--junit", path)
	fail(t, exitFailed, "no such file or directory", "conform", somebody, "--junit", filepath.Join(dir, "none", "report.xml"))
	fail(t, exitFailed, "is not a regular file", "conform", somebody, "--junit", dir)
	files, err := os.ReadDir(dir)
	if err != nil || len(files) != 1 {
		t.Errorf("%d files, error %v", len(files), err)
	}
	if text, err := os.ReadFile(path); err != nil || string(text) != "of before" {
		t.Errorf("the report is %q, error %v", text, err)
	}
}
