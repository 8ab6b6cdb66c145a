package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/pprof"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
)

// profiled runs with a CPU profile, where one is wanted. It is written after the clock has stopped.
func (s *stage) profiled(timed func() error) (err error) {
	if s.Profile == "" {
		return timed()
	}
	file, err := os.Create(filepath.Join(s.Profile, s.profileName()+".pprof"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	if err := pprof.StartCPUProfile(file); err != nil {
		return err
	}
	defer pprof.StopCPUProfile()
	return timed()
}

func (s *stage) profileName() string {
	plain := func(r rune) rune {
		switch r {
		case ' ', ',', '/', ':', '+':
			return '_'
		}
		return r
	}
	return strings.Map(plain, s.Scenario+"-"+s.Contestant+"-"+strconv.Itoa(s.Part))
}

// profileInto prepares for profiles: a folder, and a Postgres that counts its statements, if it can.
func (s *servers) profileInto(ctx context.Context, dir string) (err error) {
	if s.profile, err = filepath.Abs(dir); err != nil {
		return err
	}
	if err := os.MkdirAll(s.profile, 0o750); err != nil {
		return err
	}
	var can bool
	if err := s.admin.QueryRow(ctx, "select exists (select from pg_available_extensions where name = 'pg_stat_statements')").Scan(&can); err != nil || !can {
		return err
	}
	if _, err := s.admin.Exec(ctx, "alter system set shared_preload_libraries = 'pg_stat_statements'"); err != nil {
		return err
	}
	if err := errors.Join(s.admin.Close(ctx), s.postgres.Restart(ctx), s.connect(ctx)); err != nil {
		return err
	}
	if _, err := s.admin.Exec(ctx, "create extension pg_stat_statements"); err != nil {
		return err
	}
	s.statements, err = os.Create(filepath.Join(s.profile, "statements.txt"))
	return err
}

// forgetStatements is called right before the clock runs: what prepared the turn is not to be seen.
func (s *servers) forgetStatements(ctx context.Context) error {
	if s.statements == nil {
		return nil
	}
	_, err := s.admin.Exec(ctx, "select pg_stat_statements_reset()")
	return err
}

const mostUsed = `select p.calls, p.rows, p.mean_exec_time * 1000, p.wal_bytes::float8 / p.calls, p.total_exec_time, regexp_replace(p.query, '\s+', ' ', 'g')
from pg_stat_statements p join pg_database d on d.oid = p.dbid
where d.datname = $1 and p.calls > 0 order by p.total_exec_time desc limit 15`

// tellStatements writes what the statements of a turn have cost.
func (s *servers) tellStatements(ctx context.Context, st stage) error {
	if s.statements == nil {
		return nil
	}
	config, err := pgx.ParseConfig(st.Database)
	if err != nil {
		return err
	}
	rows, err := s.admin.Query(ctx, mostUsed, config.Database)
	if err != nil {
		return err
	}
	fmt.Fprintf(s.statements, "%s, %s: %d jobs\n%10s %10s %10s %10s %10s  statement\n", st.Scenario, st.Contestant, st.Jobs, "calls", "rows", "mean µs", "WAL B", "total ms")
	var calls, n int64
	var micros, wal, total float64
	var text string
	_, err = pgx.ForEachRow(rows, []any{&calls, &n, &micros, &wal, &total, &text}, func() error {
		_, err := fmt.Fprintf(s.statements, "%10d %10d %10.1f %10.0f %10.0f  %.160s\n", calls, n, micros, wal, total, text)
		return err
	})
	fmt.Fprintln(s.statements)
	return err
}
