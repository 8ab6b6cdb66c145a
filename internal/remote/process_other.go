//go:build !linux

package remote

import "syscall"

// dieWithParent does nothing: only Linux tells children that their parent died.
func dieWithParent(*syscall.SysProcAttr) {}
