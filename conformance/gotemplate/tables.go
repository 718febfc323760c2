package main

import (
	"fmt"
	"io"
	"strconv"
	"unicode"
)

// writeTables writes which characters Go calls letters, digits and printable, as ranges in Rust.
func writeTables(out io.Writer) {
	fmt.Fprintln(out, "//! Which characters Go calls letters, digits and printable: written by `conformance/gotemplate tables`.")
	fmt.Fprintf(out, "//!\n//! Unicode %s. ASCII is not listed.\n", unicode.Version)
	table(out, "LETTERS", "Letters: `unicode.IsLetter`.", unicode.IsLetter)
	table(out, "DIGITS", "Decimal digits: `unicode.IsDigit`.", unicode.IsDigit)
	table(out, "PRINTABLE", "Printable characters: `strconv.IsPrint`.", strconv.IsPrint)
}

func table(out io.Writer, name, doc string, is func(rune) bool) {
	var ranges [][2]rune
	for r := rune(0x80); r <= unicode.MaxRune; r++ {
		if !is(r) {
			continue
		}
		if n := len(ranges); n > 0 && ranges[n-1][1] == r-1 {
			ranges[n-1][1] = r
		} else {
			ranges = append(ranges, [2]rune{r, r})
		}
	}
	fmt.Fprintf(out, "\n/// %s\n#[rustfmt::skip]\npub(crate) const %s: [(u32, u32); %d] = [\n", doc, name, len(ranges))
	for i := 0; i < len(ranges); i += 6 {
		fmt.Fprint(out, "   ")
		for _, r := range ranges[i:min(i+6, len(ranges))] {
			fmt.Fprintf(out, " (0x%x, 0x%x),", r[0], r[1])
		}
		fmt.Fprintln(out)
	}
	fmt.Fprintln(out, "];")
}
