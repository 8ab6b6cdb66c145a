package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// stage is where a contestant plays: what its processes are told.
type stage struct {
	Scenario, Contestant string
	Part                 int // which of its processes
	Jobs                 int
	Rate                 int    // jobs/s to be asked for; 0: as fast as they go
	Database, NATS       string // addresses
	Tenant               string // whose jobs they are, for oprun
	Foreign              string // undated request ids begin with it; empty: oprun makes ids of its own, dated ones
	Profile              string // the folder of CPU profiles; empty: none is wanted

	figures map[string]float64 // what only this scenario measures; its part writes them
}

// score is what a process of a contestant says when it is done.
type score struct {
	Began, Ended time.Time
	CPU          time.Duration
	Peak         int64 // bytes of memory
	Figures      map[string]float64
}

// pool opens a pool whose connections are all there before the clock runs.
func (s *stage) pool(ctx context.Context, conns int) (*pgxpool.Pool, error) {
	config, err := pgxpool.ParseConfig(s.Database)
	if err != nil {
		return nil, err
	}
	config.MaxConns, config.MinConns = int32(conns), int32(conns)
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, err
	}
	held := make([]*pgxpool.Conn, conns)
	for i := range held {
		if held[i], err = pool.Acquire(ctx); err != nil {
			return nil, err
		}
	}
	for _, conn := range held {
		conn.Release()
	}
	return pool, nil
}

// execute does what prepares a turn.
func (s *stage) execute(ctx context.Context, sql string) error {
	conn, err := pgx.Connect(ctx, s.Database)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, sql)
	return err
}

func (s *stage) jetStream() (jetstream.JetStream, error) {
	conn, err := nats.Connect(s.NATS)
	if err != nil {
		return nil, err
	}
	return jetstream.New(conn)
}

// player is a process of a contestant, seen from the parent.
type player struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	say *json.Encoder
	out *json.Decoder
}

// startPlayer starts one and returns when it is ready.
func startPlayer(ctx context.Context, s stage) (*player, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	p := &player{cmd: exec.CommandContext(ctx, self, "play")}
	p.cmd.Stderr = os.Stderr
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	p.say, p.out = json.NewEncoder(p.in), json.NewDecoder(out)
	var ready bool
	if err := errors.Join(p.say.Encode(s), p.out.Decode(&ready)); err != nil {
		return nil, errors.Join(fmt.Errorf("part %d does not start: %w", s.Part, err), p.stop())
	}
	return p, nil
}

func (p *player) begin() error { return p.say.Encode(true) }

func (p *player) score() (s score, err error) {
	if err := p.out.Decode(&s); err != nil {
		return s, fmt.Errorf("it does not finish: %w", err)
	}
	return s, nil
}

// stop ends a process: one whose input ends, ends.
func (p *player) stop() error { return errors.Join(p.in.Close(), p.cmd.Wait()) }

// playCommand is a process of a contestant, seen from inside.
type playCommand struct{}

func (playCommand) Run(ctx context.Context, to streams) error {
	hear, say := json.NewDecoder(to.in), json.NewEncoder(to.out)
	s := stage{figures: map[string]float64{}}
	if err := hear.Decode(&s); err != nil {
		return err
	}
	timed, err := s.part()(ctx, &s)
	if err != nil {
		return s.explain(err)
	}
	var begin bool
	if err := errors.Join(say.Encode(true), hear.Decode(&begin)); err != nil {
		return err
	}
	left := make(chan struct{}) // closed when the parent has let go of us, or is gone
	go func() {
		defer close(left)
		_ = hear.Decode(&begin)
	}()
	result, failed := make(chan score, 1), make(chan error, 1)
	go func() {
		done, err := s.perform(timed)
		if err != nil {
			failed <- err
			return
		}
		result <- done
	}()
	select {
	case done := <-result:
		return say.Encode(done) // and only then the parent lets go
	case err := <-failed:
		return s.explain(err)
	case <-left:
		return s.explain(errors.New("told to stop before it was done"))
	}
}

// perform does what the clock runs for, and says how it went.
func (s *stage) perform(timed func() error) (done score, err error) {
	before, err := ownCPU()
	if err != nil {
		return done, err
	}
	done = score{Began: time.Now(), Figures: s.figures}
	if err := s.profiled(timed); err != nil {
		return done, err
	}
	done.Ended = time.Now()
	after, err := ownCPU()
	if err != nil {
		return done, err
	}
	done.CPU = after - before
	done.Peak, err = ownPeak()
	return done, err
}

func (s *stage) explain(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s, %s: %w", s.Scenario, s.Contestant, err)
}

// part finds what this process is to do.
func (s *stage) part() part {
	for _, scenario := range append(scenarios(), load()) {
		for _, c := range scenario.contestants {
			if scenario.name == s.Scenario && c.name == s.Contestant {
				return c.parts[s.Part]
			}
		}
	}
	return func(context.Context, *stage) (func() error, error) {
		return nil, errors.New("there is no such contestant")
	}
}
