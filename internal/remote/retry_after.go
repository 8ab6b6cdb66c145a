package remote

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// maxRetryAfter bounds the wait that a service may ask for: a slip there must not put a run off for years.
const maxRetryAfter = 24 * time.Hour

// retryAfter reads the wait that a response asks for, as seconds or as a date (RFC 9110 §10.2.3). A date is taken
// against the response's own, so that clocks that differ do not matter, else against now. 0 is no wait, or none that
// is of use.
func retryAfter(header http.Header, now time.Time) time.Duration {
	asked := strings.TrimSpace(header.Get("Retry-After"))
	if isDigits(asked) {
		return afterSeconds(asked)
	}
	date, err := http.ParseTime(asked)
	if err != nil {
		return 0
	}
	if sent, err := http.ParseTime(header.Get("Date")); err == nil {
		now = sent
	}
	return min(max(0, date.Sub(now)), maxRetryAfter)
}

func isDigits(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}

// afterSeconds takes any number of digits.
func afterSeconds(digits string) time.Duration {
	seconds, err := strconv.Atoi(digits)
	if err != nil || seconds > int(maxRetryAfter/time.Second) {
		return maxRetryAfter
	}
	return time.Duration(seconds) * time.Second
}
