package jsonread

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Every decimal is the float64 of strconv, bit for bit.
func TestDecimalsAreExact(t *testing.T) {
	t.Parallel()
	check := func(text string) {
		want, err := strconv.ParseFloat(text, 64)
		require.NoError(t, err, text)
		got, n := decimal([]byte(text + ","))
		if n == 0 {
			require.Greater(t, len(strings.Trim(text, "-.")), 19, "%s is short enough", text)
			r := FromBytes([]byte(text))
			got = r.Float()
			require.NoError(t, r.Err(), text)
		}
		require.Equal(t, math.Float64bits(want), math.Float64bits(got), text)
	}
	for _, text := range []string{
		"0", "-0", "-0.0", "0.1", "0.3", "9007199254740992", "9007199254740993", "9007199254740993.0", "9007199254740992.5",
		"9007199254740994.5", "9007199254740995", "9999999999999999999", "0.9999999999999999999", "0.0000000000000000001",
		"1844674407370955161", "9223372036854775807.5", "0.5000000000000000000", "1.0000000000000002220", "4.503599627370496500",
		"0.11764705882352941", "12345678.12345678", "1.12345678", "99999999.99999999", "-0.06818181818181818",
	} {
		check(text)
	}
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 30_000 {
		digits := fmt.Sprint(rnd.Uint64() >> rnd.IntN(64))
		if cut := rnd.IntN(len(digits) + 1); cut == 0 {
			digits = "0." + strings.Repeat("0", rnd.IntN(4)) + digits
		} else if cut < len(digits) {
			digits = digits[:cut] + "." + digits[cut:]
		}
		check(digits)
		// Also the middle between two of them.
		f := rnd.Float64() * 1000
		check(strconv.FormatFloat(f, 'f', -1, 64))
		check(strconv.FormatFloat(f, 'f', rnd.IntN(18), 64))
	}
}

func TestIntegersEqualThoseOfStrconv(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"0", "-0", "7", "-7", "999999999999999999", "-999999999999999999", "1000000000000000000",
		"9223372036854775807", "-9223372036854775808",
	} {
		for _, after := range []string{"", ",", " "} {
			want, err := strconv.Atoi(text)
			require.NoError(t, err)
			r := FromBytes([]byte(text + after))
			require.Equal(t, want, r.Int(), text)
			require.NoError(t, r.Err(), text)
		}
	}
	for _, text := range []string{"1.0", "1e2", "1.5", "9223372036854775808", "-9223372036854775809", "1E0"} {
		r := FromBytes([]byte(text))
		require.Zero(t, r.Int())
		require.ErrorAs(t, r.Err(), new(*MisfitError), text)
		require.NoError(t, r.Rest(), text)
	}
	for _, text := range []string{"-", "-a", "1.", "1e", "1e+", "1.e1"} {
		r := FromBytes([]byte(text))
		require.Zero(t, r.Int())
		require.True(t, r.Broken(), text)
	}
	r := FromBytes([]byte("1e400"))
	require.Zero(t, r.Float())
	require.ErrorContains(t, r.Err(), "out of range")
}
