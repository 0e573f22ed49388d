package main

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
)

// writeShapes writes the file with the shapes of all containers in all presets.
func writeShapes(path string, containers []*container) error {
	var out bytes.Buffer
	out.WriteString(header + "package ssz\n")
	for _, c := range containers {
		if !c.varies {
			writeShape(&out, c, 0)
			continue
		}
		for preset := range presets {
			writeShape(&out, c, preset)
		}
	}
	return writeGo(path, out.Bytes())
}

func writeShape(out *bytes.Buffer, c *container, preset int) {
	fmt.Fprintf(out, "\nvar %s = Container(%q,\n", shapeName(c, preset), c.goName)
	for _, f := range c.fields {
		fmt.Fprintf(out, "Field{%q, %s},\n", f.name, shape(f.typ, preset))
	}
	out.WriteString(")\n")
}

// shapeName returns the name of the variable that holds a container's shape.
func shapeName(c *container, preset int) string {
	if !c.varies {
		return "shape" + c.goName
	}
	return presets[preset] + c.goName
}

// shape returns the expression of a type's shape.
func shape(t *typ, preset int) string {
	n := t.size[preset]
	switch {
	case t.container != nil:
		return shapeName(t.container, preset)
	case t.kind == "boolean":
		return "Boolean()"
	case strings.HasPrefix(t.kind, "uint"):
		bits, err := strconv.Atoi(strings.TrimPrefix(t.kind, "uint"))
		if err != nil {
			panic(err) // the resolver lets through uint8 to uint256 only
		}
		return fmt.Sprintf("Uint(%d)", bits/8)
	case t.elem != nil:
		return fmt.Sprintf("%s(%s, %d)", t.kind, shape(t.elem, preset), n)
	default:
		return fmt.Sprintf("%s(%d)", t.kind, n)
	}
}
