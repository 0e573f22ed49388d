package main

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// writePresets writes the file of package ssz with the constants of all presets.
func writePresets(path string, consts map[string]*constant) error {
	var body bytes.Buffer
	body.WriteString("// presetConstants are the constants that the presets fix, by name.\n")
	body.WriteString("var presetConstants = map[string]presetConstant{\n")
	for _, name := range slices.Sorted(maps.Keys(consts)) {
		fork := consts[name].fork
		if !slices.Contains(forks, fork) { // it is for messages, or for no container
			fork = forks[0]
		}
		values := strings.Trim(strings.Join(strings.Fields(fmt.Sprint(consts[name].sizes)), ", "), "[]")
		fmt.Fprintf(&body, "%q: {%s, [presetCount]uint64{%s}},\n", name, forkConstant(fork), values)
	}
	body.WriteString("}\n")
	return target{name: "ssz"}.writeFile(path, body.Bytes())
}

// forkConstant returns the name that package ssz has for a fork.
func forkConstant(fork string) string { return strings.ToUpper(fork[:1]) + fork[1:] }

// writeTable writes the file of package ssz that lists all containers but its own.
func writeTable(path string, containers []*container) error {
	var body bytes.Buffer
	body.WriteString("// containerTypes are the versions of all containers, those of a name in the order of the forks.\n")
	body.WriteString("var containerTypes = []typeVersion{\n")
	for _, c := range containers {
		of := fmt.Sprintf("shared[containers.%s]", c.goName)
		if c.varies() {
			var types []string
			for p := range presets {
				types = append(types, c.home(p)+"."+c.goName)
			}
			of = fmt.Sprintf("byPreset[%s]", strings.Join(types, ", "))
		}
		fmt.Fprintf(&body, "{%q, %s, %s()},\n", c.name, forkConstant(c.fork), of)
	}
	body.WriteString("}\n")
	return target{name: "ssz"}.writeFile(path, body.Bytes())
}
