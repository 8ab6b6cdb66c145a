// Package deploytest holds deploy/ to what it promises: the roles may do what their work needs and no more, the files
// say nothing that the binaries do not know, and what compose.yaml starts works together, played on the embedded stack. It has tests and no code.
package deploytest
