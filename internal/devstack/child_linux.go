package devstack

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
)

// dieWithParent lets the kernel signal the child when the thread that started it ends, also after a SIGKILL of us.
func dieWithParent(attr *syscall.SysProcAttr, signal syscall.Signal) {
	attr.Pdeathsig = signal
}

// childrenOf lists the processes whose parent is pid.
func childrenOf(pid int) []int {
	processes, _ := filepath.Glob("/proc/[0-9]*")
	var children []int
	for _, process := range processes {
		candidate, err := strconv.Atoi(filepath.Base(process))
		if err != nil {
			continue
		}
		if _, parent := stat(candidate); parent == pid {
			children = append(children, candidate)
		}
	}
	return children
}

// zombie tells whether a process has ended and waits for a parent to notice, which in a container may be never.
func zombie(pid int) bool {
	state, _ := stat(pid)
	return state == "Z"
}

// stat reads the state and the parent of a process; nothing when it is gone.
func stat(pid int) (state string, parent int) {
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return "", 0
	}
	// The name, in parentheses, may hold anything; state and parent follow the last one.
	fields := bytes.Fields(text[bytes.LastIndexByte(text, ')')+1:])
	if len(fields) < 2 {
		return "", 0
	}
	parent, _ = strconv.Atoi(string(fields[1]))
	return string(fields[0]), parent
}
