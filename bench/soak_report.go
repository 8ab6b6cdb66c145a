package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/nats-io/nats.go"

	"oprun.example/pkg/events"
)

// sample is how everything is at one moment of a soak.
type sample struct {
	soakState
	at             time.Duration // since the beginning
	rate           float64       // jobs/s since the last sample
	table, indexes float64       // MB
	dead           float64       // rows
	vacuums        float64
	stream         float64 // MB
}

// soakLog is all samples.
type soakLog struct {
	samples    []sample
	unanswered int // when the worker was asked
	err        error
}

var soakColumns = []struct {
	head string
	of   func(sample) float64
}{
	{"jobs/s", func(s sample) float64 { return s.rate }},
	{"start p50 ms", func(s sample) float64 { return s.P50 }},
	{"start p99 ms", func(s sample) float64 { return s.P99 }},
	{"worker RSS MB", func(s sample) float64 { return s.RSS }},
	{"Go heap MB", func(s sample) float64 { return s.Heap }},
	{"table MB", func(s sample) float64 { return s.table }},
	{"indexes MB", func(s sample) float64 { return s.indexes }},
	{"dead rows", func(s sample) float64 { return s.dead }},
	{"autovacuums", func(s sample) float64 { return s.vacuums }},
	{"stream MB", func(s sample) float64 { return s.stream }},
}

// sampleAll takes samples until the context ends. It begins when the worker answers.
func (s *servers) sampleAll(ctx context.Context, st *stage, every time.Duration, log io.Writer) (all soakLog) {
	conn, err := pgx.Connect(ctx, st.Database)
	if err != nil {
		return soakLog{err: err}
	}
	defer conn.Close(context.WithoutCancel(ctx))
	began, tick := time.Now(), time.NewTicker(every)
	defer tick.Stop()
	last := sample{}
	for {
		select {
		case <-ctx.Done():
			return all
		case <-tick.C:
		}
		now, err := s.sample(ctx, conn)
		if ctx.Err() != nil {
			return all
		}
		if errors.Is(err, nats.ErrNoResponders) || errors.Is(err, context.DeadlineExceeded) {
			all.unanswered++
			continue
		}
		if err != nil {
			return soakLog{err: fmt.Errorf("take a sample: %w", err)}
		}
		now.at = time.Since(began)
		now.rate = float64(now.Handled-last.Handled) / (now.at - last.at).Seconds()
		last = now
		all.samples = append(all.samples, now)
		fmt.Fprint(log, now.row())
	}
}

const tableState = `select pg_table_size(relid) / 1e6, pg_indexes_size(relid) / 1e6, n_dead_tup, autovacuum_count
from pg_stat_user_tables where schemaname = 'oprun' and relname = 'operation_runs'`

func (s *servers) sample(ctx context.Context, conn *pgx.Conn) (now sample, err error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	if now.soakState, err = s.askWorker(ctx); err != nil {
		return now, fmt.Errorf("ask the worker: %w", err)
	}
	if err := conn.QueryRow(ctx, tableState).Scan(&now.table, &now.indexes, &now.dead, &now.vacuums); err != nil {
		return now, err
	}
	stream, err := s.js.Stream(ctx, events.DefaultTopology().Stream)
	if err != nil {
		return now, err
	}
	now.stream = float64(stream.CachedInfo().State.Bytes) / 1e6
	return now, nil
}

func (s sample) row() string {
	var b strings.Builder
	fmt.Fprintf(&b, "| %s |", s.at.Round(time.Second))
	for _, c := range soakColumns {
		b.WriteString(" " + number(c.of(s)) + " |")
	}
	return b.String() + "\n"
}

func (l soakLog) table() string {
	var b strings.Builder
	b.WriteString("| after |")
	for _, c := range soakColumns {
		b.WriteString(" " + c.head + " |")
	}
	b.WriteString("\n|" + strings.Repeat("---|", len(soakColumns)+1) + "\n")
	for _, s := range l.samples {
		b.WriteString(s.row())
	}
	if l.unanswered > 0 {
		fmt.Fprintf(&b, "\n%d times the worker did not answer.\n", l.unanswered)
	}
	return b.String()
}

// flat says how much of a figure may be added from the first third after the warm-up to the last. Little of little is
// nothing: below the floor nothing grows.
var flat = []struct {
	what  string
	most  float64
	floor float64
	fills bool // it grows until what was deleted makes room
	of    func(sample) float64
}{
	{"worker RSS", 1.15, 5, false, func(s sample) float64 { return s.RSS }},
	{"Go heap", 1.25, 5, false, func(s sample) float64 { return s.Heap }},
	{"table and indexes", 1.15, 20, true, func(s sample) float64 { return s.table + s.indexes }},
	{"stream", 1.15, 20, true, func(s sample) float64 { return s.stream }},
	{"start p50", 1.25, 0.5, false, func(s sample) float64 { return s.P50 }},
	{"start p99", 1.5, 5, false, func(s sample) float64 { return s.P99 }},
}

// tablesFill is how long tables grow before what was deleted makes room: the retention, two minutes until it is carried
// out, and a vacuum.
const tablesFill = 5 * time.Minute

// verdicts compares the first third after the warm-up, which is a quarter of the time, with the last third.
func verdicts(samples []sample, kept float64, problems []string) string {
	var b strings.Builder
	b.WriteString("| | first third | last third | may be | |\n|---|---|---|---|---|\n")
	samples = samples[len(samples)/4:]
	third := len(samples) / 3
	short := len(samples) == 0 || samples[0].at < tablesFill
	if third > 0 {
		for _, f := range flat {
			first, last := middleSample(samples[:third], f.of), middleSample(samples[len(samples)-third:], f.of)
			verdict := "flat"
			switch {
			case f.fills && short:
				verdict = "too short to tell"
			case last > first*f.most && last-first > f.floor:
				verdict = "**grows**"
			}
			fmt.Fprintf(&b, "| %s | %s | %s | × %s | %s |\n", f.what, number(first), number(last), number(f.most), verdict)
		}
	}
	once := "yes"
	if len(problems) > 0 {
		once = "**no**: " + strings.Join(problems, ", ")
	}
	if short {
		b.WriteString("\nThe run was too short to judge the tables: they fill until the first rows are deleted and vacuumed.\n")
	}
	return b.String() + fmt.Sprintf("\nEvery job exactly once: %s. The publisher kept %.1f %% of its pace.\n", once, 100*kept)
}

func middleSample(samples []sample, of func(sample) float64) float64 {
	var values []float64
	for _, s := range samples {
		values = append(values, of(s))
	}
	slices.Sort(values)
	return median(values)
}
