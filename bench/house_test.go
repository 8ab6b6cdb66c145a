package bench

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"oprun.example/internal/devstack"
	"oprun.example/migrations"
	"oprun.example/pkg/oprun"
)

// house is the servers that all contestants share.
type house struct {
	b        *testing.B
	postgres *devstack.Postgres
	nats     *exec.Cmd
	natsURL  string
	rounds   int
}

func newHouse(b *testing.B) *house {
	b.Helper()
	h := &house{b: b}
	var err error
	h.postgres, err = devstack.StartPostgres(context.Background(), devstack.PostgresConfig{
		Durable: true, SharedBuffers: "512MB",
		// No checkpoint in the middle of one contestant's round and not of another's.
		Settings: map[string]string{"max_wal_size": "8GB", "checkpoint_timeout": "1h"},
	})
	h.check(err)
	b.Cleanup(func() { h.check(h.postgres.Close()) })
	h.startNATS()
	return h
}

// startNATS runs the broker as a process of its own, which says its address on its first line.
func (h *house) startNATS() {
	h.b.Helper()
	h.nats = h.child("nats", h.b.TempDir())
	stdin, err := h.nats.StdinPipe()
	h.check(err)
	stdout, err := h.nats.StdoutPipe()
	h.check(err)
	h.check(h.nats.Start())
	h.b.Cleanup(func() {
		h.check(stdin.Close()) // the broker stops when its input ends
		h.check(h.nats.Wait())
	})
	line, err := bufio.NewReader(stdout).ReadString('\n')
	h.check(err)
	h.natsURL = strings.TrimSpace(line)
}

// child is this test binary in another role.
func (h *house) child(role, task string) *exec.Cmd {
	h.b.Helper()
	self, err := os.Executable()
	h.check(err)
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), "OPRUN_BENCH_ROLE="+role, "OPRUN_BENCH_TASK="+task)
	cmd.Stderr = os.Stderr
	return cmd
}

// freshLedger makes a migrated, seeded database, and returns its URL and the tenant's external id.
func (h *house) freshLedger() (url, tenant string) {
	h.b.Helper()
	ctx := context.Background()
	h.rounds++
	name := "round" + strconv.Itoa(h.rounds)
	h.check(h.postgres.CreateDatabase(ctx, name))
	url = h.postgres.URL(name)
	pool, err := pgxpool.New(ctx, url)
	h.check(err)
	defer pool.Close()
	h.check(pool.AcquireFunc(ctx, func(c *pgxpool.Conn) error {
		_, err := migrations.Up(ctx, c.Conn())
		return err
	}))
	ledger, err := oprun.Open(ctx, pool)
	h.check(err)
	defer ledger.Close()
	_, info, err := ledger.Seed(ctx, "")
	h.check(err)
	return url, info.ExternalID.String()
}

func (h *house) query(url, sql string, into any) {
	h.b.Helper()
	conn, err := pgx.Connect(context.Background(), url)
	h.check(err)
	defer func() { h.check(conn.Close(context.Background())) }()
	h.check(conn.QueryRow(context.Background(), sql).Scan(into))
}

func (h *house) wal() (bytes int64) {
	h.b.Helper()
	h.query(h.postgres.URL("postgres"), "select pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::bigint", &bytes)
	return bytes
}

func (h *house) natsCPU() time.Duration { return cpuOf(h.nats.Process.Pid) }

// postgresCPU adds up the server and all its processes, those that have ended included.
func (h *house) postgresCPU() time.Duration {
	h.b.Helper()
	var dir string
	h.query(h.postgres.URL("postgres"), "show data_directory", &dir)
	pidFile, err := os.ReadFile(filepath.Join(dir, "postmaster.pid"))
	h.check(err)
	first, _, _ := strings.Cut(string(pidFile), "\n")
	postmaster, err := strconv.Atoi(first)
	h.check(err)
	total := cpuOf(postmaster)
	children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", postmaster, postmaster))
	h.check(err)
	for _, child := range strings.Fields(string(children)) {
		pid, err := strconv.Atoi(child)
		h.check(err)
		total += cpuOf(pid)
	}
	return total
}

// cpuOf reads what a process and its awaited children have used (proc(5), stat fields 14 to 17); 0 when it is gone.
func cpuOf(pid int) time.Duration {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	_, afterName, _ := strings.Cut(string(stat), ") ")
	var ticks int64
	for _, field := range strings.Fields(afterName)[11:15] {
		n, _ := strconv.ParseInt(field, 10, 64)
		ticks += n
	}
	const perSecond = 100 // USER_HZ
	return time.Duration(ticks) * time.Second / perSecond
}

func (h *house) check(err error) {
	if err != nil {
		h.b.Helper()
		h.b.Fatal(err)
	}
}

func mustID(text string) uuid.UUID { return uuid.MustParse(text) }
