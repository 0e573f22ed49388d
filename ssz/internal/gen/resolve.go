package main

import (
	"cmp"
	"fmt"
	"go/ast"
	"go/token"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// A container is a version of a container: what its definition means from a fork on.
type container struct {
	name   string // in the consensus specs
	goName string // name, with the fork if an older fork has another version
	fork   string // the first fork of this version
	doc    []string
	fields []field
	// differs tells in which presets the container, or what is in it, differs from that of the first.
	differs [len(presets)]bool

	progressive bool
	upTo        sizes // the most bytes, or zero
}

type field struct {
	name string
	doc  []string
	typ  *typ
}

// A typ is a resolved type.
type typ struct {
	kind      string // uint64, ByteVector, List and so on, or container
	alias     string // the name by which it was asked for, if it is a basic type
	size      sizes  // length or limit
	elem      *typ
	container *container
}

// differs reports whether t differs between the first preset and preset p.
func (t *typ) differs(p int) bool {
	switch {
	case t.container != nil:
		return t.container.differs[p]
	case t.elem != nil && t.elem.differs(p):
		return true
	default:
		return t.size[0] != t.size[p]
	}
}

// varies reports whether the container depends on the preset.
func (c *container) varies() bool { return slices.Contains(c.differs[:], true) }

// home returns the package that defines the container for a preset.
func (c *container) home(preset int) string {
	switch {
	case !c.varies():
		return "containers"
	case c.differs[preset]:
		return presets[preset]
	default:
		return presets[0]
	}
}

// progressive reports whether t is, or is a list of, one of the types that have no limit.
func (t *typ) progressive() bool {
	return strings.HasPrefix(t.kind, "Progressive") || t.elem != nil && t.elem.progressive()
}

func (t *typ) equal(u *typ) bool {
	if t == nil || u == nil {
		return t == u
	}
	return t.kind == u.kind && t.size == u.size && t.container == u.container && t.elem.equal(u.elem)
}

// A resolver holds what is defined up to the fork at hand.
type resolver struct {
	consts   map[string]*constant
	aliases  map[string]ast.Expr
	defs     map[string]*definition
	order    []string // names of containers, as they first came up
	fork     string
	previous map[string]*container // the versions of the fork before
	current  map[string]*container
}

// resolveForks reads the files of the forks and returns every version of every container.
func resolveForks(dir string, forks []string, consts map[string]*constant) ([]*container, error) {
	r := &resolver{consts: consts, aliases: map[string]ast.Expr{}, defs: map[string]*definition{}}
	var all []*container
	for _, fork := range forks {
		f, err := parseFile(filepath.Join(dir, fork+".containers"))
		if err != nil {
			return nil, err
		}
		r.enter(fork, f)
		for _, name := range r.order {
			c, err := r.container(name)
			if err != nil {
				return nil, fmt.Errorf("%s: %s: %w", fork, name, err)
			}
			if c.fork == fork {
				all = append(all, c)
			}
		}
	}
	return all, nil
}

func (r *resolver) enter(fork string, f *file) {
	r.fork, r.previous, r.current = fork, r.current, map[string]*container{}
	maps.Copy(r.aliases, f.aliases)
	for _, d := range f.containers {
		if r.defs[d.name] == nil {
			r.order = append(r.order, d.name)
		}
		r.defs[d.name] = d
	}
}

// container returns the version of a container in the fork at hand, which is that of the fork
// before if nothing in it has changed.
func (r *resolver) container(name string) (*container, error) {
	if c := r.current[name]; c != nil {
		return c, nil
	}
	def := r.defs[name]
	c := &container{name: name, goName: name, fork: r.fork, doc: def.doc, progressive: def.progressive}
	if def.upTo != nil {
		var err error
		if c.upTo, err = r.number(def.upTo); err != nil {
			return nil, err
		}
	}
	for _, fd := range def.fields {
		t, err := r.typ(fd.typ)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", fd.name, err)
		}
		c.fields = append(c.fields, field{fd.name, fd.doc, t})
		for p := range presets {
			c.differs[p] = c.differs[p] || t.differs(p)
		}
	}
	if old := r.previous[name]; old != nil {
		c.goName += strings.ToUpper(r.fork[:1]) + r.fork[1:]
		if old.sameFields(c) {
			c = old
		}
	}
	r.current[name] = c
	return c, nil
}

func (c *container) sameFields(d *container) bool {
	if len(c.fields) != len(d.fields) || c.progressive != d.progressive || c.upTo != d.upTo {
		return false
	}
	for i, f := range c.fields {
		if f.name != d.fields[i].name || !f.typ.equal(d.fields[i].typ) {
			return false
		}
	}
	return true
}

// typ resolves the expression of a type.
func (r *resolver) typ(expr ast.Expr) (*typ, error) {
	switch x := expr.(type) {
	case *ast.Ident:
		return r.named(x.Name)
	case *ast.CallExpr: // ByteVector[N], List[T, N] and their like
		if len(x.Args) == 0 {
			return nil, fmt.Errorf("%v without a length", x.Fun)
		}
		t := &typ{kind: fmt.Sprint(x.Fun)}
		if len(x.Args) == 2 || t.kind == "ProgressiveList" {
			elem, err := r.typ(x.Args[0])
			if err != nil {
				return nil, err
			}
			t.elem = elem
		}
		if t.kind == "ProgressiveList" {
			return t, nil
		}
		size, err := r.number(x.Args[len(x.Args)-1])
		t.size = size
		return t, err
	default:
		return nil, fmt.Errorf("cannot read a type of syntax %T", expr)
	}
}

func (r *resolver) named(name string) (*typ, error) {
	switch {
	case name == "boolean" || strings.HasPrefix(name, "uint"),
		name == "ProgressiveByteList" || name == "ProgressiveBitlist":
		return &typ{kind: name}, nil
	case r.aliases[name] != nil:
		t, err := r.typ(r.aliases[name])
		if err == nil {
			t.alias = name
		}
		return t, err
	case r.defs[name] != nil:
		c, err := r.container(name)
		return &typ{kind: "container", container: c}, err
	default:
		return nil, fmt.Errorf("no type is named %s", name)
	}
}

// number evaluates the expression of a length or a limit.
func (r *resolver) number(expr ast.Expr) (s sizes, err error) {
	switch x := expr.(type) {
	case *ast.BasicLit:
		n, err := strconv.ParseUint(x.Value, 10, 64)
		return same(n), err
	case *ast.Ident:
		c := r.consts[x.Name]
		if c == nil {
			return s, fmt.Errorf("no constant is named %s", x.Name)
		}
		c.fork = cmp.Or(c.fork, r.fork)
		return c.sizes, nil
	case *ast.BinaryExpr:
		a, err := r.number(x.X)
		if err != nil {
			return s, err
		}
		b, err := r.number(x.Y)
		for p := range s {
			switch x.Op {
			case token.ADD:
				s[p] = a[p] + b[p]
			case token.MUL:
				s[p] = a[p] * b[p]
			default:
				return s, fmt.Errorf("cannot do %v", x.Op)
			}
		}
		return s, err
	default:
		return s, fmt.Errorf("cannot read a number of syntax %T", expr)
	}
}
