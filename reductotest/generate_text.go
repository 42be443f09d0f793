package reductotest

import "strings"

// textKind is the kind of the text of a block.
type textKind int

const (
	plainText textKind = iota
	tableText
	nonASCIIText
	escapedText
	textKinds
)

// texts holds paragraphs as JSON strings without quotes. Blocks share them, because
// generating each would take longer than reading it.
type texts struct {
	doc        GeneratedDocument
	paragraphs [textKinds][][]byte
}

// textsHeld is the approximate size of the paragraphs of a kind. It is larger than the
// window of a compressor, which would find too many repetitions otherwise.
const textsHeld = 128 << 10

func newTexts(d GeneratedDocument) texts {
	t := texts{doc: d}
	wanted := [textKinds]bool{
		plainText: d.Tables+d.NonASCII+d.Escaped < 1, tableText: d.Tables > 0,
		nonASCIIText: d.NonASCII > 0, escapedText: d.Escaped > 0,
	}
	n := int(min(max(min(textsHeld, d.Bytes)/int64(d.BlockText), 4), 512))
	for kind := range textKinds {
		if !wanted[kind] {
			continue
		}
		for i := range n {
			r := newDice(d.Seed, domainTexts, int(kind)<<16|i)
			// From 0.5 to 1.5 times the mean.
			length := max(1, int(float64(d.BlockText)*(0.5+r.fraction())))
			t.paragraphs[kind] = append(t.paragraphs[kind], paragraphOf(kind, length, r))
		}
	}
	return t
}

// kind returns the kind of block i.
func (t *texts) kind(i int) textKind {
	kind, _ := t.choose(i)
	return kind
}

// of returns the text of block i.
func (t *texts) of(i int) []byte {
	kind, which := t.choose(i)
	list := t.paragraphs[kind]
	return list[which%uint64(len(list))]
}

func (t *texts) choose(i int) (textKind, uint64) {
	var r dice
	r.pcg.Seed(t.doc.Seed, domainKinds<<56|uint64(i))
	share, which := r.fraction(), r.pcg.Uint64()
	for _, k := range [...]struct {
		kind  textKind
		share float64
	}{
		{tableText, t.doc.Tables}, {nonASCIIText, t.doc.NonASCII}, {escapedText, t.doc.Escaped},
	} {
		if share < k.share {
			return k.kind, which
		}
		share -= k.share
	}
	if t.paragraphs[plainText] == nil { // the shares add up to 1, up to rounding
		for kind, list := range t.paragraphs {
			if list != nil {
				return textKind(kind), which
			}
		}
	}
	return plainText, which
}

// word returns a word of OCR data.
func (t *texts) word(r *dice) string {
	if r.fraction() < t.doc.NonASCII {
		return foreignWords[r.below(len(foreignWords))]
	}
	if r.fraction() < t.doc.Escaped {
		return escapes[r.below(len(escapes))]
	}
	return plainWords[r.below(len(plainWords))]
}

func paragraphOf(kind textKind, length int, r *dice) []byte {
	var b []byte
	word := func(list []string) { b = append(b, list[r.below(len(list))]...) }
	switch kind {
	case tableText:
		b = append(b, `<table border=\"1\">`...)
		for row := 0; row == 0 || len(b) < length; row++ {
			b = append(b, "<tr>"...)
			for range 4 {
				b = append(b, "<td>"...)
				word(plainWords)
				b = append(b, "</td>"...)
			}
			b = append(b, "</tr>"...)
		}
		return append(b, "</table>"...)
	case nonASCIIText:
		for len(b) < length {
			word(foreignWords)
			b = append(b, ' ')
		}
	case escapedText:
		for len(b) < length {
			word(plainWords)
			word(escapes)
		}
		return b
	default:
		for n := 0; len(b) < length; n++ {
			word(plainWords)
			if n%9 == 8 {
				b = append(b, '.')
			}
			b = append(b, ' ')
		}
	}
	return b[:len(b)-1]
}

var (
	plainWords = strings.Fields(`the of and to in a is that for as with on by this be are or from at which
		amount balance account invoice payment customer supplier contract section paragraph agreement party
		delivery quantity price total tax discount currency bank transfer reference number date due signed
		period quarter report revenue expense profit loss asset liability equity share dividend interest
		12 2024 1,204.50 98.6% (a) (ii) No. 31 USD EUR kg 0.75 17:30 A-1047 page appendix schedule table`)
	foreignWords = strings.Fields(`Überweisung Straße größer façade déjà señor año Łódź naïve Ærø ¥1.200 20€
		договор сумма отчёт τιμολόγιο σύνολο 契約書 合計金額 第三章 보고서 금액 عقد المبلغ חוזה รายงาน 📄 👩‍⚕️`)
	escapes = []string{
		`\n`, `\"`, `\\`, `\/`, `\t`, `\r\n`, `\u00e9`, `\u2013`, `\u4e2d\u6587`, `\ud83d\ude00`, `\u0007`, `\b`, `\f`,
	}
)
