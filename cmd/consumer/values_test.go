package main

import (
	"bytes"
	"strings"
	"testing"
)

func TestByteSize(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]byteSize{
		"0": 0, "512": 512, "512B": 512, "64KiB": 64 << 10, "10GiB": 10 << 30, "1.5 MiB": 3 << 19, "10GB": 10e9, "2TB": 2e12,
	} {
		var got byteSize
		if err := got.UnmarshalText([]byte(text)); err != nil || got != want {
			t.Errorf("%s: got %d, %v, want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "GiB", "-1", "1e30", "NaN", "Inf", "10 gigs", "1GiBB", "0x10p"} {
		var got byteSize
		if err := got.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q: got %d", text, got)
		}
	}
}

// What strangers sent must not steer a terminal, nor break a row in two.
func TestTablesAreClean(t *testing.T) {
	t.Parallel()
	columns := []column[string]{{"TEXT", func(s string) string { return s }}, {"END", func(string) string { return "" }}}
	for name, write := range map[string]func(*bytes.Buffer, string) error{
		"table": func(b *bytes.Buffer, s string) error { return printTable(b, []string{s}, columns) },
		"lines": func(b *bytes.Buffer, s string) error { return printLines(b, s, columns) },
	} {
		var out bytes.Buffer
		if err := write(&out, "\x1b[31mred\r\n\tnext\x00\u202e"+strings.Repeat("x", 20_000)); err != nil {
			t.Fatal(err)
		}
		if text := out.String(); strings.ContainsAny(text, "\x1b\r\t\x00\u202e") || !strings.Contains(text, "[31mred next x") {
			t.Errorf("%s: got %.100q", name, text)
		}
		if out.Len() > 2*maxText {
			t.Errorf("%s: %d bytes", name, out.Len())
		}
	}
}
