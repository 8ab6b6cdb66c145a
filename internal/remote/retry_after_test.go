package remote

import (
	"net/http"
	"testing"
	"time"
)

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	date := func(after time.Duration) string { return now.Add(after).Format(http.TimeFormat) }
	for name, c := range map[string]struct {
		asked, sent string
		want        time.Duration
	}{
		"nothing":                             {"", "", 0},
		"seconds":                             {"7", "", 7 * time.Second},
		"seconds with spaces":                 {" 7 ", "", 7 * time.Second},
		"no seconds":                          {"0", "", 0},
		"a day":                               {"86400", "", 24 * time.Hour},
		"more than a day":                     {"86401", "", 24 * time.Hour},
		"more than a number holds":            {"99999999999999999999999", "", 24 * time.Hour},
		"negative seconds":                    {"-7", "", 0},
		"fractions":                           {"1.5", "", 0},
		"a word":                              {"soon", "", 0},
		"a date":                              {date(90 * time.Second), "", 90 * time.Second},
		"a date of the past":                  {date(-time.Hour), "", 0},
		"a date in years":                     {date(50_000 * time.Hour), "", 24 * time.Hour},
		"a date by a clock that goes slow":    {date(-time.Hour), date(-2 * time.Hour), time.Hour},
		"a date by a clock that goes fast":    {date(3 * time.Hour), date(2 * time.Hour), time.Hour},
		"a date by a clock that is not shown": {date(time.Hour), "noon", time.Hour},
		"a date as of RFC 850":                {"Sunday, 01-Mar-26 12:00:05 GMT", "", 5 * time.Second},
		"a date as of C":                      {"Sun Mar  1 12:00:05 2026", "", 5 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			header := http.Header{"Retry-After": {c.asked}, "Date": {c.sent}}
			if got := retryAfter(header, now); got != c.want {
				t.Errorf("wait %s, want %s", got, c.want)
			}
		})
	}
}
