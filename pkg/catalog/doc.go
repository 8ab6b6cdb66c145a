// Package catalog says what job types exist and what each declares: scope, identity, policy, limits, schema; and
// with them the schedules and the handlers outside the process.
//
// A catalogue is a file, jobs.yaml, read by [Load] or [Parse]; or the same structs in Go, given to [New]. All three
// apply the defaults, check every rule and compile every schema before they return, and name all mistakes at once,
// each by file, line and field (see [Problems]). What they return is not to be changed and is safe for concurrent
// use.
//
// A publisher and a worker read the same catalogue, so they cannot disagree on what makes two jobs the same:
//
//	jobs, err := catalog.Load("jobs.yaml")
//	job := jobs.Jobs["assignments.fetch"]
//	identity, err := job.Rule().Identify(scope, "assignments.fetch", input, occurrence)
//
// Schedules of five fields follow the clock on a time zone's wall: a time that daylight saving skips or repeats fires
// once (see [Schedule.Next]). Those of @every fire at even intervals, whatever the wall shows.
//
// Every catalogue has the housekeeping types [ReconcileAdapterRuns] and [DeleteExpiredRuns], and a schedule of each,
// without declaring them.
//
// The package leaves to others what is done with a declaration: claiming, retrying, running, firing.
package catalog
