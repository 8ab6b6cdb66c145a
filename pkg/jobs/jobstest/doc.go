// Package jobstest is a bench for handlers: it runs a job on a real ledger and a real stream, has its message come again,
// and lets the worker crash or freeze where that can hurt; and then the test looks at what is left.
//
//	func TestConfirm(t *testing.T) {
//		t.Parallel()
//		bench := jobstest.New(t, types, confirming(), jobstest.Config{Migrate: orders})
//		run := bench.Run("orders.confirm", confirmation{OrderID: 7})
//		run.WantSucceeded()
//		run.WantCounts(map[string]int64{"updated": 1})
//		bench.WantEffects(1, "select confirmed from orders where id = 7")
//	}
//
// A bench brings its own servers, or works on yours: see [Config]. What can be done with a job:
//
//   - [Bench.Try] runs its handler once, shows the effects inside their transaction, and rolls them back;
//   - [Bench.Run] has it published, claimed, run, committed and acknowledged, with its retries;
//   - [Bench.Redeliver] has its message come again after its end, and [Bench.Overlap] while the handler is at work;
//   - [Bench.Crash] ends the worker at a [Point], and another one recovers the job;
//   - [Bench.Freeze] stops the worker at a [Point] until another one has taken the job over, and then lets it go on;
//   - [Bench.Hold] holds the worker at a [Point] while the test does something else;
//   - [Bench.Continue] runs what waits: a job that a handler has dispatched, or one that was put off.
//
// The workers are those that run everywhere, each with connections of its own, inside the test's process. A crash cuts these
// connections, and a frozen worker's stand still. What a handler does past its own Commit and Queue, on other connections,
// the bench does not hold up.
//
// Shipped programs do not link this package: it carries the servers.
package jobstest
