package main

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
)

// writeShapes writes the file with the shapes of a package's containers.
func (p target) writeShapes(path string, containers []*container) error {
	var body bytes.Buffer
	for _, c := range containers {
		constructor := "Container"
		if c.progressive {
			constructor = "ProgressiveContainer"
		}
		fmt.Fprintf(&body, "\nvar shape%s = shape.%s(%q,\n", c.goName, constructor, c.goName)
		for _, f := range c.fields {
			fmt.Fprintf(&body, "shape.Field{Name: %q, Shape: %s},\n", f.name, p.shape(f.typ))
		}
		body.WriteString(")")
		if n := c.upTo[p.preset]; n != 0 {
			fmt.Fprintf(&body, ".UpTo(%d)", n)
		}
		body.WriteString("\n")
	}
	return p.writeFile(path, body.Bytes())
}

// shape returns the expression of a type's shape.
func (p target) shape(t *typ) string {
	n := t.size[p.preset]
	switch {
	case t.container != nil && !p.has(t.container):
		return fmt.Sprintf("(*%s.%s)(nil).Shape()", t.container.home(p.preset), t.container.goName)
	case t.container != nil:
		return "shape" + t.container.goName
	case t.kind == "boolean":
		return "shape.Boolean()"
	case strings.HasPrefix(t.kind, "uint"):
		bits, err := strconv.Atoi(strings.TrimPrefix(t.kind, "uint"))
		if err != nil {
			panic(err) // the resolver lets through uint8 to uint256 only
		}
		return fmt.Sprintf("shape.Uint(%d)", bits/8)
	case t.kind == "ProgressiveList":
		return fmt.Sprintf("shape.ProgressiveList(%s)", p.shape(t.elem))
	case t.progressive():
		return fmt.Sprintf("shape.%s()", t.kind)
	case t.elem != nil:
		return fmt.Sprintf("shape.%s(%s, %d)", t.kind, p.shape(t.elem), n)
	default:
		return fmt.Sprintf("shape.%s(%d)", t.kind, n)
	}
}
