package deploytest

import (
	"context"
	"errors"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"go.uber.org/goleak"

	"oprun.example/internal/devstack"
)

// secrets are what compose.yaml wants from outside, as the .env of deploy/README.md would have them.
var secrets = map[string]string{
	"POSTGRES_PASSWORD": "p0f2c", "OPRUN_OWNER_PASSWORD": "p1e3d", "OPRUN_CONSUMER_PASSWORD": "p2d4e", "OPRUN_PUBLISHER_PASSWORD": "p3c5f",
	"OPRUN_READER_PASSWORD": "p4b60", "NATS_TOPOLOGY_PASSWORD": "p5a71", "NATS_CONSUMER_PASSWORD": "p6982", "NATS_PUBLISHER_PASSWORD": "p7893",
	"GRAFANA_PASSWORD": "p87a4",
}

func TestMain(m *testing.M) { goleak.VerifyTestMain(tests{devstack.Tests{M: m}}) }

// crashing is set where this test binary stands for a program that crashes.
const crashing = "OPRUN_DEPLOYTEST_CRASH"

// crash is what a goroutine of a handler may do to its process.
func crash() {
	go panic("a crash, as asked for")
	select {}
}

// tests removes the binaries afterwards.
type tests struct{ devstack.Tests }

func (t tests) Run() int {
	if os.Getenv(crashing) != "" {
		crash()
	}
	for name, secret := range secrets {
		if err := os.Setenv(name, secret); err != nil { // nats.conf reads them there
			panic(err)
		}
	}
	defer func() { os.RemoveAll(built.folder) }()
	return t.Tests.Run()
}

// roles belong to the server that these tests share, and so are made by one at a time.
var roles sync.Mutex

// makeRoles runs deploy/roles.sql.
func makeRoles(t *testing.T, conn *pgx.Conn) {
	t.Helper()
	roles.Lock()
	defer roles.Unlock()
	execute(t, conn, read(t, "../../deploy/roles.sql"))
}

// login returns a connection of a login that is a member of this role alone.
func login(t *testing.T, admin *pgx.Conn, role string) *pgx.Conn {
	t.Helper()
	name := "login_of_" + role
	roles.Lock()
	execute(t, admin, `do $$ begin
		if to_regrole('`+name+`') is null then create role `+name+` login in role `+role+`; end if;
	end $$`)
	roles.Unlock()
	config := admin.Config().Copy()
	config.User = name
	conn, err := pgx.ConnectConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	closeAfter(t, conn)
	return conn
}

// as runs do in this role.
func as(t *testing.T, conn *pgx.Conn, role string, do func()) {
	t.Helper()
	execute(t, conn, "set role "+role)
	do()
	execute(t, conn, "reset role")
}

func connect(t *testing.T, address string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	closeAfter(t, conn)
	return conn
}

func closeAfter(t *testing.T, conn *pgx.Conn) {
	t.Helper()
	t.Cleanup(func() {
		if err := conn.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
}

func execute(t *testing.T, conn *pgx.Conn, statements string) {
	t.Helper()
	if _, err := conn.Exec(t.Context(), statements); err != nil {
		first, _, _ := strings.Cut(statements, "\n")
		t.Fatalf("%s …: %v", first, err)
	}
}

func isRefused(err error) bool {
	const insufficientPrivilege = "42501"
	answer, ok := errors.AsType[*pgconn.PgError](err)
	return ok && answer.Code == insufficientPrivilege
}
