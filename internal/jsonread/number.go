package jsonread

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/bits"
	"strconv"
)

// Float reads a number.
func (r *Reader) Float() float64 {
	if !r.atNumber() {
		return 0
	}
	if f, n := decimal(r.buf[r.pos:]); n > 0 {
		r.pos += n
		return f
	}
	token := r.number()
	f, err := strconv.ParseFloat(string(token), 64)
	if err != nil && r.err == nil {
		r.pos -= len(token)
		r.Misfit(fmt.Errorf("the number %s is out of range", shown(token)))
		return 0
	}
	return f
}

// Int reads a number without a fraction.
func (r *Reader) Int() int {
	if !r.atNumber() {
		return 0
	}
	if n, width := digits(r.buf[r.pos:]); width > 0 {
		r.pos += width
		return n
	}
	token := r.number()
	n, err := strconv.Atoi(string(token))
	if err != nil && r.err == nil {
		r.pos -= len(token)
		r.Misfit(fmt.Errorf("the number %s is no integer, or out of range", shown(token)))
		return 0
	}
	return n
}

// FloatPointer reads a number and returns a pointer to it.
func (r *Reader) FloatPointer() *float64 {
	f := r.Float()
	if r.err != nil {
		return nil
	}
	if len(r.floats) == 0 {
		r.floats = make([]float64, pointerBlock)
	}
	p := &r.floats[0]
	r.floats = r.floats[1:]
	*p = f
	return p
}

// IntPointer reads a number without a fraction and returns a pointer to it.
func (r *Reader) IntPointer() *int {
	n := r.Int()
	if r.err != nil {
		return nil
	}
	if len(r.ints) == 0 {
		r.ints = make([]int, pointerBlock)
	}
	p := &r.ints[0]
	r.ints = r.ints[1:]
	*p = n
	return p
}

// pointerBlock is how many numbers share one allocation of 512 bytes. A pointer to one
// of them keeps all of it.
const pointerBlock = 64

func shown(token []byte) []byte { return token[:min(len(token), 32)] }

// atNumber reports whether a number comes next. Otherwise it sets an error.
func (r *Reader) atNumber() bool {
	if r.err != nil {
		return false
	}
	if r.pos < len(r.buf) && '0' <= r.buf[r.pos] && r.buf[r.pos] <= '9' {
		return true
	}
	if c := r.peek(); c == '-' || '0' <= c && c <= '9' {
		return true
	}
	r.misfit("a number")
	return false
}

// number reads a number and returns its bytes in the window, which are valid until the
// next call. If the number is invalid, it returns the part that it read.
func (r *Reader) number() []byte {
	n := 0
	for {
		for r.pos+n < len(r.buf) && isNumber(r.buf[r.pos+n]) {
			n++
		}
		if r.pos+n < len(r.buf) || !r.more() {
			break
		}
	}
	token := r.buf[r.pos : r.pos+n]
	if valid, ok := validNumber(token); !ok || valid < n {
		r.pos += valid
		r.unexpected()
		return nil
	}
	r.pos += n
	return token
}

func isNumber(c byte) bool {
	return '0' <= c && c <= '9' || c == '.' || c == '-' || c == '+' || c == 'e' || c == 'E'
}

// validNumber returns the length of the number at the start of b. If there is none, it
// returns the length of the part that looks like one.
func validNumber(b []byte) (n int, ok bool) {
	i := 0
	run := func() bool {
		from := i
		for i < len(b) && '0' <= b[i] && b[i] <= '9' {
			i++
		}
		return i > from
	}
	if i < len(b) && b[i] == '-' {
		i++
	}
	if i < len(b) && b[i] == '0' {
		i++
	} else if !run() {
		return i, false
	}
	if i < len(b) && b[i] == '.' {
		if i++; !run() {
			return i, false
		}
	}
	if i < len(b) && (b[i] == 'e' || b[i] == 'E') {
		i++
		if i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		if !run() {
			return i, false
		}
	}
	return i, true
}

// digits reads an integer of up to 18 digits that ends within b. It returns the value
// and its length, or a length of 0 for anything else.
func digits(b []byte) (value, width int) {
	i := 0
	negative := b[0] == '-'
	if negative {
		i++
	}
	from := i
	for ; i < len(b) && '0' <= b[i] && b[i] <= '9'; i++ {
		if i-from >= 18 {
			return 0, 0
		}
		value = value*10 + int(b[i]-'0')
	}
	if i == len(b) || i == from || isNumber(b[i]) || i-from > 1 && b[from] == '0' || strconv.IntSize < 64 {
		return 0, 0
	}
	if negative {
		value = -value
	}
	return value, i
}

// decimal reads a number of up to 19 digits, without an exponent, that ends within b.
// It returns the correctly rounded value and its length, or a length of 0 for anything
// else.
func decimal(b []byte) (f float64, width int) {
	i := 0
	negative := b[0] == '-'
	if negative {
		i++
	}
	first := i
	var mantissa uint64
	for ; i < len(b) && '0' <= b[i] && b[i] <= '9'; i++ {
		mantissa = mantissa*10 + uint64(b[i]-'0')
	}
	whole := i - first
	if whole == 0 || whole > 1 && b[first] == '0' {
		return 0, 0
	}
	fraction := 0
	if i < len(b) && b[i] == '.' {
		i++
		from := i
		for i+8 <= len(b) {
			eight, ok := eightDigits(binary.LittleEndian.Uint64(b[i:]))
			if !ok {
				break
			}
			mantissa = mantissa*1e8 + eight
			i += 8
		}
		for ; i < len(b) && '0' <= b[i] && b[i] <= '9'; i++ {
			mantissa = mantissa*10 + uint64(b[i]-'0')
		}
		if fraction = i - from; fraction == 0 {
			return 0, 0
		}
	}
	if i == len(b) || whole+fraction > 19 || isNumber(b[i]) {
		return 0, 0
	}
	f = quotient(mantissa, fraction)
	if negative {
		f = -f
	}
	return f, i
}

// eightDigits returns the number with the eight ASCII digits in w. It combines
// neighbours three times: to two digits, to four, to eight.
func eightDigits(w uint64) (uint64, bool) {
	if w&(0xf0*ones)|(w+6*ones)&(0xf0*ones)>>4 != 0x33*ones {
		return 0, false
	}
	w &= 0x0f * ones
	w = w * (10<<8 + 1) >> 8 & 0x00ff00ff00ff00ff
	w = w * (100<<16 + 1) >> 16 & 0x0000ffff0000ffff
	return w * (10000<<32 + 1) >> 32, true
}

// quotient returns m / 10^exp, correctly rounded; exp is at most 19.
func quotient(m uint64, exp int) float64 {
	if m < 1<<53 && exp < len(exactPowers) {
		return float64(m) / exactPowers[exp] // both are exact, so the result is rounded once
	}
	if exp == 0 {
		return float64(m)
	}
	// Shift both to 64 bits. The integer quotient then has 63 or 64 bits, and of the
	// rest it matters only whether it is zero.
	d := integerPowers[exp]
	up, down := bits.LeadingZeros64(m), bits.LeadingZeros64(d)
	m <<= up
	q, rest := bits.Div64(m>>1, m<<63, d<<down)
	power := down - up - 63
	// Round to 53 bits, ties to even.
	drop := 11 - bits.LeadingZeros64(q)
	half, low := uint64(1)<<(drop-1), q&(1<<drop-1)
	q >>= drop
	if low > half || low == half && (rest != 0 || q&1 != 0) {
		q++ // on overflow it is 2^53, which is exact too
	}
	return float64(q) * math.Float64frombits(uint64(1023+power+drop)<<52)
}

// The powers of ten that a float64 represents exactly, and those that fit into a
// uint64.
var (
	exactPowers = [...]float64{1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11,
		1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22}
	integerPowers = [...]uint64{1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11,
		1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19}
)
