package jobs

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"oprun.example/pkg/catalog"
	"oprun.example/pkg/oprun"
)

// childStory in the environment makes the test binary a worker process, to be stopped or killed.
const childStory = "OPRUN_JOBS_TEST_CHILD"

// childHandlers are what the worker process does with the test type, by story. A handler says where it is on
// stdout, and goes on when a line comes in on stdin.
var childHandlers = map[string]func(context.Context, *Job[keyed]) error{
	"write": writeEffect,
	"halt in the handler": func(ctx context.Context, job *Job[keyed]) error {
		halt("in the handler")
		return writeEffect(context.WithoutCancel(ctx), job)
	},
	"halt in the transaction": func(ctx context.Context, job *Job[keyed]) error {
		ctx = context.WithoutCancel(ctx) // a handler that does not look at its context
		return job.Commit(ctx, func(tx pgx.Tx) error {
			_, err := tx.Exec(ctx, "insert into effects values ($1, $2)", job.RunID, job.Attempt)
			halt("in the transaction")
			return err
		})
	},
}

// goOn carries a token for each line on stdin; its owner is the goroutine that reads.
var goOn = make(chan struct{})

func halt(where string) {
	fmt.Println(where)
	<-goOn
}

// beChild is the worker process's main. It ends with its parent at the latest, whose end closes stdin.
func beChild(story string) int {
	go func() {
		for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
			goOn <- struct{}{}
		}
		os.Exit(1)
	}()
	if err := childWorker(context.Background(), story); err != nil {
		fmt.Fprintln(os.Stderr, "worker process:", err)
		return 1
	}
	return 0
}

func childWorker(ctx context.Context, story string) error {
	conn, err := nats.Connect(os.Getenv("NATS_URL"), nats.MaxReconnects(-1))
	if err != nil {
		return err
	}
	js, err := jetstream.New(conn)
	if err != nil {
		return err
	}
	pool, err := pgxpool.New(ctx, os.Getenv("DATABASE_URL"))
	if err != nil {
		return err
	}
	ledger, err := oprun.Open(ctx, pool)
	if err != nil {
		return err
	}
	declared, err := catalog.New(catalog.Catalog{Jobs: map[string]catalog.Job{testType: hurriedJob("key")}}, nil)
	if err != nil {
		return err
	}
	mux := &Mux{}
	Handle(mux, testType, childHandlers[story])
	worker, err := NewWorker(js, ledger, declared, mux, Config{Logger: slog.New(slog.NewTextHandler(os.Stderr, nil))})
	if err != nil {
		return err
	}
	return worker.Run(ctx)
}

// child is a worker process.
type child struct {
	t      testing.TB
	cmd    *exec.Cmd
	stdout *bufio.Reader
	stdin  io.Writer
}

// process starts a worker process, which is killed after the test at the latest. An address that is given stands
// for the stack's own.
func (s *stack) process(story string, address ...string) *child {
	s.t.Helper()
	if childHandlers[story] == nil {
		s.t.Fatalf("there is no story %q", story)
	}
	environment := append(os.Environ(), childStory+"="+story, "NATS_URL="+s.nats.URL(), "DATABASE_URL="+s.database)
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(environment, address...)
	cmd.Stderr = s.t.Output()
	c := &child{t: s.t, cmd: cmd, stdout: bufio.NewReader(must(cmd.StdoutPipe())(s.t)), stdin: must(cmd.StdinPipe())(s.t)}
	check(s.t, cmd.Start())
	s.t.Cleanup(c.kill)
	return c
}

// is waits until the process says that it is there.
func (c *child) is(where string) {
	c.t.Helper()
	line, err := c.stdout.ReadString('\n')
	if err != nil || strings.TrimSpace(line) != where {
		c.t.Fatalf("the worker process said %q (%v), want %q", line, err, where)
	}
}

// goOn lets the handler that halts go on.
func (c *child) goOn() {
	c.t.Helper()
	must(io.WriteString(c.stdin, "go on\n"))(c.t)
}

func (c *child) signal(signal syscall.Signal) {
	c.t.Helper()
	if err := c.cmd.Process.Signal(signal); err != nil && !errors.Is(err, os.ErrProcessDone) {
		c.t.Fatal(err)
	}
}

// kill is kill -9, and waits for the end; a second call does nothing.
func (c *child) kill() {
	_ = c.cmd.Process.Signal(syscall.SIGKILL)
	_ = c.cmd.Wait()
}
