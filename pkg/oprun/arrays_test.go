package oprun

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
)

func TestFastArraysSayWhatPgxWouldSay(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	lists := []struct {
		element string
		list    any
	}{
		{"uuid", []rawID{rawID(uuid.New()), {}, rawID(uuid.New())}},
		{"text", []string{"", "plain", `"quoted", {with} \ NULL`, "NULL", "é😀", strings.Repeat("x", 1000)}},
		{"bytea", [][]byte{{}, {0, 255}, []byte("text")}},
		{"boolean", []bool{true, false, true}},
		{"integer", []int32{0, -1, 1<<31 - 1, -1 << 31}},
		{"bigint", []int64{0, -1, 1<<63 - 1, -1 << 63}},
		{"timestamptz", []time.Time{{}, time.Unix(0, 0), time.Date(1999, 12, 31, 23, 59, 59, 999_999_999, time.UTC), time.Now()}},
		{"uuid", []rawID{}},
		{"text", []string(nil)},
		{"text", make([]string, 10_000)},
		// what they leave to pgx
		{"uuid", []uuid.UUID{uuid.New()}},
		{"text", []*string{nil}},
	}
	for _, l := range lists {
		statement := fmt.Sprintf("select coalesce(array_to_string($1::%s[], '|', 'null'), '')", l.element)
		var fast, plain string
		must(t, s.db.QueryRow(t.Context(), statement, l.list).Scan(&fast))
		must(t, s.pool.QueryRow(t.Context(), statement, l.list).Scan(&plain))
		same(t, fmt.Sprintf("%T", l.list), plain, fast)
	}
}
