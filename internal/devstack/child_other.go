//go:build !linux

package devstack

import (
	"os/exec"
	"strconv"
	"strings"
	"syscall"
)

// dieWithParent does nothing: only Linux tells children that their parent died. The next start sweeps instead.
func dieWithParent(*syscall.SysProcAttr, syscall.Signal) {}

// childrenOf lists the processes whose parent is pid.
func childrenOf(pid int) []int {
	out, _ := exec.Command("ps", "-axo", "pid=,ppid=").Output()
	var children []int
	for line := range strings.Lines(string(out)) {
		fields := strings.Fields(line)
		if len(fields) != 2 || fields[1] != strconv.Itoa(pid) {
			continue
		}
		if child, err := strconv.Atoi(fields[0]); err == nil {
			children = append(children, child)
		}
	}
	return children
}

// zombie is not needed where the system's first process always reaps.
func zombie(int) bool { return false }
