// Package shape describes how the values of SSZ types are laid out. A [Shape] tells well-formed
// encodings from others and bounds their size, without a Go type for the values. The shapes of the
// consensus layer's containers are generated from the files in ssz/definitions, and every container
// has its own as a method; networks, names and decoding are package ssz's.
//
// It follows the SSZ specification of August 2026.
package shape
