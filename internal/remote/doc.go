// Package remote runs jobs outside the process: as an HTTP request to a service, or as a command.
//
// [Register] gives a mux the handlers that a catalogue declares:
//
//	mux := &jobs.Mux{}
//	if err := remote.Register(mux, catalog.Handlers, remote.Config{Logger: log}); err != nil {
//		return err
//	}
//	worker, err := jobs.NewWorker(stream, ledger, catalog, mux, jobs.Config{Logger: log})
//
// A service and a command are told the same (the run's id as their idempotency key, the attempt, scope, type and trace
// context) and may answer the same, as the body of a 2xx or as the last line of stdout before exit 0:
//
//	{"outcome": "partially_succeeded", "summary_counts": {"total": 3}, "failures": [{"code": "policy.gone", "message": "…"}]}
//
// All of it is optional, and unknown keys are left alone. The outcome is one of succeeded (the default),
// partially_succeeded, blocked, failed and cancelled; as with a handler in Go, failures turn a success into a partial
// one. What cannot be read although it is meant to be read (broken JSON, an unknown outcome, a response above 1 MiB)
// ends the run as failed with the code handler.response_invalid: the work was done, and doing it again would only
// repeat its effects and the answer. A text that is no such object, as "ok" or a log line, says nothing.
//
// What becomes of the run otherwise:
//
//	http   2xx done · 408, 425, 429, 5xx, no answer: tried again, not before Retry-After · else failed, 3xx too
//	exec   0 done · 75 tried again · other 64–78 failed · else, death by a signal too: tried again
//
// A request ends with its context. A command gets SIGTERM, its whole process group does, and SIGKILL 5 s later; a
// command that was stopped has not succeeded, whatever it exits with, since many exit with 0 on SIGTERM. A group does
// not outlive its command: what is left of it is killed. On Linux the command (not its children) dies with the worker.
//
// A request is authorised by the token of bearer_env, else by the user and password in the address. Proxies of the
// environment (HTTP_PROXY and so on) are not used: inputs and tokens go to the address in the catalogue and nowhere
// else. A command inherits the worker's environment and working directory.
//
// The error text of an attempt holds what went wrong, and the last of stderr for a command; never an input, the body
// of a response, a token or an address beyond its host. Effects are of the second grade of package jobs: at least
// once, with the late answer of a lost attempt refused.
package remote
