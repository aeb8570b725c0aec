//go:build linux

package e2e

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
)

// A series is one quantity over the time of a soak.
type series struct {
	name  string
	unit  float64 // what one of the printed units has of what is measured
	bound float64 // what the floor may rise within the second half, in what is measured, ...
	ratio float64 // or this part of its level, whichever is more
	at    []float64
	value []float64
}

// windows is into how many pieces the second half is cut. Of each the lowest tenth counts: load makes peaks, and
// what a leak raises is the floor.
const windows = 12

// rise tells how much the floor rises within the second half, and its level, by the slope of Theil and Sen (the median
// of the slopes of all pairs): up to 29 % of the points may be anywhere.
func (s *series) rise() (rise, level float64) {
	half := len(s.value) / 2
	at, value := s.at[half:], s.value[half:]
	n := min(windows, len(value))
	if n < 2 {
		return math.NaN(), math.NaN()
	}
	var x, y []float64
	for i := range n {
		from, to := i*len(value)/n, (i+1)*len(value)/n
		piece := slices.Sorted(slices.Values(value[from:to]))
		x, y = append(x, (at[from]+at[to-1])/2), append(y, piece[(len(piece)-1)/10])
	}
	var slopes []float64
	for i := range x {
		for j := range i {
			slopes = append(slopes, (y[i]-y[j])/(x[i]-x[j]))
		}
	}
	return median(slopes) * (at[len(at)-1] - at[0]), median(y)
}

// flat tells whether the second half rises by no more than it may.
func (s *series) flat() bool {
	rise, level := s.rise()
	return rise <= max(s.bound, s.ratio*level)
}

// String is one line: from start to end, and the verdict.
func (s *series) String() string {
	rise, level := s.rise()
	return fmt.Sprintf("%-24s first %8.1f  floor of the second half %8.1f  highest %8.1f  last %8.1f  rise %+7.2f of at most %.2f",
		s.name, s.value[0]/s.unit, level/s.unit, slices.Max(s.value)/s.unit, s.value[len(s.value)-1]/s.unit, rise/s.unit, max(s.bound, s.ratio*level)/s.unit)
}

// all is the whole series, for who has to find out why it rises.
func (s *series) all() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s:", s.name)
	for i := range s.value {
		fmt.Fprintf(&b, " %.0fs %.1f", s.at[i], s.value[i]/s.unit)
	}
	return b.String()
}

// TestSelf_SoakFit: the fit tells a leak from load that comes and goes.
func TestSelf_SoakFit(t *testing.T) {
	const n = 600
	seed := seed{} // always the same noise
	noise := func(i, of int) float64 { return float64(seed.number("noise", i) % of) }
	for name, tt := range map[string]struct {
		value func(i int) float64
		flat  bool
	}{
		"Constant": {func(int) float64 { return 40 }, true},
		"Peaks":    {func(i int) float64 { return 40 + noise(i, 200) }, true},
		"WarmUp":   {func(i int) float64 { return 100 - 60*math.Exp(-float64(i)/60) + noise(i, 30) }, true},
		"OneStep":  {func(i int) float64 { return 40 + 80*math.Floor(float64(i)/580) }, true}, // late, by less than the fit's breakdown
		"Leak":     {func(i int) float64 { return 40 + float64(i)*0.1 + noise(i, 60) }, false},
		"SlowLeak": {func(i int) float64 { return 40 + float64(i)*0.05 }, false},
		"Falls":    {func(i int) float64 { return 200 - float64(i)*0.2 }, true},
	} {
		t.Run(name, func(t *testing.T) {
			s := series{name: name, unit: 1, bound: 12}
			for i := range n {
				s.at, s.value = append(s.at, float64(i)), append(s.value, tt.value(i))
			}
			if s.flat() != tt.flat {
				t.Errorf("flat is %t: %s", s.flat(), &s)
			}
		})
	}
}
