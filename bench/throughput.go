package main

// The contestants' settings are what a reader must know to judge their figures. Jobs are so many that a turn takes two or
// three seconds.

const (
	oprunSettings = "defaults, but no schedules; a pool of 4, and up to 13 of the ledger's own"
	riverSettings = "FetchCooldown 2 ms, FetchPollInterval 20 ms, 2,000 workers, as River's own benchmark; 10 connections"
	riverInserts  = "as in drain; InsertMany of 5,000 in the same process"

	pageless = ", without page indexes"
	observed = ", observed"
)

// drain: everything waits, and the clock runs until it is done. Handlers do nothing.
func drain() scenario {
	return scenario{
		name: "drain", title: "Drain: no-op jobs that all wait",
		contestants: []contestant{
			{name: "oprun", settings: oprunSettings, jobs: 120_000, prepare: oprunLoaded, parts: []part{oprunWork(4, oprunNoop)}, done: []string{countRuns}},
			{name: "oprun" + observed, gauge: true, settings: "as oprun; the log as JSON in a file, /metrics read once a second by the process itself", jobs: 120_000, prepare: oprunLoaded, parts: []part{oprunObserved}, done: []string{countRuns}},
			{name: "ledger alone", gauge: true, settings: "no NATS, no worker: batches of 512 on 2 connections", jobs: 150_000, prepare: oprunEmpty, parts: []part{ledgerWork}, done: []string{countRuns}},
			{name: "oprun" + pageless, gauge: true, settings: "as oprun", jobs: 120_000, prepare: withoutPageIndexes(oprunLoaded), parts: []part{oprunWork(4, oprunNoop)}, done: []string{countRuns}},
			{name: "ledger alone" + pageless, gauge: true, settings: "as ledger alone", jobs: 150_000, prepare: withoutPageIndexes(oprunEmpty), parts: []part{ledgerWork}, done: []string{countRuns}},
			{name: "River, unique by args", settings: riverSettings, jobs: 50_000, prepare: riverLoaded(riverUnique), parts: []part{riverWork(riverConns, riverNoop)}, done: []string{countRiver, countRiverKeys}},
			{name: "River, plain", settings: riverSettings, jobs: 50_000, prepare: riverLoaded(riverPlain), parts: []part{riverWork(riverConns, riverNoop)}, done: []string{countRiver}},
			{name: "by hand: nats.go + pgx", settings: "an INSERT, an UPDATE, an ack a message, on a table of its own; 32 connections", jobs: 16_000, prepare: byHandLoaded, parts: []part{byHandWork(decodeInput)}, done: []string{countClaims}},
			{name: "Watermill + dedupe insert", settings: "an INSERT, an ack (AckAsync) a message; a stream that keeps its messages; 32 subscriptions, 32 connections", jobs: 30_000, prepare: watermillLoaded, parts: []part{watermillWork(watermillSubscriptions, decodeInput)}, done: []string{countSeen}},
		},
		goals: []goal{
			{figure: "drain / River unique", must: 3.5, aim: 5, of: ratio(rate, "drain/oprun", "drain/River, unique by args")},
			{figure: "drain / by hand", must: 10, aim: 14, of: ratio(rate, "drain/oprun", "drain/by hand: nats.go + pgx")},
			{figure: "drain / ledger alone", must: 0.65, aim: 0.75, of: ratio(rate, "drain/oprun", "drain/ledger alone")},
			{figure: "oprun / the same without page indexes", must: 0.9, aim: 0.95, of: ratio(rate, "drain/oprun", "drain/oprun"+pageless)},
			{figure: "ledger alone / the same without page indexes", must: 0.9, aim: 0.95, of: ratio(rate, "drain/ledger alone", "drain/ledger alone"+pageless)},
			{figure: "oprun, observed / not observed", must: 0.95, aim: 0.98, of: ratio(rate, "drain/oprun"+observed, "drain/oprun")},
			{figure: "CPU per job / River unique's", must: 1.0 / 3, aim: 0.25, atMost: true, of: ratio(cpu, "drain/oprun", "drain/River, unique by args")},
			{figure: "WAL per job, B", must: 1100, aim: 900, atMost: true, of: figure(wal, "drain/oprun")},
			{figure: "worker's peak memory, MB", must: 48, aim: 40, atMost: true, of: figure(peak, "drain/oprun")},
		},
	}
}

// continuous: jobs are asked for and worked on at the same time, as fast as either goes.
func continuous() scenario {
	return scenario{
		name: "continuous", title: "Continuous: no-op jobs, asked for and worked on at the same time",
		contestants: []contestant{
			{name: "oprun", settings: "as in drain; PublishAsync in the same process", jobs: 80_000, prepare: oprunEmpty, parts: []part{oprunPublishAndWork}, done: []string{countRuns}},
			{name: "River, unique by args", settings: riverInserts, jobs: 40_000, prepare: riverEmpty, parts: []part{riverInsertAndWork(riverUnique, riverBatch, 1)}, done: []string{countRiver, countRiverKeys}},
			{name: "River, plain", settings: "as in drain; InsertManyFast (COPY) of 5,000 in the same process", jobs: 40_000, prepare: riverEmpty, parts: []part{riverInsertAndWork(riverPlain, riverBatch, 1)}, done: []string{countRiver}},
		},
		goals: []goal{
			{figure: "continuous / River unique", must: 3, aim: 5, of: ratio(rate, "continuous/oprun", "continuous/River, unique by args")},
		},
	}
}

// effects: every job inserts one row, exactly once.
func effects() scenario {
	return scenario{
		name: "effects", title: "Effects: every job inserts one row, in the commit that ends it",
		contestants: []contestant{
			{name: "oprun, job.Queue", settings: "a transaction for many jobs; as in drain, and up to 5 connections more", jobs: 50_000, prepare: oprunEffects, parts: []part{oprunWork(4, oprunQueue)}, done: []string{countRuns, countEffects, differentJobs}},
			{name: "oprun, job.Commit", settings: "one transaction a job; as in drain, with a pool of 32", jobs: 8_000, prepare: oprunEffects, parts: []part{oprunWork(32, oprunCommit)}, done: []string{countRuns, countEffects, differentJobs}},
			{name: "River, JobCompleteTx", settings: "one transaction a job; as in drain, with 32 connections", jobs: 5_000, prepare: riverEffects, parts: []part{riverWork(32, riverCompleteTx)}, done: []string{countRiver, countRiverKeys, countEffects, differentJobs}},
		},
		goals: []goal{
			{figure: "`job.Queue` effects / River JobCompleteTx", must: 12, aim: 20, of: ratio(rate, "effects/oprun, job.Queue", "effects/River, JobCompleteTx")},
			{figure: "`job.Commit` effects / River JobCompleteTx", must: 2, aim: 3, of: ratio(rate, "effects/oprun, job.Commit", "effects/River, JobCompleteTx")},
		},
	}
}

// ledgerFirst: jobs are rows before they are messages, and are worked on meanwhile.
func ledgerFirst() scenario {
	return scenario{
		name: "ledger-first", title: "Ledger-first: no-op jobs, written in the caller's transaction and worked on at the same time",
		contestants: []contestant{
			{name: "oprun, 100 a transaction", settings: "as in drain; DispatchManyTx from 8 connections, in a process of its own", jobs: 20_000, prepare: oprunEmpty, parts: []part{oprunWork(4, oprunNoop), oprunDispatch(100, 8)}, done: []string{countRuns}},
			{name: "oprun, one a transaction", settings: "as in drain; Dispatch from 32 connections, in a process of its own", jobs: 10_000, prepare: oprunEmpty, parts: []part{oprunWork(4, oprunNoop), oprunDispatch(1, 32)}, done: []string{countRuns}},
			{name: "River unique, 100 a transaction", settings: "as in drain; InsertMany from 8 connections more, in the same process", jobs: 30_000, prepare: riverEmpty, parts: []part{riverInsertAndWork(riverUnique, 100, 8)}, done: []string{countRiver, countRiverKeys}},
			{name: "River unique, one a transaction", settings: "as in drain; Insert from 32 connections more, in the same process", jobs: 15_000, prepare: riverEmpty, parts: []part{riverInsertAndWork(riverUnique, 1, 32)}, done: []string{countRiver, countRiverKeys}},
		},
	}
}
