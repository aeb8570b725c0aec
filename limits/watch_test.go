package limits

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// TestBudget_Watch: each Acquire is told once, with how long it took and how it ended; the state counts what goes on.
func TestBudget_Watch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newTestBudget()
		var told []Outcome
		b.Watch(func(o Outcome) { told = append(told, o) })
		bg := context.Background()
		first := start(b, bg, User, 320*mib)
		late := start(b, bg, User, mib)
		login := start(b, bg, Login, 64*mib)
		if got, want := b.State(), (BudgetState{Running: 2, Waiting: 1, Held: 384 * mib, Total: 448 * mib}); got != want {
			t.Errorf("state %+v, want %+v", got, want)
		}
		time.Sleep(2 * time.Second)
		first.end()
		late.mustRun(t)
		start(b, bg, User, 448*mib).mustFail(t, ErrTooHeavy)
		second := start(b, bg, User, 319*mib)
		third := start(b, bg, User, mib)
		time.Sleep(5 * time.Second)
		third.mustFail(t, ErrBusy)
		for _, j := range []*job{late, login, second} {
			j.end()
		}
		if got := b.State(); got.Running != 0 || got.Waiting != 0 || got.Held != 0 {
			t.Errorf("left behind: %+v", got)
		}
		want := []Outcome{
			{User, 0, nil}, {Login, 0, nil}, {User, 2 * time.Second, nil}, {User, 0, ErrTooHeavy}, {User, 0, nil}, {User, 5 * time.Second, ErrBusy},
		}
		if len(told) != len(want) {
			t.Fatalf("told %d times: %+v", len(told), told)
		}
		for i, w := range want {
			if got := told[i]; got.Class != w.Class || got.Waited != w.Waited || !errors.Is(got.Err, w.Err) {
				t.Errorf("%d: %+v, want %+v", i, got, w)
			}
		}
	})
}
