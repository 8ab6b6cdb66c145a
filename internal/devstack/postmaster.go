package devstack

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// killFamily kills the server and its backends and waits until they are gone. Each backend leads a process group of
// its own, so a signal to the server's group alone would let statements run on. The server is frozen first: it must
// not fork between the look at its children and the end.
func killFamily(server *child) {
	_ = syscall.Kill(server.pid, syscall.SIGSTOP)
	backends := childrenOf(server.pid)
	for _, pid := range backends {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	_ = syscall.Kill(-server.pid, syscall.SIGKILL)
	<-server.done
	for _, pid := range backends {
		waitGone(pid, 5*time.Second)
	}
}

// waitGone waits until the process has ended.
func waitGone(pid int, patience time.Duration) {
	retry := time.NewTicker(5 * time.Millisecond)
	defer retry.Stop()
	for deadline := time.Now().Add(patience); alive(pid) && time.Now().Before(deadline); {
		<-retry.C
	}
}

// waitDetached waits until nobody is attached to the shared memory of a server that was killed: a backend that was being
// born at that moment notices its parent's death by itself, and until then the server cannot be started again.
func waitDetached(dir string) {
	id := strconv.Itoa(postmasterLine(dir, 6))
	retry := time.NewTicker(10 * time.Millisecond)
	defer retry.Stop()
	for deadline := time.Now().Add(30 * time.Second); attached(id) && time.Now().Before(deadline); {
		<-retry.C
	}
}

// attached looks into the kernel's list of segments, whose columns begin with key, id, perms, size, cpid, lpid and nattch.
// Where there is no such list, nobody is.
func attached(id string) bool {
	list, err := os.ReadFile("/proc/sysvipc/shm")
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(list)) {
		if fields := strings.Fields(line); len(fields) > 6 && fields[1] == id {
			return fields[6] != "0"
		}
	}
	return false
}

// endCluster ends a server that outlived its owner, before the sweep removes its folder. Its socket has to answer:
// the pid in the file alone may be somebody else's by now.
func endCluster(dir string) {
	conn, err := net.Dial("unix", socketPath(dir))
	if err == nil {
		_ = conn.Close()
		if pid := postmasterLine(dir, 0); pid > 1 {
			_ = syscall.Kill(pid, syscall.SIGQUIT)
			waitGone(pid, 10*time.Second)
		}
	}
	removeSharedMemory(dir)
}

// removeSharedMemory removes the System V segment of a server that was killed: a few bytes that outlive all
// processes. A server that ended by itself has removed its pid file and its segment.
func removeSharedMemory(dir string) {
	if id := postmasterLine(dir, 6); id > 0 {
		_ = exec.Command("ipcrm", "-m", strconv.Itoa(id)).Run()
	}
}

// postmasterLine reads the last number of one line of the server's pid file: line 0 is the pid, line 6 the key and id
// of its shared memory. 0 when there is none.
func postmasterLine(dir string, line int) int {
	content, err := os.ReadFile(filepath.Join(dataDir(dir), "postmaster.pid"))
	if err != nil {
		return 0
	}
	lines := strings.Split(string(content), "\n")
	if line >= len(lines) {
		return 0
	}
	fields := strings.Fields(lines[line])
	if len(fields) == 0 {
		return 0
	}
	number, _ := strconv.Atoi(fields[len(fields)-1])
	return number
}
