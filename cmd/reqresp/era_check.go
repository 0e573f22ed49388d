package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/seed-2dd5877b/reqresp/internal/settings"
	"github.com/seed-2dd5877b/reqresp/protocols/era"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

const eraCheckDescription = `Reads era files as a whole and verifies them against themselves and the network,
which is mainnet unless told otherwise: checksums, the form of blocks and states, that blocks link and
have the roots that the state of their era has, and the name of the file. Of a directory it verifies too that no era is
missing between the first and the last, and that each links to the one before. It prints a line for
each era, with problems and warnings below, and fails if there is a problem. A warning is a deviation
from the format that does no harm.

What a pass proves: the files are intact and of one history. It does not prove that this history is
the canonical chain. For that, compare the era root of the last file with one that you trust: it
covers all blocks and states but the last state. Signatures are not checked: no root covers them.

A state is in memory as a whole while its era is checked, hundreds of MiB on mainnet.

With --json it prints one object: files, a list of file, eras (era, blocks, fork of the state,
era_root, state_root; empty and zero if it is damaged), problems and warnings (each with offset,
slot or null, and error); links, what is wrong between the files of a directory; the numbers problems
and warnings; and signatures, which is "unchecked".`

// eraCheckResult is the JSON of era check.
type eraCheckResult struct {
	Files      []*checkedFile `json:"files"`
	Links      []string       `json:"links"`
	Problems   int            `json:"problems"`
	Warnings   int            `json:"warnings"`
	Signatures string         `json:"signatures"`
}

type checkedFile struct {
	File     string       `json:"file"`
	Eras     []checkedEra `json:"eras"`
	Problems []eraFault   `json:"problems"`
	Warnings []eraFault   `json:"warnings"`

	groups []era.GroupReport
}

type checkedEra struct {
	Era       uint64   `json:"era"`
	Blocks    int      `json:"blocks"`
	Fork      string   `json:"fork"` // empty, with the roots zero, if the state is damaged
	EraRoot   ssz.Root `json:"era_root"`
	StateRoot ssz.Root `json:"state_root"`
}

// eraFault is a problem or a warning. The slot is null if it is not about a single one.
type eraFault struct {
	Offset int64     `json:"offset"`
	Slot   *ssz.Slot `json:"slot"`
	Error  string    `json:"error"`
}

func (a *app) eraCheck() command {
	asJSON := false
	return command{
		name: "check", usage: "verify era files", args: "FILE|DIR...", least: 1, description: eraCheckDescription,
		configured: []string{"network"},
		flags:      settings.Table{jsonFlag(&asJSON, "print the outcome as one JSON object")},
		run:        func(ctx context.Context, in *invocation) error { return a.runEraCheck(ctx, in, asJSON) },
	}
}

func (a *app) runEraCheck(ctx context.Context, in *invocation, asJSON bool) error {
	n, err := in.networkOrMainnet()
	if err != nil {
		return err
	}
	result := &eraCheckResult{Files: []*checkedFile{}, Links: []string{}, Signatures: unchecked}
	for _, arg := range in.args {
		if err := a.checkEras(ctx, arg, n, result, asJSON); err != nil {
			return err
		}
	}
	if asJSON {
		err = a.stdout.printJSON(result)
	} else {
		a.stdout.printf("checked %d files: %d problems, %d warnings, signatures %s\n",
			len(result.Files), result.Problems, result.Warnings, result.Signatures)
	}
	if result.Problems > 0 {
		err = errors.Join(err, fmt.Errorf("%d problems found", result.Problems))
	}
	return err
}

// checkEras checks the files of an argument and prints what is found.
func (a *app) checkEras(ctx context.Context, arg string, n *ssz.Network, r *eraCheckResult, asJSON bool) error {
	paths, err := eraFiles(arg, n.Config().Name)
	if err != nil {
		return err
	}
	var groups []era.GroupReport
	for _, path := range paths {
		checked, err := checkEra(ctx, path, n)
		if ctx.Err() != nil {
			return errors.New("interrupted")
		}
		if err != nil {
			return err
		}
		r.Files = append(r.Files, checked)
		r.Problems += len(checked.Problems)
		r.Warnings += len(checked.Warnings)
		groups = append(groups, checked.groups...)
		if !asJSON {
			a.printEraFile(checked)
		}
	}
	if len(paths) == 1 && paths[0] == arg {
		return nil // It is a file.
	}
	links := eraLinks(groups)
	r.Links = append(r.Links, links...)
	r.Problems += len(links)
	for _, link := range links {
		if !asJSON {
			a.stdout.printf("%s: problem: %s\n", arg, link)
		}
	}
	return nil
}

// checkEra checks a file. The error is that of reading it, not of what it has.
func checkEra(ctx context.Context, path string, n *ssz.Network) (*checkedFile, error) {
	c := &checkedFile{File: path, Eras: []checkedEra{}, Problems: []eraFault{}, Warnings: []eraFault{}}
	f, err := era.Open(ctx, path)
	if fault, ok := errors.AsType[*era.Error](err); ok {
		c.Problems = append(c.Problems, faultOf(fault))
		return c, nil
	}
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	report, err := f.Check(ctx, n)
	for _, g := range report.Groups {
		e := checkedEra{Era: g.Era, Blocks: g.Blocks, EraRoot: g.EraRoot, StateRoot: g.StateRoot}
		if g.StateRoot != (ssz.Root{}) {
			e.Fork = g.Fork.String()
		}
		c.Eras = append(c.Eras, e)
	}
	for _, fault := range report.Problems {
		c.Problems = append(c.Problems, faultOf(fault))
	}
	for _, fault := range report.Warnings {
		c.Warnings = append(c.Warnings, faultOf(fault))
	}
	c.groups = report.Groups
	if err != nil && len(report.Problems) == 0 {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return c, nil
}

func faultOf(e *era.Error) eraFault {
	f := eraFault{Offset: e.Offset, Error: e.Error()}
	if e.Slot != era.NoSlot {
		f.Slot = &e.Slot
	}
	return f
}

func (a *app) printEraFile(c *checkedFile) {
	for _, e := range c.Eras {
		a.stdout.printf("%s: era %d, %d blocks", c.File, e.Era, e.Blocks)
		if e.Fork != "" {
			a.stdout.printf(", %s state, era root %v", e.Fork, e.EraRoot)
		}
		a.stdout.printf("\n")
	}
	for _, f := range c.Problems {
		a.stdout.printf("%s: problem: %s\n", c.File, f.Error)
	}
	for _, f := range c.Warnings {
		a.stdout.printf("%s: warning: %s\n", c.File, f.Error)
	}
}

// eraLinks returns what is wrong between eras: those that are missing, and those that do not link. Roots that are not
// known, as what has them is damaged, are reported already.
func eraLinks(groups []era.GroupReport) (wrong []string) {
	slices.SortStableFunc(groups, func(a, b era.GroupReport) int { return cmp.Compare(a.Era, b.Era) })
	differ := func(a, b ssz.Root) bool { return a != b && a != (ssz.Root{}) && b != (ssz.Root{}) }
	note := func(format string, args ...any) { wrong = append(wrong, fmt.Sprintf(format, args...)) }
	for i := 1; i < len(groups); i++ {
		before, g := &groups[i-1], &groups[i]
		switch {
		case g.Era == before.Era:
			if differ(g.EraRoot, before.EraRoot) {
				note("two files of era %d have the roots %v and %v", g.Era, before.EraRoot, g.EraRoot)
			}
			continue
		case g.Era > before.Era+1:
			note("no files of the eras %s", spanText(before.Era+1, g.Era-1))
			continue
		}
		if differ(g.ParentRoot, before.BlockRoot) {
			note("the first block of era %d has the parent %v, the last of era %d is %v",
				g.Era, g.ParentRoot, before.Era, before.BlockRoot)
		}
		if differ(g.FirstStateRoot, before.StateRoot) {
			note("the state before era %d is %v, that of the file of era %d is %v",
				g.Era, g.FirstStateRoot, before.Era, before.StateRoot)
		}
	}
	return wrong
}
