// Package minimal holds the containers whose sizes depend on the preset, for the
// minimal preset. Names, types and what to mind when decoding are those of package containers beside
// it, which holds the containers that all presets share.
package minimal
