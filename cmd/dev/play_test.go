package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
)

// play is an example that has done its work, on a stack that is still there.
type play struct {
	cmd      *exec.Cmd
	stdin    io.Writer
	stderr   bytes.Buffer
	output   string // what it printed
	database string
}

// witness stands between exec and the example: behind that it tells where the database is, and holds the stack until it is
// asked no more.
const witness = ` exec -- sh -c '"$@" && echo "DATABASE_URL=$DATABASE_URL" && read -r over' witness `

// start runs the command from the project's root until the example has ended.
func start(t *testing.T, command string, env ...string) *play {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	t.Cleanup(cancel)
	p := &play{}
	p.cmd = exec.CommandContext(ctx, "sh", "-c", strings.Replace(command, " exec -- ", witness, 1))
	p.cmd.Dir = root
	p.cmd.Env = append(append(os.Environ(), "INTUNE_TENANT_ID="), env...)
	p.cmd.Stderr = &p.stderr
	// All of it, or go run would leave its program behind.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	p.cmd.Cancel = func() error { return syscall.Kill(-p.cmd.Process.Pid, syscall.SIGTERM) }
	p.cmd.WaitDelay = 30 * time.Second
	var err error
	if p.stdin, err = p.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		_ = p.cmd.Wait() // when a test has failed before it did
	})
	if p.listen(stdout); p.database == "" {
		t.Fatalf("%s: %v\n%s\n%s", command, p.cmd.Wait(), p.output, &p.stderr)
	}
	return p
}

// listen reads what the example prints, up to the word of the witness.
func (p *play) listen(stdout io.Reader) {
	for lines := bufio.NewScanner(stdout); lines.Scan(); {
		if address, ok := strings.CutPrefix(lines.Text(), "DATABASE_URL="); ok {
			p.database = address
			return
		}
		p.output += lines.Text() + "\n"
	}
}

// asked is a question to the database in which an example has worked, and the rows that answer it.
type asked struct {
	sql  string
	want []string
}

func (p *play) ask(t *testing.T, questions []asked) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), p.database)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	for _, q := range questions {
		rows, err := conn.Query(t.Context(), q.sql)
		if err != nil {
			t.Fatal(err)
		}
		got, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			t.Fatalf("%s: %v", q.sql, err)
		}
		if diff := cmp.Diff(q.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", q.sql, diff)
		}
	}
}

// end lets the stack go.
func (p *play) end(t *testing.T) {
	t.Helper()
	fmt.Fprintln(p.stdin)
	if err := p.cmd.Wait(); err != nil {
		t.Errorf("it ended with %v\n%s", err, &p.stderr)
	}
}

// freePort is for an example that listens.
func freePort(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	address, ok := listener.Addr().(*net.TCPAddr)
	if !ok {
		t.Fatal("no port")
	}
	return strconv.Itoa(address.Port)
}
