//go:build !failpoint

package failpoint

// Hit passes a point. It returns nil, and is not there once it is compiled.
func Hit(Point) error { return nil }

// Off reports whether a rule is switched off. It returns false, and what depends on it is not compiled.
func Off(Switch) bool { return false }

// Armed reports whether something is to happen at a point. It returns false, and what depends on it is not compiled.
func Armed(Point) bool { return false }
