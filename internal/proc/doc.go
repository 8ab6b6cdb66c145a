// Package proc is what each of our processes needs around it: command line, signals, exit codes, a logger, and the connections to
// Postgres and NATS that are waited for at the start.
//
// It promises that a failure reads the same everywhere (`name: what went wrong`, then a line that says what to type),
// that its exit code tells what kind of failure it was, and that no password reaches a terminal or a log. It leaves the flags
// and the defaults of addresses to the commands, and everything about jobs to the packages.
//
//	func main() { proc.Main("consumer", run) }
//
//	func run(ctx context.Context) error {
//		log, err := proc.Logger(os.Stderr, os.Getenv("OPRUN_LOG_FORMAT"), os.Getenv("OPRUN_LOG_LEVEL"))
//		…
//		pool, err := proc.ConnectPostgres(ctx, os.Getenv("DATABASE_URL"), proc.DefaultWait, nil)
//		…
//	}
package proc
