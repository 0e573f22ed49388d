package main

import (
	"bytes"
	"fmt"
	"strings"
)

// writeTable writes the file of package ssz that lists all containers but its own.
func writeTable(path string, containers []*container) error {
	var body bytes.Buffer
	body.WriteString("// containerTypes are the versions of all containers, those of a name in the order of the forks.\n")
	body.WriteString("var containerTypes = []typeVersion{\n")
	for _, c := range containers {
		of := fmt.Sprintf("shared[containers.%s]", c.goName)
		if c.varies {
			of = fmt.Sprintf("byPreset[mainnet.%[1]s, minimal.%[1]s]", c.goName)
		}
		fmt.Fprintf(&body, "{%q, %s%s, %s()},\n", c.name, strings.ToUpper(c.fork[:1]), c.fork[1:], of)
	}
	body.WriteString("}\n")
	return target{name: "ssz"}.writeFile(path, body.Bytes())
}
