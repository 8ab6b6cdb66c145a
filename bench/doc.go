// Bench measures how fast jobs go through oprun, side by side with other systems, in one run:
//
//	go -C bench run .
//
// It is a module of its own, so that the systems it compares with are no dependency of oprun.
//
// A scenario is a task that several contestants are given, round after round, in turn; the figures are medians over the
// rounds. All contestants share one Postgres (fsync and synchronous_commit on) and one nats-server, and have for each
// round a database and streams of their own. Every process of a contestant is a child of this one, so that its CPU and
// memory can be told from the servers'. When a contestant is done, the database is asked whether it did what it was told.
//
// Two commands beside it take longer: grow measures with millions of finished runs, and soak for twenty minutes.
//
// From the top: main.go is the command, scenarios.go what there is to run, rounds.go the rounds, contest.go one turn of
// one contestant, play.go its processes, servers.go what they share. Each contestant has a file of its own; report.go,
// goals.go and chart.go say what came out, and profile.go where the time went.
package main
