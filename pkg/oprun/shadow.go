package oprun

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"oprun.example/migrations"
)

// Shadow is a ledger of runs whose effects are taken back: what would come of records, beside what came of them. It is a
// schema of its own in the ledger's database, named oprun_shadow_<name>, which the ledger never looks into. It is
// safe for concurrent use; one process at a time plays records in it.
type Shadow struct {
	Name string

	// Effects is where handlers' transactions are begun: nil is the ledger's own pool. With a copy of the program's tables as they
	// were before the record, handlers do not meet what they have done already. Nothing of it will be committed there either.
	Effects *pgxpool.Pool

	real   *Ledger
	ledger *Ledger // its statements are those of the shadow's schema
}

// shadowPrefix begins the names of shadows' schemas.
const shadowPrefix = "oprun_shadow_"

var shadowName = regexp.MustCompile(`^[a-z][a-z0-9_]{0,30}$`)

// ValidShadow returns nil for what may be the name of a shadow: a lower-case letter, and at most 30 of these, digits and "_".
func ValidShadow(name string) error {
	if !shadowName.MatchString(name) {
		return fmt.Errorf("%q is no name of a shadow: begin with a letter, and take up to 31 of a-z, 0-9 and _", OneLine(name, 40))
	}
	return nil
}

// MakeShadow makes a shadow of this name, with the ledger's workspaces and tenants. Source is where its records come from,
// for people. Errors to test for are [ErrShadowExists] and [ErrMayNotShadow]. Close the shadow before the ledger.
func (l *Ledger) MakeShadow(ctx context.Context, name, source string) (*Shadow, error) {
	if err := ValidShadow(name); err != nil {
		return nil, err
	}
	err := l.withConn(ctx, func(conn *pgx.Conn) error { return migrations.MakeShadow(ctx, conn, shadowPrefix+name) })
	if err != nil {
		return nil, fmt.Errorf("make shadow %s: %w", name, shadowError(err))
	}
	s, err := l.OpenShadow(ctx, name)
	if err != nil {
		return nil, err
	}
	if err := s.begin(ctx, source); err != nil {
		s.Close()
		return nil, fmt.Errorf("make shadow %s: %w", name, err)
	}
	return s, nil
}

// OpenShadow returns the shadow of this name. The error is [ErrNoShadow] when there is none; one that another version of
// this program made is refused. Close the shadow before the ledger.
func (l *Ledger) OpenShadow(ctx context.Context, name string) (*Shadow, error) {
	if err := ValidShadow(name); err != nil {
		return nil, err
	}
	texts, err := elsewhere(shadowPrefix + name)
	if err != nil {
		return nil, err
	}
	db, err := pgxpool.NewWithConfig(ctx, laneConfig(l.pool.Config()))
	if err != nil {
		return nil, fmt.Errorf("open shadow %s: %w", name, err)
	}
	s := &Shadow{Name: name, real: l, ledger: &Ledger{pool: l.pool, db: db, schema: shadowPrefix + name, texts: texts}}
	err = s.ledger.CheckSchema(ctx)
	switch wrong, unlike := errors.AsType[*SchemaError](err); {
	case err == nil:
		return s, nil
	case !unlike:
		err = shadowError(err)
	case wrong.Got == 0:
		err = ErrNoShadow
	default:
		err = fmt.Errorf("it is of version %d of the schema, and this program's is %d: drop it, and make it again", wrong.Got, wrong.Want)
	}
	s.Close()
	return nil, fmt.Errorf("open shadow %s: %w", name, err)
}

// Close ends the shadow's own connections. It stays where it is: see DropShadow.
func (s *Shadow) Close() { s.ledger.db.Close() }

// DropShadow drops a shadow and all that it found. The error is [ErrNoShadow] when there is none.
func (l *Ledger) DropShadow(ctx context.Context, name string) error {
	if err := ValidShadow(name); err != nil {
		return err
	}
	err := l.withConn(ctx, func(conn *pgx.Conn) error { return migrations.DropShadow(ctx, conn, shadowPrefix+name) })
	if err != nil {
		return fmt.Errorf("drop shadow %s: %w", name, shadowError(err))
	}
	return nil
}

// shadowError gives errors about a schema a name.
func shadowError(err error) error {
	switch {
	case hasCode(err, schemaExists):
		return ErrShadowExists
	case hasCode(err, invalidSchema, undefinedTable):
		return ErrNoShadow
	case hasCode(err, noPrivilege):
		return fmt.Errorf("%w (%w)", ErrMayNotShadow, err)
	default:
		return err
	}
}

// withConn runs do with a connection of the caller's pool.
func (l *Ledger) withConn(ctx context.Context, do func(conn *pgx.Conn) error) error {
	return l.pool.AcquireFunc(ctx, func(conn *pgxpool.Conn) error { return do(conn.Conn()) })
}

// begin copies the scopes, so that their jobs are known here, too.
func (s *Shadow) begin(ctx context.Context, source string) error {
	workspaces, err := s.real.Workspaces(ctx)
	if err != nil {
		return err
	}
	tenants, err := s.real.Tenants(ctx)
	if err != nil {
		return err
	}
	var homes, ids, homesOf, externals []rawID
	var names, labels []string
	for _, w := range workspaces {
		homes, names = append(homes, rawID(w.ID)), append(names, w.Name)
	}
	for _, t := range tenants {
		ids, homesOf = append(ids, rawID(t.ID)), append(homesOf, rawID(t.WorkspaceID))
		externals, labels = append(externals, rawID(t.ExternalID)), append(labels, t.Label)
	}
	if _, err := s.ledger.db.Exec(ctx, s.ledger.in(copyScopesSQL), homes, names, ids, homesOf, externals, labels); err != nil {
		return fmt.Errorf("copy tenants: %w", err)
	}
	_, err = s.ledger.db.Exec(ctx, s.ledger.in(shadowBegunSQL), OneLine(source, MaxAttemptError))
	return err
}

// Finished notes that all records were played.
func (s *Shadow) Finished(ctx context.Context) error {
	_, err := s.ledger.db.Exec(ctx, s.ledger.in(shadowEndedSQL))
	return err
}

// ShadowInfo is what a shadow is of, and how far it came.
type ShadowInfo struct {
	Name       string     `db:"-" json:"name"`
	Source     string     `db:"source" json:"source"`
	StartedAt  *time.Time `db:"started_at" json:"started_at"`   // nil: it is still being made
	FinishedAt *time.Time `db:"finished_at" json:"finished_at"` // nil: not all records were played
	Records    int64      `db:"records" json:"records"`         // runs, and requests that made none
}

// About reads what the shadow is of.
func (s *Shadow) About(ctx context.Context) (ShadowInfo, error) {
	rows, err := s.ledger.db.Query(ctx, s.ledger.in(shadowAboutSQL))
	if err != nil {
		return ShadowInfo{}, fmt.Errorf("read shadow %s: %w", s.Name, err)
	}
	infos, err := pgx.CollectRows(rows, pgx.RowToStructByName[ShadowInfo])
	if err != nil {
		return ShadowInfo{}, fmt.Errorf("read shadow %s: %w", s.Name, err)
	}
	info := first(infos)
	info.Name = s.Name
	return info, nil
}

// Shadows returns the names of the database's shadows, sorted.
func (l *Ledger) Shadows(ctx context.Context) ([]string, error) {
	rows, err := l.db.Query(ctx, shadowSchemaSQL)
	if err != nil {
		return nil, fmt.Errorf("list shadows: %w", err)
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, fmt.Errorf("list shadows: %w", err)
	}
	for i, name := range names {
		names[i] = strings.TrimPrefix(name, shadowPrefix)
	}
	return names, nil
}
