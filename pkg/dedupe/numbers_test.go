package dedupe

import (
	"math/big"
	"strconv"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"pgregory.net/rapid"
)

// A number is accepted when its RFC 8785 spelling (the shortest digits that read back as the same double) denotes
// the same decimal value as its text. Here math/big says so.
func exactByBig(text string) bool {
	double, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return false
	}
	written, ok1 := new(big.Rat).SetString(text)
	kept, ok2 := new(big.Rat).SetString(strconv.FormatFloat(double, 'g', -1, 64))
	return ok1 && ok2 && written.Cmp(kept) == 0
}

// decimals draws JSON numbers of all lengths, near and far from what a double holds.
var decimals = rapid.OneOf(
	rapid.StringMatching(`-?(0|[1-9][0-9]{0,20})(\.[0-9]{1,20})?`),
	rapid.StringMatching(`-?[0-9](\.[0-9]{1,18})?[eE][+-]?[0-9]{1,3}`),
	rapid.StringMatching(`-?[0-9]{1,4}000(\.0{0,3}1?0)?(e0{0,3}[0-9])?`).Filter(isNumber),
	rapid.Map(rapid.Float64(), func(f float64) string { return strconv.FormatFloat(f, 'e', -1, 64) }),
	rapid.Map(rapid.Int64(), func(n int64) string { return strconv.FormatInt(n, 10) }),
)

func isNumber(text string) bool { return jsontext.Value(text).IsValid() }

func TestExactNumberAgreesWithMathBig(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		text := decimals.Draw(t, "number")
		if got := exactNumber(jsontext.Value(text)); got != exactByBig(text) {
			t.Fatalf("exactNumber(%s) is %t, math/big says %t", text, got, !got)
		}
	})
}

func FuzzExactNumber(f *testing.F) {
	for _, text := range []string{"0", "-0.0", "1e3", "0.1", "9007199254740993", "1e400", "1e-400", "1.7976931348623157e308"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		value := jsontext.Value(text)
		if value.Kind() != '0' || !value.IsValid() || strings.TrimSpace(text) != text || len(text) > 400 || exponentBeyond(text, 2000) {
			t.Skip("no number, or one too large for the oracle")
		}
		if got := exactNumber(value); got != exactByBig(text) {
			t.Errorf("exactNumber(%s) is %t", text, got)
		}
	})
}

// exponentBeyond keeps math/big from writing out numbers of millions of digits.
func exponentBeyond(text string, limit int) bool {
	exp := decimalOf(text).exp
	return exp > limit || exp < -limit
}

func TestNumbersOfTheContract(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"0.1": true, "1.0": true, "1e3": true, "-0": true, "-0.0": true, "0e99999999999": true, "100e-2": true,
		"9007199254740991": true, "9007199254740992": true, "9007199254740993": false, "9007199254740994": true,
		"123456789012345678": false, "12345678901234567000": true, "12345678901234567e3": true,
		"1e400": false, "-1e400": false, "1e-400": false, "0.10000000000000001": false,
		"1e99999999999999999999": false, "1e-99999999999999999999": false, "0.000001e6": true,
		"18446744073709551616": false, // a double holds it, but RFC 8785 spells it 18446744073709552000
	} {
		if got := exactNumber(jsontext.Value(text)); got != want {
			t.Errorf("exactNumber(%s) is %t", text, got)
		}
	}
}
