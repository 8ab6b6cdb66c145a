// Package failpoint marks the places where a process may die, freeze, fail or be late, so that tests can make it do so
// there; and names the rules of the protocol that a test may switch off, to see that their absence is noticed.
//
// In an ordinary build it is nothing at all: [Hit] and [Off] are empty, the compiler removes them and what they decide,
// and no environment is read. With the build tag failpoint a process obeys two variables, which it reads as it starts:
//
//	OPRUN_FAILPOINTS='claim.after=kill; ack.before=error*1; relay.mark_before=delay(2s)@3'
//	OPRUN_BREAK='fence,sweeper'
//
// A fault is point=action, and stands between semicolons. The actions are kill (SIGKILL to itself), stop (SIGSTOP to
// itself; somebody else continues it), error (Hit returns an [*Injected]) and delay(duration). *n does it n times
// and no more; @n lets the point be passed n times first. What cannot be read ends the process with exit code 2. Each
// fault is announced on standard error, before it happens, as a line "failpoint: claim.after: kill".
package failpoint
