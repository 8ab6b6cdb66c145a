package remote

import "syscall"

// dieWithParent has the kernel kill the process when the thread that started it ends, also after a SIGKILL of us:
// the run's lease then ends too, and another attempt begins.
func dieWithParent(attr *syscall.SysProcAttr) { attr.Pdeathsig = syscall.SIGKILL }
