package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"oprun.example/pkg/events"
)

// latency: jobs are asked for at a pace, and what counts is how long each waits from right before the call that asks for
// it until its handler starts. Asking and working are two processes on one clock.
func latency() scenario {
	s := scenario{
		name: "latency", title: "Latency: no-op jobs, asked for at a pace",
		columns: []column{
			{"asked for, jobs/s", middle(named(published))},
			{"p50 ms", middle(named(half))},
			{"p99 ms", middle(named(almostAll))},
			{"of it stored → claim begins, p50 ms", func(all []measurement) string {
				if all[0].Figures[toClaim] == 0 {
					return "–"
				}
				return middle(named(toClaim))(all)
			}},
			{"CPU µs/job", middle(cpu)},
			throughput[2],
		},
		contestants: []contestant{oneByOne},
		goals: []goal{
			{figure: "start at 50/s, p50 / one PubAck + one commit", must: 1.6, aim: 1.3, atMost: true, of: ratio(named(half), "latency/oprun, 50/s", "latency/"+oneByOne.name)},
			{figure: "start at 1,000/s, p50 / Watermill's p50", must: 1.3, aim: 1, atMost: true, of: ratio(named(half), "latency/oprun, 1,000/s", "latency/Watermill + dedupe insert, 1,000/s")},
			{figure: "start at 1,000/s, p99 / River's p99", must: 0.1, aim: 0.05, atMost: true, of: ratio(named(almostAll), "latency/oprun, 1,000/s", "latency/River, unique by args, 1,000/s")},
			{figure: "CPU per job at 1,000/s / by hand", must: 0.7, aim: 0.4, atMost: true, of: ratio(cpu, "latency/oprun, 1,000/s", "latency/by hand: nats.go + pgx, 1,000/s")},
		},
	}
	for _, rate := range []int{50, 1000, 10_000} {
		s.contestants = append(s.contestants, atPace(rate)...)
	}
	return s
}

// oneByOne is the least that a job with a promise can wait: for its stream and for its ledger, once each.
var oneByOne = contestant{
	name: "one PubAck + one commit", settings: "one after the other, at 50/s; a stream and a table of its own; the two of them are what waits",
	jobs: 400, rate: 50, prepare: oprunWithEffects, parts: []part{pubAckAndCommit}, done: []string{countEffects},
}

// atPace are the contestants at one pace; those who cannot keep the highest have one that they can.
func atPace(rate int) []contestant {
	others := min(rate, 2000)
	all := []contestant{
		{name: "oprun", rate: rate, settings: "as in drain; PublishAsync from a process of its own", prepare: oprunEmpty, parts: []part{watched(oprunWatched), oprunPaced}, done: []string{countRuns}, after: waitsForClaim},
		{name: "River, unique by args", rate: rate, settings: "as in drain, the inserting client's FetchCooldown, too; Insert from 32 connections, from a process of its own", prepare: riverEmpty, parts: []part{watched(riverWatched), riverPaced(32)}, done: []string{countRiver, countRiverKeys}},
		{name: "Watermill + dedupe insert", rate: others, settings: "as in drain; PublishMsgAsync from a process of its own", prepare: watermillEmpty, parts: []part{watched(watermillWatched), watermillPaced}, done: []string{countSeen}},
		{name: "by hand: nats.go + pgx", rate: others, settings: "as in drain; PublishAsync from a process of its own", prepare: byHandEmpty, parts: []part{watched(byHandWatched), oprunPaced}, done: []string{countClaims}},
	}
	for i := range all {
		all[i].name += ", " + perSecond(all[i].rate)
		all[i].jobs = min(max(4*all[i].rate, 400), 30_000) // a 99th percentile wants some hundreds
	}
	all[1].jobs = min(all[1].jobs, 8000) // River does not keep the highest pace
	return all
}

func perSecond(rate int) string { return thousands(int64(rate)) + "/s" }

// named is a figure that only some scenarios have.
func named(figure string) field {
	return func(m measurement) float64 { return m.Figures[figure] }
}

// toClaim is how long a job lay in the stream until the transaction of its claim began.
const toClaim = "stored to claim"

// waitsForClaim tells which part of a job's wait was before its claim. What is left is the way to the stream, and the
// claim's own commit.
func waitsForClaim(ctx context.Context, s stage, m *measurement) error {
	conn, err := pgx.Connect(ctx, s.Database)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	var seconds float64
	err = conn.QueryRow(ctx, `select extract(epoch from percentile_cont(0.5) within group (order by started_at - origin_time))
from oprun.operation_runs`).Scan(&seconds)
	m.Figures[toClaim] = 1000 * seconds
	return err
}

// waits says for the log how long jobs waited, where that was measured.
func (m measurement) waits() string {
	if m.Figures[half] == 0 {
		return ""
	}
	return fmt.Sprintf("  p50 %.2f ms, p99 %.2f ms, to the claim %.2f ms, CPU %.0f µs", m.Figures[half], m.Figures[almostAll], m.Figures[toClaim], cpu(m))
}

func oprunWithEffects(ctx context.Context, s *stage) error {
	if err := oprunEmpty(ctx, s); err != nil {
		return err
	}
	return makeEffects(ctx, s)
}

// pubAckAndCommit publishes a job and waits for its acknowledgement, inserts a row and waits for its commit, and so on.
func pubAckAndCommit(ctx context.Context, s *stage) (func() error, error) {
	js, err := s.jetStream()
	if err != nil {
		return nil, err
	}
	conn, err := pgx.Connect(ctx, s.Database)
	if err != nil {
		return nil, err
	}
	w := s.watch()
	return w.around(s, func() error {
		return s.paced(ctx, func(n int) error {
			sent := payloadAt(n, time.Now())
			input, err := json.Marshal(sent)
			if err != nil {
				return err
			}
			if _, err := js.Publish(ctx, events.DefaultPrefix+".floor."+strconv.Itoa(n), input); err != nil {
				return err
			}
			if _, err := conn.Exec(ctx, insertEffect, n, sent.Note); err != nil {
				return err
			}
			return w.starts(sent)
		})
	}), nil
}
